"""Users as sums of item vectors over their histories."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS
from numpy_pooled import ALPHA, DONE, HALF_LIFE, ITEMS, RNG, USERS, VIEW, E, plain_vectors, plain_weights

from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.given_histories import GivenHistories
from nmtr_tf.models.network import Network, network
from nmtr_tf.models.pooled import PooledRows, row_sums


def model_of(user_rows: str = "history", history_items: str = "own", **options) -> keras.Model:
    """A cascade of GMF with random weights."""
    own = {"user_rows": user_rows, "history_items": history_items, "history_alpha": ALPHA}
    config = RunConfig().with_options(
        method="nmtr_gmf", objective="whole_data", embedding_dim=E, **own, **options
    )
    plan = resolve(config, BEHAVIORS)
    model = build_model(plan, USERS, ITEMS, 0, histories_of(VIEW), times_of(VIEW, plan))
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module", params=[("history", "own"), ("history", "shared"), ("both", "own")], ids=str)
def net(request) -> Network:
    return network(model_of(*request.param))


def rows_of(net: Network) -> PooledRows:
    assert isinstance(net.user_rows, PooledRows)
    return net.user_rows


def test_the_histories_are_bits():
    expected = sum(DONE[name].astype(int) << s for s, name in enumerate(BEHAVIORS))
    found = histories_of(VIEW)
    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.dtype == np.int32
    assert found.nnz == np.count_nonzero(expected)


@pytest.mark.parametrize("users", [[3], [0, 2, 2, 5], [[1], [2]], np.zeros(0, int)], ids=str)
def test_a_users_vector_is_the_formula(net, users):
    found = net.user_rows.rows(tf.constant(users, tf.int32), [0, 2])
    assert len(found) == 2
    expected = plain_vectors(rows_of(net))[np.array(users, int)]
    for one in found:
        assert one.shape == (*np.shape(users), E)
        np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_old_items_of_a_history_weigh_less(dropout):
    """Those that are left out in training are so whatever they weigh; a history that is given is of today."""
    rows = rows_of(network(model_of(history_half_life=HALF_LIFE, history_dropout=dropout)))
    weights, users = plain_weights(), tf.range(USERS)
    (found,) = rows.rows(users, [0])
    np.testing.assert_allclose(found, plain_vectors(rows, weights=weights), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found, plain_vectors(rows), atol=1e-2)
    bits, seed = histories_of(VIEW), tf.constant([7, 0], tf.int64)
    own_seed = tf.random.experimental.stateless_fold_in(seed, 1)
    kept = np.zeros((USERS, ITEMS), bool)
    kept[bits.nonzero()] = tf.random.stateless_uniform([bits.nnz], own_seed).numpy() >= dropout
    left = {name: matrix & kept for name, matrix in DONE.items()}
    expected = plain_vectors(rows, left, weights)
    np.testing.assert_allclose(rows.rows(users, [0], seed)[0], expected, rtol=1e-4, atol=1e-5)
    (today,) = GivenHistories(rows, bits).rows(users, [0])
    np.testing.assert_allclose(today, plain_vectors(rows), rtol=1e-4, atol=1e-5)


def test_a_history_that_is_worth_less_than_one_item_of_today_is_not_blown_up():
    rows = rows_of(network(model_of(history_half_life=1e-3)))
    (found,) = rows.rows(tf.range(USERS), [0])
    last = np.argmax([matrix.max() for matrix in plain_weights()])  # of all, he did the last thing
    assert np.all(np.delete(np.linalg.norm(found, axis=1), last) < 1e-6)
    assert np.linalg.norm(found[last]) > 0.1


def test_logits_and_scores_are_those_of_the_vectors(net):
    """By pairs of ids, and of all items at once."""
    q, biases = np.array(net.item_rows.tables[0]), [np.array(b) for b in net.item_rows.biases]
    h = [np.array(unit.h) for unit in net.cascade.units]
    expected = (plain_vectors(rows_of(net)) * np.sum(h, axis=0)) @ q.T + np.sum(biases, axis=0)
    users, items = (x.ravel().astype(np.int32) for x in np.indices((USERS, ITEMS)))
    layers = net.user_rows(users), *net.item_rows(items)
    logits = net.cascade(layers)[BEHAVIORS[-1]]
    np.testing.assert_allclose(logits, expected.ravel(), rtol=1e-3, atol=1e-4)
    assert net.from_history
    assert net.has_one_product


def test_ranking_is_by_the_model():
    model = model_of()
    scorer = ModelScorer(model)
    assert not scorer.worth_compiling
    users, items = (x.ravel().astype(np.int32) for x in np.indices((USERS, ITEMS)))
    logits = model({"user_ids": users, "item_ids": items})[BEHAVIORS[-1]]
    scores = scorer.scores(tf.range(USERS), scorer.item_side())
    np.testing.assert_allclose(tf.reshape(scores, [-1]), logits, rtol=1e-4, atol=1e-5)


def test_without_a_table_there_is_none():
    shapes = {
        name: [tuple(weight.shape) for weight in model_of(*name).trainable_variables]
        for name in (("history", "own"), ("history", "shared"), ("both", "own"))
    }
    assert shapes["history", "own"].count((USERS, E)) == shapes["history", "shared"].count((USERS, E)) == 0
    assert shapes["both", "own"].count((USERS, E)) == 1
    assert shapes["history", "own"].count((ITEMS, E)) == 2
    assert shapes["history", "shared"].count((ITEMS, E)) == 1


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_in_training_whole_items_of_a_history_are_left_out(dropout):
    """What is left is a history of its own; without a seed nothing is left out."""
    rows = rows_of(network(model_of(history_dropout=dropout)))
    ids, bits = tf.range(USERS), histories_of(VIEW)
    seeds = [tf.constant([7, number], tf.int64) for number in (0, 0, 1)]
    first, again, other = (rows.rows(ids, [0], seed)[0].numpy() for seed in seeds)
    np.testing.assert_array_equal(first, again)
    own_seed = tf.random.experimental.stateless_fold_in(seeds[0], 1)
    kept = tf.random.stateless_uniform([bits.nnz], own_seed).numpy() >= dropout
    mask = bits.copy()
    mask.data = kept.astype(np.int32)
    left = {name: matrix & (mask.toarray() > 0) for name, matrix in DONE.items()}
    np.testing.assert_allclose(first, plain_vectors(rows, left), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows.rows(ids, [0])[0], plain_vectors(rows), rtol=1e-4, atol=1e-5)
    assert kept.all() == (not dropout)
    assert np.array_equal(first, other) == (not dropout)


@pytest.mark.parametrize("weights", [None, [0.5, 0.25, 1.0, 0.125]])
def test_sums_have_the_gradient_of_the_plain_formula(weights):
    table = tf.constant(RNG.normal(size=(ITEMS, E)), tf.float32)
    rows, columns = tf.constant([0, 0, 2, 3], tf.int64), tf.constant([1, 4, 0, 4], tf.int64)
    factors = tf.constant(RNG.normal(size=(5, E)), tf.float32)
    matrix = np.zeros((5, ITEMS), np.float32)
    matrix[rows, columns] = 1 if weights is None else weights
    own = None if weights is None else tf.constant(weights)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(table)
        found, plain = row_sums(table, rows, columns, tf.constant(5, tf.int64), own), tf.matmul(matrix, table)
        losses = [tf.reduce_sum(factors * one**2) for one in (found, plain)]
    np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-6)
    ours, expected = (tape.gradient(loss, table) for loss in losses)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", [None, tf.zeros([0])], ids=["alike", "weighted"])
def test_in_a_graph_a_batch_of_nobody_has_sums_and_a_gradient(weights):
    """A product of sparse matrices that TensorFlow has takes the whole process along."""
    table, nothing = tf.Variable(tf.ones([ITEMS, E])), tf.zeros([0], tf.int64)

    @tf.function
    def step(count):
        with tf.GradientTape() as tape:
            sums = row_sums(table, nothing, nothing, count, weights)
            loss = tf.reduce_sum(sums**2)
        return sums, tf.convert_to_tensor(tape.gradient(loss, table))

    for count in (0, 3):
        sums, gradient = step(tf.constant(count, tf.int64))
        assert sums.shape == (count, E)
        assert gradient.shape == (ITEMS, E)
        assert not np.any(sums)
        assert not np.any(gradient)


@pytest.mark.parametrize("kind", [("history", "own"), ("history", "shared"), ("both", "own")], ids=str)
def test_saved_and_loaded_it_is_the_same_model(kind, tmp_path):
    model = model_of(*kind, history_half_life=HALF_LIFE if kind[0] == "both" else 0.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    ids = {"user_ids": np.arange(ITEMS, dtype=np.int32), "item_ids": np.arange(ITEMS, dtype=np.int32)}
    for name, logits in model(ids).items():
        np.testing.assert_array_equal(loaded(ids)[name], logits)
    net = network(loaded)
    is_shared = rows_of(net).items.tables[0] is net.item_rows.tables[0]
    assert is_shared == (kind[1] == "shared")
    assert len(loaded.weights) == len(model.weights)
