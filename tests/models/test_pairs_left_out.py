"""Histories without the pair that is predicted, against the formula on histories made anew."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS
from numpy_pooled import DONE, HALF_LIFE, ITEMS, USERS, VIEW, E, plain_vectors, plain_weights
from test_pooled import model_of, rows_of

from nmtr_tf.data.pairs import histories_of
from nmtr_tf.models.network import network
from nmtr_tf.models.pairs_left_out import PairsLeftOut, places_of

SEED = tf.constant([7, 0], tf.int64)
EVERYBODY = tf.range(USERS)


def without(item: int) -> dict[str, np.ndarray]:
    """What everybody did but for one item."""
    left = {name: matrix.copy() for name, matrix in DONE.items()}
    for matrix in left.values():
        matrix[:, item] = False
    return left


@pytest.fixture(scope="module", params=[("history", "own"), ("history", "shared"), ("both", "own")], ids=str)
def rows(request):
    return rows_of(network(model_of(*request.param, history_dropout=0.4)))


def test_a_vector_without_an_item_is_that_of_a_history_without_it(rows):
    """Of all users and items: in the history by none, one or several behaviors, or all there is in it."""
    found = PairsLeftOut(rows, EVERYBODY).without(tf.tile(tf.range(ITEMS)[None, :], [USERS, 1]))
    assert found.shape == (USERS, ITEMS, E)
    for item in range(ITEMS):
        np.testing.assert_allclose(found[:, item], plain_vectors(rows, without(item)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [("history", "own"), ("both", "own")], ids=str)
def test_where_old_items_weigh_less_the_weighted_term_is_left_out(kind):
    """Also of all there is in a history: what rounding leaves is nothing."""
    rows, weights = rows_of(network(model_of(*kind, history_half_life=HALF_LIFE))), plain_weights()
    found = PairsLeftOut(rows, EVERYBODY).without(tf.tile(tf.range(ITEMS)[None, :], [USERS, 1]))
    for item in range(ITEMS):
        expected = plain_vectors(rows, without(item), weights)
        np.testing.assert_allclose(found[:, item], expected, rtol=1e-4, atol=1e-5)
    histories = PairsLeftOut(rows, EVERYBODY)
    owners, columns, _, own = histories.among(tf.range(ITEMS))
    assert own is not None
    np.testing.assert_allclose(own, weights[owners.numpy(), columns.numpy()], rtol=1e-5)
    np.testing.assert_allclose(
        histories.vectors(), plain_vectors(rows, weights=weights), rtol=1e-4, atol=1e-5
    )


def test_all_of_a_history_is_the_vector_of_the_model(rows):
    users = tf.constant([4, 1, 4, 2])
    np.testing.assert_allclose(PairsLeftOut(rows, users).vectors(), rows.rows(users, [0])[0], rtol=1e-5)


def test_which_items_are_in_a_history_and_how(rows):
    items, users = np.array([4, 0, 3]), np.array([5, 2, 0, 5])
    *found, weights = PairsLeftOut(rows, tf.constant(users)).among(tf.constant(items))
    assert weights is None
    owners, columns, kinds = (x.numpy() for x in found)
    shown = np.zeros((len(users), len(items)), int)
    shown[owners, columns] = kinds
    np.testing.assert_array_equal(shown, histories_of(VIEW).toarray()[users][:, items])
    assert len(owners) == np.count_nonzero(shown)


def test_what_is_left_out_at_random_is_left_out_first(rows):
    """The share of entries that the dropout says, of all histories; a user has the same ones twice."""
    bits = histories_of(VIEW)
    histories = PairsLeftOut(rows, EVERYBODY, SEED)
    owners, columns, kinds, _ = histories.among(tf.range(ITEMS))
    kept = np.zeros((USERS, ITEMS), bool)
    kept[owners, columns] = True
    assert np.count_nonzero(kept) == bits.nnz - round(0.4 * bits.nnz)
    np.testing.assert_array_equal(kinds, bits.toarray()[kept])
    for item in range(ITEMS):
        left = {name: matrix & kept for name, matrix in without(item).items()}
        found = histories.without(tf.fill([USERS, 1], item))[:, 0]
        np.testing.assert_allclose(found, plain_vectors(rows, left), rtol=1e-4, atol=1e-5)
    twice = PairsLeftOut(rows, tf.constant([3, 0, 3]), SEED).vectors().numpy()
    np.testing.assert_array_equal(twice[0], twice[2])
    np.testing.assert_allclose(twice[:2], histories.vectors().numpy()[[3, 0]], rtol=1e-5)
    other = PairsLeftOut(rows, EVERYBODY, SEED + 1).among(tf.range(ITEMS))
    assert len(other[0]) == len(owners)
    assert not np.array_equal(other[1], columns)


def test_nobody_and_nothing(rows):
    for seed in (None, SEED):
        nobody = PairsLeftOut(rows, tf.zeros([0], tf.int32), seed)
        assert nobody.vectors().shape == (0, E)
        assert nobody.without(tf.zeros([0, 3], tf.int32)).shape == (0, 3, E)
    stranger = PairsLeftOut(rows, tf.constant([2]))  # he did nothing
    own = plain_vectors(rows)[[2]]
    np.testing.assert_allclose(stranger.without(tf.constant([[0, 4]]))[:, 1], own, atol=1e-6)
    assert len(stranger.among(tf.range(ITEMS))[0]) == 0
    assert len(BEHAVIORS) == len(DONE)


def test_places_among_some_items():
    np.testing.assert_array_equal(places_of(tf.constant([3, 0]), 5), [1, -1, -1, 0, -1])
