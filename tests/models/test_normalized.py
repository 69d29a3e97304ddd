"""Items of unit length."""

import keras
import numpy as np
import tensorflow as tf

from nmtr_tf.models.normalized import NormalizedItems


def made(shared: bool) -> NormalizedItems:
    rows = NormalizedItems(num_rows=3, row_size=2, num_behaviors=2, shared=shared, seeds=[1] * (2 - shared))
    rows.build()
    for number, table in enumerate(rows.distinct_tables):
        table.assign([[3.0, 4.0], [-0.5 * (number + 1), 0], [0, 0]])
    return rows


def test_vectors_are_the_rows_over_their_length():
    for shared in (True, False):
        rows = made(shared)
        for one in (*rows.rows(tf.constant([[1], [0]]), (1, 0)), *rows(tf.constant([[1], [0]]))[0]):
            np.testing.assert_allclose(one, np.array([[[-1.0, 0.0]], [[0.6, 0.8]]]), rtol=1e-6)
        expected = np.array([[0.6, 0.8], [-1.0, 0.0], [0.0, 0.0]])  # of zeros they are zeros
        for one in rows.all_rows((0, 1)):
            np.testing.assert_allclose(one, expected, rtol=1e-6)


def test_what_behaviors_share_is_computed_once():
    first, second = made(True).rows(tf.constant([0]), (0, 1))
    assert first is second


def test_what_is_learned_are_the_rows_themselves():
    rows = made(True)
    with tf.GradientTape() as tape:
        (vector,) = rows.rows(tf.constant([0]), (0,))
        first = vector[0, 0]  # 3 / 5
    gradient = tf.convert_to_tensor(tape.gradient(first, rows.tables[0].value))
    expected = np.array([[16 / 125, -12 / 125], [0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert rows.tables_of((0, 1)) == rows.distinct_tables


def test_it_is_written_down_and_read():
    rows = made(False)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rows))
    assert type(again) is NormalizedItems
    assert (again.num_rows, again.row_size, again.shared) == (3, 2, False)
