"""Keras callbacks of the training loop."""

from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from typing_extensions import override

from nmtr_tf.files import new_file


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
        self._weights: list[np.ndarray] | None = None
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
            self._weights = self.model.get_weights()
            if self.path:
                with new_file(self.path) as path:
                    self.model.save(path)
            return
        self._waited += 1
        if self.patience and self._waited >= self.patience and not self.model.stop_training:
            self.model.stop_training = self._has_stopped = True

    @override
    def on_train_end(self, logs=None):
        if self._weights is not None:
            self.model.set_weights(self._weights)


def set_directions(callbacks: Iterable[keras.callbacks.Callback]) -> None:
    """Says what mode="auto" means: losses are to fall, metrics of a ranking to rise.

    Keras knows the direction of its own metrics alone.
    """
    for callback in callbacks:
        if getattr(callback, "mode", None) == "auto" and (monitor := getattr(callback, "monitor", "")):
            callback.mode = "min" if "loss" in monitor else "max"
