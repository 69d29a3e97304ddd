"""Keras callbacks of the training loop."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from typing_extensions import override

from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file
from nmtr_tf.models.saved import load_model


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best monitored value and stops when it no longer improves.

    Epochs without the value in their logs (not evaluated) are passed over. At the end of training the
    model has the best weights; without any value it keeps the last. Stages of training are each `begin`
    to `end_stage`, but for the last one, which the training ends.

    Args:
        monitor: Key of the logs; higher is better.
        patience: Evaluations without improvement before training stops; 0: never.
        path: Where to save the model at each improvement (`.keras`); None: nowhere.
    """

    def __init__(self, monitor: str, patience: int, path: Path | None = None):
        super().__init__()
        self.patience = patience
        self.begin(monitor, path)

    def begin(self, monitor: str, path: Path | None) -> None:
        """Begins anew, with a value that does not compare with what came before; arguments as above."""
        self.monitor, self.path = monitor, path
        self.epoch: int | None = None
        self.value = -np.inf
        self.weights: list[np.ndarray] = []
        self._waited, self._has_stopped = 0, False

    def end_stage(self) -> None:
        """Gives the model the best weights so far; that this has stopped a stage does not end the training.

        Where another callback stopped it, nothing changes.
        """
        if self._has_stopped:
            self.model.stop_training = False
        if not self.model.stop_training:
            self.on_train_end()

    @override
    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            return
        if value > self.value:
            self.epoch, self.value, self._waited = epoch, value, 0
            self.weights = self.model.get_weights()
            self._save()
            return
        self._waited += 1
        if self.patience and self._waited >= self.patience and not self.model.stop_training:
            self.model.stop_training = self._has_stopped = True

    @override
    def on_train_end(self, logs=None):
        if self.weights:
            self.model.set_weights(self.weights)

    def state(self) -> dict[str, Any]:
        """What `restore` takes besides the weights, as JSON has it."""
        return {
            "epoch": self.epoch,
            "value": float(self.value),
            "waited": self._waited,
            "has_stopped": self._has_stopped,
        }

    def restore(self, state: Mapping[str, Any], weights: Sequence[np.ndarray]) -> None:
        """Goes on from a state; the file then has these weights again, whatever it had meanwhile."""
        self.epoch, self.value, self.weights = state["epoch"], state["value"], list(weights)
        self._waited, self._has_stopped = state["waited"], state["has_stopped"]
        if self.path and not self.weights:
            self.path.unlink(missing_ok=True)
        elif self.path and not _holds(self.path, self.weights):
            current = self.model.get_weights()
            self.model.set_weights(self.weights)
            self._save()
            self.model.set_weights(current)

    def _save(self) -> None:
        if self.path:
            with new_file(self.path) as path:
                self.model.save(path)


def _holds(path: Path, weights: Sequence[np.ndarray]) -> bool:
    """Whether a file is a model with these weights."""
    try:
        found = load_model(path).get_weights()
    except (InputError, OSError):
        return False
    return len(found) == len(weights) and all(map(np.array_equal, found, weights))


def set_directions(callbacks: Iterable[keras.callbacks.Callback]) -> None:
    """Says what mode="auto" means: losses are to fall, metrics of a ranking to rise.

    Keras knows the direction of its own metrics alone.
    """
    for callback in callbacks:
        if getattr(callback, "mode", None) == "auto" and (monitor := getattr(callback, "monitor", "")):
            callback.mode = "min" if "loss" in monitor else "max"
