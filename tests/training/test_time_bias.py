"""Training with a term of time in item biases: which bucket a pair has, what is learned, what is frozen."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view
from plain_pairs import VIEW, Setup, assert_same_loss_and_gradient

from nmtr_tf.config import RunConfig
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.training.sampling import padded
from nmtr_tf.training.trained import TrainedPart
from nmtr_tf.training.trainer import train

BUCKETS = {"time_bias": "buckets", "time_buckets": 4}
WINDOW = {"time_bias": "window", "time_window": 15.0}
MIXED = {"units": ("gmf", "mlp", "gmf"), "num_layers": 2}


@pytest.mark.parametrize("options", [BUCKETS, WINDOW], ids=str)
def test_every_pair_has_the_bucket_of_its_own_row(options):
    """Of each behavior, over an epoch; `VIEW` has times of sixty days."""
    setup, seen = Setup("sampled", batch_size=7, **options), 0
    ages = {}
    for name, matrix in VIEW.matrices.items():
        ages[name] = matrix.toarray().astype(float)
        ages[name][matrix.nonzero()] = VIEW.ages[name]
    oldest = max(float(own.max()) for own in VIEW.ages.values())
    for step in range(setup.sampler.steps_per_epoch):
        for name, batch in zip(VIEW.behaviors, setup.batch(step), strict=True):
            age = ages[name][batch.user_ids.numpy(), batch.positives.numpy()]
            if options is BUCKETS:  # from the first row to the last
                expected = np.minimum(3, np.ceil(4 * (oldest - age) / oldest - 1e-9) - 1).clip(0)
            else:  # back from the last row
                expected = oldest // 15 - age // 15
            np.testing.assert_array_equal(batch.buckets, expected)
            seen += len(age)
    assert seen == sum(matrix.nnz for matrix in VIEW.matrices.values())


def test_without_the_option_there_are_none():
    assert [batch.buckets for batch in Setup("sampled").batch()] == [None] * 3


@pytest.mark.parametrize(
    "options",
    [
        BUCKETS,
        WINDOW,
        {**BUCKETS, "after": ("buy:view+cart",)},
        pytest.param({**WINDOW, "method": "cmf", "item_bias": True, "loss": "log"}, marks=pytest.mark.slow),
        pytest.param({**BUCKETS, "method": "nmtr_neumf", "num_layers": 2}, marks=pytest.mark.slow),
        pytest.param({**BUCKETS, "user_rows": "both", **MIXED}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_loss_and_gradient_are_those_of_the_biases_at_the_time_of_each_pair(options):
    """Positives and negatives alike, with those of all ancestors."""
    setup = Setup("sampled", **options)
    batch = setup.batch()
    assert all(len(set(one.buckets.numpy())) > 1 for one in batch)
    assert_same_loss_and_gradient(setup, batch, setup.plain_sampled_loss)


def test_padded_rows_change_nothing():
    setup = Setup("sampled", **BUCKETS)
    batch = setup.batch()[2]
    wide = padded(batch, len(batch.user_ids) + 3)
    assert len(wide.buckets) == len(batch.user_ids) + 3
    losses = [float(setup.objective.loss(setup.net, 2, one)[0]) for one in (batch, wide)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_stage_leaves_the_terms_of_frozen_behaviors_alone():
    for options, name in ((BUCKETS, "bucket_biases"), (WINDOW, "window_weights")):
        setup = Setup("sampled", train_mode="sequential", **options)
        trained = TrainedPart(setup.net, setup.plan.stages[1])  # of carts
        own = getattr(setup.net.item_rows, name)
        assert [id(one) in trained.ids for one in own] == [False, True, False]


def shop_of_fashions():
    """Items 0 to 3 were bought in the first month, 4 to 7 in the second, equally often, by everybody."""
    users, items = 16, 8
    bought = np.add.outer(np.arange(users), np.arange(items)) % 2 == 0
    days = np.where(np.arange(items) < 4, np.arange(users)[:, None], 45 + np.arange(users)[:, None])
    return make_view({"view": bought, "buy": bought}, days={"view": days, "buy": days + 0.5})


@pytest.mark.parametrize(
    "options", [{}, {"time_bias": "buckets", "time_buckets": 2}, {"time_bias": "window"}], ids=str
)
def test_it_learns_what_is_in_fashion_now(options):
    """Without time all items are alike; with it those of the second month come first, for everybody."""
    view = shop_of_fashions()
    own = {"method": "nmtr_gmf", "embedding_dim": 4, "batch_size": 16, "num_epochs": 30, "ks": (2,)}
    config = RunConfig().with_options(**own, **options, validation="none", learning_rate=0.05)
    plan = resolve(config, view.behaviors)
    model = build_model(plan, view.num_users, view.num_items, 0, times=times_of(view, plan))
    train(model, plan, view, config)
    biases = np.sum([bias.numpy() for bias in network(model).item_rows.all_biases([0, 1])], axis=0)
    scorer = ModelScorer(model)
    scores = scorer.scores(tf.range(view.num_users), scorer.item_side()).numpy()
    now = scores[:, 4:].mean(axis=1) - scores[:, :4].mean(axis=1)
    if options:
        assert biases[4:].min() > biases[:4].max()
        assert np.all(now > 0.2)
    else:
        assert abs(biases[4:].mean() - biases[:4].mean()) < 0.05
        assert abs(now.mean()) < 0.1
