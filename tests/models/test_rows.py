"""From ids to vectors and item biases (Eq. 4 and 9)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.models.rows import ItemRows, TableRows, distinct, gathered

NUM_ROWS, SIZE, NUM_BEHAVIORS = 7, 3, 3
IDS = tf.constant([[6, 0], [2, 2], [5, 6]])


def make(kind=ItemRows, shared=True, num_rows=NUM_ROWS, seed=0, **options):
    """Rows with random numbers in every variable."""
    rows = kind(num_rows, SIZE, NUM_BEHAVIORS, shared, **options)
    rows.build()
    rng = np.random.default_rng(seed)
    for variable in rows.variables:
        variable.assign(rng.normal(size=variable.shape))
    return rows


def num_reads(rows, terms):
    """How often the graph that gathers rows of some behaviors reads a table."""
    graph = tf.function(lambda ids: rows.rows(ids, terms)).get_concrete_function(IDS).graph
    return sum(operation.type == "ResourceGather" for operation in graph.get_operations())


@pytest.mark.parametrize("shared", [True, False])
def test_rows_are_those_of_the_tables(shared):
    rows = make(shared=shared)
    tables = [np.array(table) for table in rows.tables]
    assert len(tables) == NUM_BEHAVIORS
    for r, own in zip((2, 0), rows.rows(IDS, (2, 0)), strict=True):
        np.testing.assert_array_equal(own, tables[r][IDS.numpy()])
    for r, bias in zip((2, 0), rows.bias_rows(IDS, (2, 0)), strict=True):
        np.testing.assert_array_equal(bias, np.array(rows.biases[r])[IDS.numpy()])


@pytest.mark.parametrize("shared", [True, False])
def test_all_rows_are_the_rows_of_all_ids(shared):
    rows, everything = make(shared=shared), tf.range(NUM_ROWS)
    for terms in ((0, 1, 2), (1,), (2, 0)):
        pairs = zip(rows.all_rows(terms), rows.rows(everything, terms), strict=True)
        biases = zip(rows.all_biases(terms), rows.bias_rows(everything, terms), strict=True)
        for one, other in (*pairs, *biases):
            np.testing.assert_array_equal(one, other)


def test_tables_are_shared_or_apart():
    shared, apart = make(), make(shared=False)
    assert len({id(table) for table in shared.tables}) == 1
    assert len({id(table) for table in apart.tables}) == NUM_BEHAVIORS
    assert shared.tables_of((0, 2)) == [shared.tables[0]]
    assert apart.tables_of((0, 2)) == [apart.tables[0], apart.tables[2]]
    for rows in (shared, apart):  # the biases are each behavior's own
        assert len({id(bias) for bias in rows.biases}) == NUM_BEHAVIORS
        assert distinct(rows.tables) == rows.distinct_tables


def test_a_shared_table_is_read_once():
    assert num_reads(make(), (0, 1, 2)) == 1
    assert num_reads(make(shared=False), (0, 1, 2)) == 3
    one, other = keras.Variable([[1.0]]), keras.Variable([[2.0]])
    first, second, third = gathered([one, other, one], [0])
    assert first is third
    assert (float(first[0, 0]), float(second[0, 0])) == (1, 2)


def test_called_they_give_every_behaviors_rows():
    users, items = make(TableRows), make(ItemRows, shared=False)
    p = users(IDS)
    q, b = items(IDS)
    assert [x.shape for x in (*p, *q)] == [(3, 2, SIZE)] * 6
    assert [x.shape for x in b] == [(3, 2)] * 3
    np.testing.assert_array_equal(q[1], items.rows(IDS, [1])[0])
    np.testing.assert_array_equal(b[2], items.bias_rows(IDS, [2])[0])


def test_initial_values():
    rows = ItemRows(2000, 4, 2, shared=False, stddev=0.02, seeds=(1, 2))
    rows.build()
    first, second = map(np.array, rows.tables)
    assert np.std(first) == pytest.approx(0.02, rel=0.15)  # cut off at two standard deviations
    assert np.abs(first).max() <= 0.04
    assert np.any(first != second)
    assert not any(np.any(bias) for bias in rows.biases)
    again = ItemRows(2000, 4, 2, shared=False, stddev=0.02, seeds=(1, 2))
    again.build()
    np.testing.assert_array_equal(again.tables[1], second)


@pytest.mark.parametrize("trains_biases", [True, False])
def test_biases_are_trained_or_not(trains_biases):
    rows = make(trains_biases=trains_biases)
    assert len(rows.trainable_variables) == 1 + trains_biases * NUM_BEHAVIORS
    assert len(rows.variables) == 1 + NUM_BEHAVIORS


@pytest.mark.parametrize("shared", [True, False])
def test_rows_taken_over_from_another_model(shared):
    """By id and by behavior: two ids of five are known here, and the behaviors stand elsewhere."""
    ours, theirs = make(shared=shared), make(shared=shared, num_rows=5, seed=1)
    tables, biases = ([np.array(x) for x in parts] for parts in (ours.tables, ours.biases))
    learned, learned_biases = ([np.array(x) for x in parts] for parts in (theirs.tables, theirs.biases))
    ours.take_over(theirs, [(0, 1), (2, 2)], np.array([4, 1]), np.array([0, 6]))
    for there, here in [(0, 1), (2, 2)]:
        tables[here][[0, 6]] = learned[there][[4, 1]]
        biases[here][[0, 6]] = learned_biases[there][[4, 1]]
    expected = [tables[2]] * 3 if shared else tables
    for now, table in zip(ours.tables, expected, strict=True):
        np.testing.assert_array_equal(now, table)
    for now, bias in zip(ours.biases, biases, strict=True):
        np.testing.assert_array_equal(now, bias)
    for one, other in zip((*theirs.tables, *theirs.biases), (*learned, *learned_biases), strict=True):
        np.testing.assert_array_equal(one, other)  # the source stays


def test_users_have_no_biases_to_take_over():
    ours, theirs = make(TableRows), make(TableRows, seed=1)
    before, learned = np.array(ours.tables[0]), np.array(theirs.tables[0])
    ours.take_over(theirs, [(0, 0)], np.array([3]), np.array([2]))
    before[2] = learned[3]
    np.testing.assert_array_equal(ours.tables[0], before)


@pytest.mark.parametrize(
    "rows",
    [
        TableRows(4, SIZE, 2, True, stddev=0.5, seeds=[7], name="users"),
        ItemRows(4, SIZE, 2, False, stddev=0.5, seeds=[7, 8], trains_biases=False, name="items"),
    ],
    ids=["users", "items"],
)
def test_config_round_trip(rows):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rows))
    assert type(again) is type(rows)
    assert again.get_config() == rows.get_config()
    for one in (rows, again):
        one.build()
    for one, other in zip(rows.variables, again.variables, strict=True):
        assert one.trainable == other.trainable
        np.testing.assert_array_equal(one, other)
