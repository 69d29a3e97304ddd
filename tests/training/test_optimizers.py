"""Optimizers against TensorFlow 1's and against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.models.optimizers import Adagrad, Adam, sum_repeated_rows
from nmtr_tf.training.optimizers import OPTIMIZERS, make_optimizer, optimizer_name, register_optimizer

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
    assert float(adagrad.learning_rate) == pytest.approx(0.2)
    adam = make_optimizer(TrainingConfig(optimizer="adam", learning_rate=0.2))
    assert isinstance(adam, Adam)
    assert float(adam.learning_rate) == pytest.approx(0.2)
    assert float(make_optimizer(TrainingConfig(learning_rate=1)).learning_rate) == 1.0


def test_a_keras_optimizer_is_copied_each_time():
    given = keras.optimizers.SGD(0.125, momentum=0.5, clipnorm=2.0)
    one, two = (make_optimizer(TrainingConfig(optimizer=given)) for _ in range(2))
    assert len({id(given), id(one), id(two)}) == 3
    for made in (one, two):
        assert type(made) is keras.optimizers.SGD
        assert made.get_config() == given.get_config()


def test_a_schedule_is_kept():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    made = make_optimizer(TrainingConfig(optimizer=keras.optimizers.SGD(schedule)))
    variable = keras.Variable([0.0])
    for _ in range(3):
        made.apply([tf.constant([1.0])], [variable])
    assert float(variable[0]) == -(0.5 + 0.25 + 0.125)


@pytest.fixture
def registered(monkeypatch):
    """Names that a test registers are taken out of the table again."""
    monkeypatch.setattr(OPTIMIZERS, "_parts", dict(OPTIMIZERS))


def test_a_registered_optimizer_is_known_by_name_and_as_an_object(registered):
    momentum = register_optimizer("momentum", keras.optimizers.SGD(0.25, momentum=0.9))
    made = make_optimizer(TrainingConfig(optimizer="momentum", learning_rate=0.5))
    assert made is not momentum
    assert (float(made.learning_rate), made.momentum) == (0.25, 0.9)  # its own rate: it is what was given
    assert optimizer_name(momentum) == "momentum"
    assert optimizer_name("adam") == "adam"
    other = keras.optimizers.SGD(0.25)
    assert optimizer_name(other) is other


def test_a_function_that_makes_one_gets_the_options(registered):
    @register_optimizer("nadam")
    def nadam(training):
        return keras.optimizers.Nadam(training.learning_rate)

    for given in ("nadam", nadam):
        made = make_optimizer(TrainingConfig(optimizer=given, learning_rate=0.5))
        assert type(made) is keras.optimizers.Nadam
        assert float(made.learning_rate) == 0.5
    assert optimizer_name(nadam) == "nadam"


@pytest.mark.parametrize(
    "wrong", [None, 3, keras.optimizers.SGD, keras.losses.MeanSquaredError, lambda training: 0.1]
)
def test_what_is_no_optimizer(wrong):
    with pytest.raises(
        InputError, match=r"^`optimizer` should be a name, a Keras optimizer or .* Received: "
    ):
        make_optimizer(TrainingConfig(optimizer=wrong))


def test_an_unknown_name_is_one_line():
    with pytest.raises(
        InputError, match=r"^`optimizer` should name a known optimizer: adagrad, adam .* 'sgd'\.$"
    ):
        make_optimizer(TrainingConfig(optimizer="sgd"))
