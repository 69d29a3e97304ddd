"""Losses with negatives that a batch shares, against plain sums over pairs."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from all_pairs import ITEMS, USERS
from conftest import BEHAVIORS
from plain_pairs import VIEW, Setup, assert_same_loss_and_gradient

from nmtr_tf.config import TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.training import pair_scores
from nmtr_tf.training.shared import Contrastive, Softmax
from nmtr_tf.training.shared_sampling import SharedBatch
from nmtr_tf.training.trained import TrainedPart

TOWER = {"num_layers": 2}
SOFTMAX: dict[str, dict[str, Any]] = {
    "nmtr_gmf": {"temperature": 0.5},
    "separate tables": {"share_embeddings": False},
    "cmf": {"method": "cmf", "item_bias": True},
    "nmtr_neumf": {"method": "nmtr_neumf", **TOWER},
    "a tower above products": {"units": ("mf", "mlp", "gmf"), **TOWER},
    "history": {"user_rows": "history"},
    "both": {"user_rows": "both", "history_alpha": 0.3},
    "shared items": {"user_rows": "history", "history_items": "shared"},
    "histories by age": {"user_rows": "both", "history_half_life": 20.0},
    "a tower on histories": {"method": "nmtr_mlp", "user_rows": "both", **TOWER},
    "one behavior from all": {"method": "gmf", "user_rows": "history", "item_bias": True},
}
CONTRASTIVE: dict[str, dict[str, Any]] = {
    "nmtr_gmf": {"margin": 0.1, "negative_weight": 3.0},
    "cmf": {"method": "cmf", "margin": -0.2},
    "history": {"user_rows": "history", "margin": 0.2},
    "both": {"user_rows": "both", "margin": 0.0},
    "shared items": {"user_rows": "history", "history_items": "shared", "margin": 0.0},
}


QUICK = ("nmtr_gmf", "a tower above products", "both", "one behavior from all")


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in SOFTMAX]
)
def test_softmax_is_the_plain_sum_over_pairs(case, monkeypatch):
    """Loss and gradient, the same for a tower that sees one user at a time."""
    monkeypatch.setattr(pair_scores, "_FLOATS_AT_ONCE", 1)
    setup = Setup("softmax", **SOFTMAX[case])
    assert_same_loss_and_gradient(setup, setup.batch(), setup.plain_loss)


@pytest.mark.parametrize("case", CONTRASTIVE)
def test_contrastive_is_the_plain_sum_over_pairs(case):
    setup = Setup("contrastive", **CONTRASTIVE[case])
    assert_same_loss_and_gradient(setup, setup.batch(), setup.plain_loss)


def test_a_tower_in_a_graph_is_the_same_in_chunks_of_any_size(monkeypatch):
    setup = Setup("softmax", method="mlp", batch_size=7, **TOWER)
    (batch,) = setup.batch()
    losses, gradients = [], []
    for size in (2**24, 1, 300):  # all, one and some users at a time
        monkeypatch.setattr(pair_scores, "_FLOATS_AT_ONCE", size)

        @tf.function(autograph=False)
        def step():
            with tf.GradientTape() as tape:
                loss, _ = setup.objective.loss(setup.net, 0, batch)
            return loss, tape.gradient(loss, setup.values)

        loss, found = step()
        losses.append(float(loss))
        gradients.append([tf.convert_to_tensor(one).numpy() for one in found])
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)
    for everything, *others in zip(*gradients, strict=True):
        for one in others:
            np.testing.assert_allclose(one, everything, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["mlp", "gmf"])
def test_a_step_without_rows_has_a_loss_of_zero(method):
    setup = Setup("softmax", method=method, batch_size=7, user_rows="both", history_dropout=0.5)
    (batch,) = setup.batch()
    nothing = {"hits": batch.hits[:0], "user_ids": batch.user_ids[:0], "positives": batch.positives[:0]}

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss, count = setup.objective.loss(setup.net, 0, batch._replace(**nothing))
        return loss, count, tape.gradient(loss, setup.values)

    loss, count, gradients = step()
    assert (float(loss), float(count)) == (0, 0)
    assert not any(np.any(tf.convert_to_tensor(one)) for one in gradients)


def by_hand(hits) -> SharedBatch:
    """Two rows and three negatives, of which the last came twice as often as was to be expected."""
    hits = tf.constant(hits, tf.int64, shape=[len(hits), 2])
    ids = tf.constant([0, 1])
    return SharedBatch(ids, ids, tf.constant([3, 4, 5]), tf.constant([1.0, 1.0, 2.0]), hits, tf.zeros([2]))


def objective_of(objective, **options):
    return Setup(objective, **options).objective


def test_softmax_by_hand():
    """Logits are logarithms of whole numbers over a temperature of a half."""
    softmax = objective_of("softmax", temperature=0.5)
    assert isinstance(softmax, Softmax)
    positive = tf.constant(np.log([4.0, 3.0]) / 2, tf.float32)
    negative = tf.constant(np.log([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]) / 2, tf.float32)
    rows = [-np.log(4 / (4 + 1 + 2 + 2 * 3)), -np.log(3 / (3 + 5 + 6 + 2 * 7))]
    assert float(softmax.of_scores(positive, negative, by_hand([]))) == pytest.approx(sum(rows), rel=1e-5)
    rows = [-np.log(4 / (4 + 2)), 0.0]  # all of the second row are its own
    hits = [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert float(softmax.of_scores(positive, negative, by_hand(hits))) == pytest.approx(sum(rows), rel=1e-5)


def test_contrastive_by_hand():
    """A mean over the negatives that are left, of what is above the margin."""
    loss = objective_of("contrastive", margin=0.25, negative_weight=4.0)
    assert isinstance(loss, Contrastive)
    positive = tf.constant([0.5, -0.5])
    negative = tf.constant([[0.75, 0.0, 0.25], [1.0, 0.5, -1.0]])
    rows = [0.5 + 4 * 0.5 / 3, 1.5 + 4 * (0.75 + 0.25) / 3]
    assert float(loss.of_scores(positive, negative, by_hand([]))) == pytest.approx(sum(rows))
    rows = [0.5 + 4 * 0.5 / 2, 1.5]
    hits = [(0, 1), (1, 0), (1, 1), (1, 2)]
    assert float(loss.of_scores(positive, negative, by_hand(hits))) == pytest.approx(sum(rows))


def test_the_cosine_of_a_cascade_by_hand():
    """Of (h_view + h_buy) * p with q, where the longer p and q change nothing."""
    setup = Setup("contrastive", units=("gmf", "gmf", "mf"))
    units, net = setup.net.cascade.units, setup.net
    for unit, h in zip(units, ([1.0, 0, 0, 0], [1.0, 1.0, 0, 0]), strict=False):
        unit.h.assign(h)
    for size in (1.0, 7.0):
        net.user_rows.tables[0].assign(np.tile([size, 2 * size, 0, 0], (USERS, 1)))
        net.item_rows.tables[0].assign(np.tile([0, 3 * size, 4 * size, 0], (ITEMS, 1)))
        positive, negative = pair_scores.shared_scores(net, 2, setup.batch()[2], cosine=True)
        y, q = np.array([3.0, 4.0, 0, 0]), np.array([0, 3.0, 4.0, 0])  # (1 + 1 + 1) 1, (0 + 1 + 1) 2
        cosine = y @ q / np.linalg.norm(y) / np.linalg.norm(q)
        np.testing.assert_allclose(positive, np.full(len(positive), cosine), rtol=1e-5)
        np.testing.assert_allclose(negative, np.full(negative.shape, cosine), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"user_rows": "both"}], ids=str)
def test_what_ranks_are_the_cosines_but_for_a_factor_of_each_user(options):
    setup = Setup("contrastive", **options)
    scorer, everybody = ModelScorer(setup.model), tf.range(USERS)
    scores = scorer.scores(everybody, scorer.item_side()).numpy()
    parts = tf.add_n(setup.net.user_parts(everybody, scorer.terms)).numpy()
    q = setup.net.item_rows.tables[0].numpy()
    cosines = parts @ q.T / np.linalg.norm(parts, axis=1)[:, None] / np.linalg.norm(q, axis=1)
    np.testing.assert_allclose(scores / np.linalg.norm(parts, axis=1)[:, None], cosines, rtol=1e-4, atol=1e-5)
    users, items = np.indices((USERS, ITEMS)).reshape(2, -1)
    logits = setup.model({"user_ids": users, "item_ids": items})[BEHAVIORS[-1]]
    np.testing.assert_allclose(tf.reshape(scores, [-1]), logits, rtol=1e-4, atol=1e-5)


def all_logits(setup, r):
    users, items = np.indices((USERS, ITEMS)).reshape(2, -1)
    return setup.scores(r, users, items).numpy().astype(float).reshape(USERS, ITEMS)


def full_softmax(logits, r, user, item):
    """Of a pair among it and all items on which the user did not show behavior r."""
    own, shown = logits[user], VIEW.matrices[BEHAVIORS[r]].toarray()[user] > 0
    return -own[item] + np.log(np.exp(own[item]) + np.exp(own[~shown]).sum())


def row_losses(setup, r, steps):
    """For every pair of behavior r the losses that steps give it: (user, item) -> list."""
    logits = all_logits(setup, r)
    losses: dict[tuple[int, int], list[float]] = {}
    for step in setup.sampler.batches().take(steps).as_numpy_iterator():
        batch = step[r]
        negative = tf.constant(logits[batch.user_ids][:, batch.items], tf.float32)
        for place, pair in enumerate(zip(batch.user_ids, batch.positives, strict=True)):
            hits = batch.hits[batch.hits[:, 0] == place] * [0, 1]
            row = batch._replace(hits=tf.constant(hits, tf.int64))
            positive = tf.constant([logits[pair]], tf.float32)
            own = setup.objective.of_scores(positive, negative[place, None], row)
            losses.setdefault(pair, []).append(float(own))
    return losses


def test_what_is_sampled_adds_up_to_the_full_softmax_in_expectation():
    """The mean over many steps of exp of a row's loss is what exp of the full softmax's is.

    exp(loss) = 1 + sum over the negatives / exp(positive) is linear in what is drawn; log is not.
    """
    setup = Setup("softmax", batch_size=8, num_negatives=2)
    logits, losses = all_logits(setup, 1), row_losses(setup, 1, 150)
    assert len(losses) == VIEW.matrices[BEHAVIORS[1]].nnz
    off = []
    for pair, own in losses.items():
        found, expected = np.exp(own), np.exp(full_softmax(logits, 1, *pair))
        off.append((found.mean() - expected) / (found.std() / np.sqrt(len(own))))
    assert np.abs(off).max() < 4
    assert np.mean(np.square(off)) < 2


def test_with_many_samples_the_loss_is_that_of_the_full_softmax():
    """All items are drawn, and what is left of chance is which positives are there besides."""
    distances = []
    for count in (1, ITEMS):
        setup = Setup("softmax", batch_size=8, num_negatives=count)
        logits, losses = all_logits(setup, 2), row_losses(setup, 2, 30)
        off = [one - full_softmax(logits, 2, *pair) for pair, own in losses.items() for one in own]
        distances.append(np.abs(off).mean())
    assert 3 * distances[1] < distances[0]
    assert distances[1] < 0.1


def test_l2_is_of_the_distinct_rows_of_a_batch():
    setup = Setup("softmax", user_rows="both")
    training = TrainingConfig(l2_user=0.5, l2_item=0.25, l2_unit=2.0)
    trained, batch = TrainedPart(setup.net, setup.plan.stages[0]), setup.batch()
    users = np.unique(np.concatenate([part.user_ids for part in batch]))
    items = np.unique(np.concatenate([[*part.items.numpy(), *part.positives.numpy()] for part in batch]))
    rows = setup.net.user_rows
    expected = 0.5 * np.sum(np.array(rows.own.tables[0])[users] ** 2)
    for table in (setup.net.item_rows.tables[0], rows.items.tables[0]):
        expected += 0.25 * np.sum(np.array(table)[items] ** 2)
    weights = [rows.gate, *(unit.h for unit in setup.net.cascade.units)]
    expected += 2 * sum(np.sum(np.array(weight) ** 2) for weight in weights)
    assert float(setup.objective.penalty(trained, batch, training)) == pytest.approx(expected, rel=1e-5)


def test_a_count_of_a_loss_is_that_of_its_positives():
    setup = Setup("contrastive")
    for r, part in enumerate(setup.batch()):
        assert float(setup.objective.loss(setup.net, r, part)[1]) == len(part.user_ids)


def test_cosines_of_ones_own_are_refused_as_no_model_would_rank_by_them():
    class Own(Contrastive):
        pass

    with pytest.raises(InputError, match=r"^`objective` should be 'contrastive' where scores are cosines\. "):
        Setup(Own)
    assert type(Setup(type("Own", (Softmax,), {})).objective).__name__ == "Own"
