"""How good a training is after so many seconds."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from typing_extensions import override


class TrainingClock(keras.callbacks.Callback):
    """Seconds of training, all that comes before the first step included, evaluations not.

    Args:
        limit: Seconds after which training ends with the epoch that is under way.

    Attributes:
        seconds: Since the clock was made, up to the last step of every epoch.
    """

    def __init__(self, limit: float):
        super().__init__()
        self.limit, self.seconds = limit, list[float]()
        self._began = self._stepped = time.perf_counter()

    @override
    def on_train_batch_end(self, batch, logs=None):
        self._stepped = time.perf_counter()

    @override
    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(self._stepped - self._began)
        self._began += time.perf_counter() - self._stepped  # later by what the evaluation took
        if self.seconds[-1] >= self.limit:
            self.model.stop_training = True


@dataclasses.dataclass(frozen=True)
class Curve:
    """What became of a training.

    Attributes:
        options: Of the run's config.
        seconds: What `TrainingClock` has.
        values: The monitored metric after each epoch.
    """

    options: Mapping[str, Any]
    seconds: list[float]
    values: list[float]

    @property
    def epoch(self) -> float:
        """Seconds of an epoch: the median of those after the first, or the only one."""
        return float(np.median(np.diff(self.seconds))) if len(self.seconds) > 1 else self.seconds[0]

    def until(self, value: float) -> float | None:
        """Seconds until the metric was as high as a value; None: it never was."""
        times = (then for then, found in zip(self.seconds, self.values, strict=True) if found >= value)
        return next(times, None)
