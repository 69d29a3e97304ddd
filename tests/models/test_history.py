"""Users as sums over their histories, items as places, and the linear unit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view
from scipy import sparse

from nmtr_tf.config import RunConfig
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import NO_TIMES, ModelTimes
from nmtr_tf.models.given_histories import GivenHistories
from nmtr_tf.models.history import HistoryRows
from nmtr_tf.models.network import network
from nmtr_tf.models.units import Linear

USERS, ITEMS = 7, 5
RNG = np.random.default_rng(0)
TOUCHED = RNG.random((USERS, ITEMS)) < 0.6
TOUCHED[2] = False  # a user without a history
TOUCHED[4] = True
WEIGHTS = RNG.normal(size=(ITEMS, ITEMS)).astype(np.float32)
SUMS = TOUCHED.astype(np.float32) @ WEIGHTS


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """The linear method's, with weights that tell all apart."""
    plan = resolve(RunConfig().with_options(method="nmtr_linear"), ("view", "buy"))
    model = build_model(plan, USERS, ITEMS, 0, make_view({"buy": TOUCHED}).target)
    network(model).user_rows.tables[0].assign(WEIGHTS)
    return model


@pytest.mark.parametrize("users", [[3], [0, 2, 2, 6], [[1], [2]], [[4, 2, 0]], np.zeros(0, int)], ids=str)
def test_a_users_row_is_the_sum_over_his_history(model, users):
    rows = network(model).user_rows
    assert isinstance(rows, HistoryRows)
    (found,) = rows.rows(tf.constant(users, tf.int32), [0])
    assert found.shape == (*np.shape(users), ITEMS)
    np.testing.assert_allclose(found, SUMS[np.array(users, int)], rtol=1e-5, atol=1e-6)


def test_logits_of_pairs(model):
    users, items = np.repeat(np.arange(USERS), ITEMS), np.tile(np.arange(ITEMS), USERS)
    logits = model({"user_ids": users.astype(np.int32), "item_ids": items.astype(np.int32)})
    np.testing.assert_allclose(logits["buy"], SUMS[users, items], rtol=1e-5, atol=1e-6)


def test_ranking_scores_every_item(model):
    scorer = ModelScorer(model)
    assert not scorer.worth_compiling  # histories are of any length
    scores = scorer.scores(tf.constant([5, 2, 5]), scorer.item_side())
    np.testing.assert_allclose(scores, SUMS[[5, 2, 5]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("half_life", [0.0, 9.0])
@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("gates", [(), (0.5, 2.0)])
def test_the_sums_weigh_what_was_done_and_when(gates, rank, half_life):
    """sum_j x_uj B_ji of some users, all at once and entry by entry; what is given is of today.

    B of low rank is A W' but for its diagonal.
    """
    bits = np.where(TOUCHED, RNG.integers(1, 4, TOUCHED.shape), 0)  # view: 1, buy: 2
    ages = RNG.uniform(0.0, 1.0, TOUCHED.shape)
    options = {"linear_rank": rank, "linear_gates": gates, "history_half_life": half_life}
    options["linear_diagonal"] = 0.4  # which a dense B has in itself
    plan = resolve(RunConfig().with_options(method="nmtr_linear", **options), ("view", "buy"))
    times = ModelTimes(entry_weights=ages[bits != 0].astype(np.float32)) if half_life else NO_TIMES
    model = build_model(plan, USERS, ITEMS, 0, sparse.csr_array(bits), times)
    rows = network(model).user_rows
    parts_of_b = RNG.normal(size=(2 if rank else 1, ITEMS, rank or ITEMS)).astype(np.float32)
    for variable, values in zip(rows.item_weights, parts_of_b, strict=True):
        variable.assign(values)
    table = parts_of_b[0]
    if rank:
        table = parts_of_b[0] @ parts_of_b[1].T
        table += np.diag(0.4 - np.diag(table))
    view, buy = gates or (1, 1)
    of_today = np.array([0, view, buy, buy])[bits]
    weights = of_today * ages if half_life else of_today
    (found,) = rows.rows(tf.constant([4, 2, 0, 4]), [0])
    np.testing.assert_allclose(found, (weights @ table)[[4, 2, 0, 4]], rtol=1e-4, atol=1e-5)
    (nobody,) = rows.rows(tf.zeros([0], tf.int32), [0])
    assert nobody.shape == (0, ITEMS)
    (today,) = GivenHistories(rows, sparse.csr_array(bits.astype(np.int32))).rows(tf.range(USERS), [0])
    np.testing.assert_allclose(today, of_today @ table, rtol=1e-4, atol=1e-5)
    entries = np.flatnonzero(bits[0])
    given = tf.constant(entries), None, 1, [0], tf.constant(bits[0, entries])
    (parts,) = rows.parts(*given, rows.weights_of(0))
    np.testing.assert_allclose(parts, weights[0, entries, None] * table[entries], rtol=1e-4, atol=1e-5)


def test_the_unit_looks_up_for_every_user_row_with_every_item_row():
    sums = RNG.normal(size=(2, 3, ITEMS)).astype(np.float32)
    items = np.array([[4, 0, 0, 1], [2, 2, 3, 4]])
    found = Linear().combine(tf.constant(sums), tf.constant(items[..., None]))
    np.testing.assert_array_equal(found, [sums[n][:, items[n]] for n in range(2)])
    np.testing.assert_array_equal(
        Linear().combine(tf.constant(sums[0]), tf.constant(items[0][:, None])), sums[0][:, items[0]]
    )


def test_nothing_is_left_to_gradients_and_weights_stand_once(model):
    assert model.trainable_variables == []
    shapes = sorted(tuple(weight.shape) for weight in model.weights)
    assert shapes == sorted([(USERS + 1,), (TOUCHED.sum(),), (ITEMS, ITEMS), (ITEMS,)])


def test_saved_and_loaded_it_is_the_same_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    ids = {"user_ids": np.arange(ITEMS, dtype=np.int32), "item_ids": np.arange(ITEMS, dtype=np.int32)}
    np.testing.assert_array_equal(loaded(ids)["buy"], model(ids)["buy"])
    assert not network(loaded).has_one_product
