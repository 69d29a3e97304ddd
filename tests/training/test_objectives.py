"""Objectives: what is minimised, and on which batches."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS
from plain_pairs import DONE, Setup, assert_same_loss_and_gradient

from nmtr_tf.config import RunConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.models.network import network
from nmtr_tf.training.losses import bpr_loss, log_loss
from nmtr_tf.training.objectives import (
    LOSSES,
    OBJECTIVES,
    Objective,
    SampledPairs,
    find_loss,
    loss_name,
    make_objective,
    objective_name,
    pair_logits,
    register_loss,
    register_objective,
)
from nmtr_tf.training.sampling import BehaviorBatch

BATCH = BehaviorBatch(
    tf.constant([3, 3, 11]),
    tf.constant([1, 2, 29]),
    tf.constant([[5, 6], [7, 8], [9, 1]]),
    tf.ones([3]),
    tf.constant([1.0, 0.0, 1.0]),
)


def plan_of(method="nmtr_gmf", **options):
    return resolve(
        RunConfig().with_options(method=method, embedding_dim=8, num_layers=2, **options), BEHAVIORS
    )


@pytest.fixture(scope="module")
def models():
    """Method -> a model with random weights."""
    made = {}
    for method in PAPER_METHODS:
        made[method] = build_model(plan_of(method), 20, 30, seed=0)
        rng = np.random.default_rng(1)
        for weight in made[method].trainable_variables:
            weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return made


def loss_by_hand(kind, positives, negatives, weights):
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    if kind == "bpr":
        return -np.sum(weights[:, None] * np.log(sigmoid(positives[:, None] - negatives)))
    if kind == "squared":
        return np.sum((1 - positives) ** 2) + np.sum(weights[:, None] * negatives**2)
    return -np.sum(np.log(sigmoid(positives))) - np.sum(weights[:, None] * np.log(1 - sigmoid(negatives)))


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_loss_of_a_method(models, method):
    """Of each predicted behavior, through the functional model's logits."""
    plan, net = plan_of(method), network(models[method])
    items = np.concatenate([BATCH.positives.numpy()[:, None], BATCH.negatives.numpy()], axis=1)
    ids = {"user_ids": np.repeat(BATCH.user_ids, 3), "item_ids": items.ravel()}
    outputs, objective = models[method](ids), make_objective(plan)
    for r, name in enumerate(plan.predicted):
        logits = np.asarray(outputs[name], np.float64).reshape(3, 3)
        np.testing.assert_allclose(pair_logits(net, r, BATCH), logits, rtol=1e-4, atol=1e-5)
        expected = loss_by_hand(plan.loss, logits[:, 0], logits[:, 1:], np.array([1, 0, 1]))
        loss, count = objective.loss(net, r, BATCH)
        assert float(loss) == pytest.approx(expected, rel=1e-4)
        assert float(count) == (4 if plan.loss == "bpr" else 3 + 4)


@pytest.mark.parametrize(("loss", "count"), [("log", 2 + 4 * 1), ("squared", 2 + 4 * 1), ("bpr", 4 * 1)])
def test_number_of_instances(models, loss, count):
    """A positive counts by its weight, a negative by that of its row."""
    weights = tf.constant([1.0, 0.0, 1.0]), tf.constant([1.0, 0.0, 0.0])
    four = tf.concat([BATCH.negatives] * 2, axis=1)
    batch = BehaviorBatch(BATCH.user_ids, BATCH.positives, four, *weights)
    _, found = make_objective(plan_of(loss=loss)).loss(network(models["nmtr_gmf"]), 0, batch)
    assert float(found) == count


def test_the_sampler_of_an_objective(shop):
    """A method for the target trains on its pairs, CMF on all."""
    view, training = shop.training_view(), TrainingConfig(batch_size=64, num_negatives=2, seed=5)
    for method, behaviors in (("gmf", ("buy",)), ("mc_gmf", ("buy",)), ("cmf", BEHAVIORS)):
        sampler = make_objective(plan_of(method)).sampler(view, training, behaviors)
        assert (sampler.batch_size, sampler.num_negatives, sampler.seed) == (64, 2, 5)
        assert sampler.behaviors == behaviors
        assert sampler.num_instances == 3 * sum(view.matrices[name].nnz for name in behaviors)
        assert len(sampler.sample(tf.constant(0, tf.int64))) == len(behaviors)
    assert make_objective(plan_of("gmf")).sampler(view, training, ("buy",)).num_pairs == view.target.nnz


def test_multi_channel_negatives_are_mostly_what_was_not_bought_but_viewed(shop):
    view = shop.training_view()
    shares = {}
    for method in ("bpr", "mc_bpr"):
        training = TrainingConfig(batch_size=10**6, beta=0.1)
        sampler = make_objective(plan_of(method)).sampler(view, training, ("buy",))
        (batch,) = sampler.sample(tf.constant(0, tf.int64))
        users = batch.user_ids.numpy()[:, None]
        assert not view.target.toarray()[users, batch.negatives].any()
        touched = view.matrices["view"].toarray() | view.matrices["cart"].toarray()
        shares[method] = touched[users, batch.negatives].mean()
    assert shares["mc_bpr"] > 0.7 > 0.5 > shares["bpr"]


@pytest.fixture
def registered(monkeypatch):
    """Names that a test registers are taken out of the tables again."""
    for table in (LOSSES, OBJECTIVES):
        monkeypatch.setattr(table, "_parts", dict(table))


def hinge(positive_logits, negative_logits, positive_weights, negative_weights):
    positive = tf.reduce_sum(positive_weights * tf.nn.relu(1 - positive_logits))
    return positive + tf.reduce_sum(negative_weights[:, None] * tf.nn.relu(1 + negative_logits))


def test_a_function_in_place_of_a_loss(models):
    net = network(models["nmtr_gmf"])
    logits = np.array(pair_logits(net, 2, BATCH))
    loss, count = make_objective(plan_of(loss=hinge)).loss(net, 2, BATCH)
    negative = np.maximum(1 + logits[[0, 2], 1:], 0).sum()
    assert float(loss) == pytest.approx(np.maximum(1 - logits[:, 0], 0).sum() + negative, rel=1e-5)
    assert float(count) == 3 + 4


def test_a_registered_loss_is_known_by_name_and_as_a_function(registered):
    assert register_loss("hinge", hinge) is hinge
    assert loss_name(hinge) == "hinge"
    assert find_loss("hinge").function is hinge
    assert not find_loss(hinge).is_pairwise

    @register_loss("difference", is_pairwise=True)
    def difference(positive_logits, negative_logits, positive_weights, negative_weights):
        return tf.reduce_sum(negative_weights[:, None] * (negative_logits - positive_logits[:, None]))

    assert find_loss("difference").is_pairwise
    assert find_loss(difference).is_pairwise  # it is known as a function too
    assert not find_loss("difference").gives_probabilities


def test_a_built_in_function_is_known_by_its_name():
    assert (loss_name(log_loss), loss_name(bpr_loss)) == ("log", "bpr")
    assert find_loss(bpr_loss).is_pairwise
    assert find_loss(log_loss).gives_probabilities
    assert [name for name, row in LOSSES.items() if row.gives_probabilities] == ["log"]
    assert loss_name(hinge) is hinge


def test_an_objective_of_ones_own(registered):
    class Twice(SampledPairs):
        def loss(self, net, r, batch):
            loss, count = super().loss(net, r, batch)
            return 2 * loss, count

    plan = plan_of(objective=Twice)
    assert type(make_objective(plan)) is Twice
    assert make_objective(plan).plan is plan
    assert objective_name(Twice) is Twice
    assert register_objective("twice")(Twice) is Twice
    assert objective_name(Twice) == "twice"
    assert objective_name("sampled") == objective_name(SampledPairs) == "sampled"
    assert type(make_objective(plan_of(objective="twice"))) is Twice


def test_the_base_has_no_loss():
    with pytest.raises(NotImplementedError):
        Objective(plan_of()).loss(None, 0, BATCH)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinges"}, r"`loss` should name a known loss: log, bpr, squared .* Received: 'hinges'\."),
        ({"loss": 3}, r"`loss` should be a name or a function of sampled pairs\. Received: 3\."),
        ({"loss": ["log"]}, r"`loss` should be a name or a function .* Received: \['log'\]\."),
        ({"objective": "all"}, r"`objective` should name a known objective: sampled, .* Received: 'all'\."),
        ({"objective": hinge}, "`objective` should be a name or a subclass of nmtr_tf.Objective. Received: "),
        ({"objective": None}, "`objective` should be .* Received: None"),
        ({"objective": dict}, "`objective` should be .* Received: <class 'dict'>"),
    ],
)
def test_what_is_no_loss_or_objective_is_one_line(options, message):
    with pytest.raises(InputError, match="^" + message) as caught:
        make_objective(plan_of(**options))
    assert "\n" not in str(caught.value)
    assert caught.value.option in options


@pytest.mark.parametrize(
    "options",
    [
        {"user_rows": "history"},
        {"user_rows": "both", "history_items": "shared", "history_alpha": 1.0},
        {"user_rows": "history", "history_half_life": 20.0, "time_bias": "window", "time_window": 15.0},
        pytest.param({"user_rows": "both", "method": "nmtr_neumf", "num_layers": 2}, marks=pytest.mark.slow),
        pytest.param({"user_rows": "history", "method": "cmf", "loss": "log"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_sampled_pair_is_not_in_the_history_that_predicts_it(options):
    """Positive or negative, of any behavior: the loss and its gradient are those of histories made anew."""
    setup = Setup("sampled", **options)
    batch = setup.batch()
    touched = DONE.max(axis=0)[batch[2].user_ids.numpy()[:, None], batch[2].negatives] > 0
    assert touched.any()  # viewed and not bought
    assert_same_loss_and_gradient(setup, batch, setup.plain_sampled_loss)


def test_histories_of_sampled_pairs_are_dropped_out_by_the_seed_of_the_batch():
    setup = Setup("sampled", user_rows="history", history_dropout=0.5)
    batch = setup.batch()[1]
    losses = [float(setup.objective.loss(setup.net, 1, one)[0]) for one in (batch, batch)]
    assert losses[0] == losses[1]
    assert float(setup.objective.loss(setup.net, 1, batch._replace(seed=batch.seed + 1))[0]) != losses[0]
    plain = float(setup.objective.loss(setup.net, 1, batch._replace(seed=None))[0])
    assert plain == pytest.approx(float(setup.plain_sampled_loss(1, batch)), rel=1e-4)
    assert plain != losses[0]
