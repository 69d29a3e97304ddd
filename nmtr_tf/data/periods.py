"""The training time cut into periods of equal length, and how often each item was there in every one."""

import dataclasses
import math

import numpy as np

from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError

MOST = 1000
"""Periods at most: there is a number for each item in each."""


@dataclasses.dataclass(frozen=True)
class Periods:
    """Periods that are counted back from the last training row; the first is number 0.

    Attributes:
        days: Length of each.
        count: How many there are.
    """

    days: float
    count: int

    @classmethod
    def equal(cls, view: TrainingView, count: int) -> "Periods":
        """So many, from the first training row of a view with times to the last."""
        return cls(_oldest(view) / count or 1.0, count)

    @classmethod
    def windows(cls, view: TrainingView, days: float) -> "Periods":
        """As many as are needed for the first training row to be in one.

        Raises:
            InputError: If they are too many.
        """
        oldest = _oldest(view)
        if oldest / days >= MOST:
            raise InputError(
                f"`time_window={days:g}` cuts {oldest:,.0f} days of training rows into more than {MOST:,} "
                f"windows; expected at least {math.ceil(100 * oldest / MOST + 1) / 100:g} days."
            )
        return cls(days, int(oldest / days) + 1)

    def of(self, ages: np.ndarray) -> np.ndarray:
        """The period of each row, from the days to the last row: float64 [n] -> int32 [n]."""
        back = np.minimum((ages / self.days).astype(np.int64), self.count - 1)
        return (self.count - 1 - back).astype(np.int32)

    def popularity(self, view: TrainingView, behavior: str) -> np.ndarray:
        """Training rows of a behavior: int64 [num_items, count], of each item in each period."""
        cells = view.matrices[behavior].indices.astype(np.int64) * self.count + self.of(view.ages[behavior])
        return np.bincount(cells, minlength=view.num_items * self.count).reshape(view.num_items, self.count)


def _oldest(view: TrainingView) -> float:
    """Days from the first training row to the last."""
    return max((float(ages.max()) for ages in view.ages.values() if len(ages)), default=0.0)
