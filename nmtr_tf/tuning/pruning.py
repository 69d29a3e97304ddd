"""Median pruning: a trial that lags behind half of the finished ones is stopped."""

from collections.abc import Sequence

import keras
import numpy as np
from typing_extensions import override


def median_best(curves: Sequence[Sequence[float]], evaluation: int) -> float:
    """Median over trials of the best value up to an evaluation (from 1); a shorter curve counts whole."""
    return float(np.median([max(curve[:evaluation]) for curve in curves]))


class MedianPruner(keras.callbacks.Callback):
    """Stops training when its best value so far is below the median of what finished trials had by then.

    The best so far, not the last value: both sides of the comparison are then the same thing, and a dip of
    one epoch stops nothing. Epochs without the value in their logs (not evaluated) are passed over.

    Args:
        monitor: Key of the logs; higher is better.
        curves: The monitored values of each finished trial, one an evaluation, none empty.
        warmup_epochs: Evaluations before which nothing is stopped.
        warmup_trials: Finished trials without which nothing is stopped.

    Attributes:
        curve: The values seen, one an evaluation.
        pruned: Whether training was stopped here.
    """

    def __init__(
        self, monitor: str, curves: Sequence[Sequence[float]], warmup_epochs: int, warmup_trials: int
    ):
        super().__init__()
        self._monitor, self._curves = monitor, curves
        self._warmup_epochs = warmup_epochs
        self._enough = len(curves) >= max(warmup_trials, 1)
        self.curve: list[float] = []
        self.pruned = False

    @override
    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self._monitor)
        if value is None:
            return
        self.curve.append(value)
        if not self._enough or len(self.curve) <= self._warmup_epochs:
            return
        if max(self.curve) < median_best(self._curves, len(self.curve)):
            self.pruned = self.model.stop_training = True
