"""Optimizers against TensorFlow 1's and against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.training.optimizers import Adagrad, Adam, make_optimizer, sum_repeated_rows

IDS = [[0, 2, 2, 2], [1, 1, 0, 2], [2, 2, 1, 1]]


def gradients(sparse):
    rng = np.random.default_rng(0)
    for ids in IDS:
        values = rng.normal(size=(4, 3)).astype(np.float32)
        slices = tf.IndexedSlices(tf.constant(values), tf.constant(ids), tf.constant([5, 3]))
        yield slices if sparse else tf.convert_to_tensor(slices)


def start():
    return np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("accumulator", [1e-8, 0.1])
def test_adagrad_is_tensorflow_ones(sparse, accumulator):
    ours, theirs = keras.Variable(start()), tf.Variable(start())
    optimizer = Adagrad(0.05, accumulator)
    reference = tf.compat.v1.train.AdagradOptimizer(0.05, accumulator)
    for gradient in gradients(sparse):
        optimizer.apply([gradient], [ours])
        reference.apply_gradients([(gradient, theirs)])
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("ours", "dense"), [(Adagrad(0.05), Adagrad(0.05)), (Adam(0.05), Adam(0.05))])
def test_repeated_rows_give_the_step_of_the_dense_gradient(ours, dense):
    sparse_variable, dense_variable = keras.Variable(start()), keras.Variable(start())
    for sparse_gradient, dense_gradient in zip(gradients(True), gradients(False), strict=True):
        ours.apply([sparse_gradient], [sparse_variable])
        dense.apply([dense_gradient], [dense_variable])
    np.testing.assert_allclose(sparse_variable, dense_variable, rtol=1e-6, atol=1e-6)


def test_keras_own_adagrad_differs_on_repeated_rows():
    """Why this project has its own; when this fails, Keras has been mended."""
    ours, theirs = keras.Variable(start()), keras.Variable(start())
    stock = keras.optimizers.Adagrad(0.05, 1e-8, epsilon=0.0)
    for gradient in gradients(True):
        Adagrad(0.05).apply([gradient], [ours])
        stock.apply([gradient], [theirs])
    assert np.abs(np.asarray(ours) - np.asarray(theirs)).max() > 1e-3


def test_adagrad_by_hand():
    variable, optimizer = keras.Variable([1.0, 1.0]), Adagrad(0.1, 4.0)
    optimizer.apply([tf.constant([3.0, 0.0])], [variable])
    assert np.asarray(variable).tolist() == pytest.approx([1 - 0.1 * 3 / np.sqrt(4 + 9), 1.0])


def test_rows_without_gradient_stay():
    variable, optimizer = keras.Variable(start()), Adagrad(0.05)
    for gradient in gradients(True):
        optimizer.apply([gradient], [variable])
    np.testing.assert_array_equal(np.asarray(variable)[3:], start()[3:])


def test_sum_repeated_rows():
    slices = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([7, 3, 7]), tf.constant([9, 1]))
    summed = sum_repeated_rows(slices)
    assert summed.indices.numpy().tolist() == [7, 3]
    assert summed.values.numpy().tolist() == [[5.0], [2.0]]
    dense = tf.ones([2, 2])
    assert sum_repeated_rows(dense) is dense


def test_learning_rate_callbacks_work():
    variable, optimizer = keras.Variable([1.0]), Adagrad(0.1, 1.0)
    optimizer.learning_rate = 0.0
    optimizer.apply([tf.constant([1.0])], [variable])
    assert float(variable[0]) == 1.0


def test_serialization_round_trip():
    again = keras.optimizers.deserialize(keras.optimizers.serialize(Adagrad(0.3, 0.25)))
    assert isinstance(again, Adagrad)
    assert again.initial_accumulator == 0.25
    assert float(again.learning_rate) == pytest.approx(0.3)


def test_make_optimizer():
    adagrad = make_optimizer(TrainingConfig(learning_rate=0.2, initial_accumulator=0.5))
    assert isinstance(adagrad, Adagrad)
    assert adagrad.initial_accumulator == 0.5
    adam = make_optimizer(TrainingConfig(optimizer="adam", learning_rate=0.2))
    assert isinstance(adam, Adam)
    assert float(adam.learning_rate) == pytest.approx(0.2)
