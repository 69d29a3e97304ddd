"""The table of optimizers: what `optimizer` can name, and how a run gets one of its own."""

from collections.abc import Callable
from typing import Any

import keras

from nmtr_tf.config import TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.models.optimizers import Adagrad, Adam
from nmtr_tf.registry import Registry


def _adagrad(training: TrainingConfig) -> keras.optimizers.Optimizer:
    return Adagrad(training.learning_rate, training.initial_accumulator)


def _adam(training: TrainingConfig) -> keras.optimizers.Optimizer:
    return Adam(training.learning_rate)


Factory = Callable[[TrainingConfig], keras.optimizers.Optimizer]
OPTIMIZERS: Registry[Factory | keras.optimizers.Optimizer] = Registry("optimizer", "optimizer")
OPTIMIZERS.register("adagrad", _adagrad)
OPTIMIZERS.register("adam", _adam)


def register_optimizer(name: str, optimizer: Factory | keras.optimizers.Optimizer | None = None) -> Any:
    """Gives an optimizer a name, which the option `optimizer` knows it by from then on.

    Args:
        name: The name.
        optimizer: A Keras optimizer, which is copied for each training, or a function from a
            `TrainingConfig` to a new one. None: the result decorates such a function.
    """
    if optimizer is None:
        return lambda decorated: register_optimizer(name, decorated)
    return OPTIMIZERS.register(name, optimizer)


def optimizer_name(optimizer: Any) -> Any:
    """The registered name of an optimizer that is given by name or as an object, or the object as it is."""
    if isinstance(optimizer, str):
        return optimizer
    return OPTIMIZERS.name_of(lambda row: row is optimizer) or optimizer


def make_optimizer(training: TrainingConfig) -> keras.optimizers.Optimizer:
    """A new optimizer: the one that the config names, or a copy of the Keras optimizer that it holds.

    Raises:
        InputError: If there is no such optimizer.
    """
    optimizer = training.optimizer
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS.find(optimizer)
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return type(optimizer).from_config(optimizer.get_config())
    is_function = callable(optimizer) and not isinstance(optimizer, type)
    made = optimizer(training) if is_function else None
    if not isinstance(made, keras.optimizers.Optimizer):
        raise InputError(
            "`optimizer` should be a name, a Keras optimizer or a function that makes one of a "
            f"TrainingConfig. Received: {optimizer!r}."
        )
    return made
