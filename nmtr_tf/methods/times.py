"""What a plan makes of the times of training rows: the bucket of each, and what a model keeps of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nmtr_tf.data.pairs import histories_of, matrix_keys
from nmtr_tf.data.periods import Periods
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import Plan
from nmtr_tf.time_section import BUCKETS, NONE, WINDOW


class ModelTimes(NamedTuple):
    """What a model keeps of the times of its training rows.

    Attributes:
        popularity: Of `time_bias=window`: float32 [num_predicted, num_items, num_windows + 1], for each
            predicted behavior log(1 + rows of the item in the window before), in window 0 zero and behind
            the last window what was there in the last, less the mean over all items: what all items have is
            no popularity, and a weight of it would be learned as a bias of all logits. None: the plan does
            not read it.
        entry_weights: Of `history_half_life`: float32 [nnz of `histories_of` the view], the weight of each
            entry by its age; None: likewise.
    """

    popularity: np.ndarray | None = None
    entry_weights: np.ndarray | None = None


_OLDEST = 64
"""Half-lives: 5e-20, whose products with weights are well above the least float32."""
NO_TIMES = ModelTimes()
"""Of a plan that reads none."""


def check_times(plan: Plan, view: TrainingView) -> None:
    """Refuses a plan that reads times where there are none.

    Raises:
        InputError: If it does, or cuts the training time into too many windows.
    """
    if not (option := plan.timed_option):
        return
    if view.log is None:
        raise InputError(
            f"`{option}` needs a log with times, and this data set has none (ids and orders are none); "
            "leave it out, or prepare from a log with a timestamp."
        )
    if plan.time.time_bias != NONE:
        _periods(plan, view)


def times_of(view: TrainingView, plan: Plan) -> ModelTimes:
    """What a model of a plan keeps of the times of a view, one that `check_times` let pass."""
    popularity = entry_weights = None
    if plan.time.time_bias == WINDOW:
        periods = _periods(plan, view)
        before = [np.pad(periods.popularity(view, name), [(0, 0), (1, 0)]) for name in plan.predicted]
        logs = np.log1p(np.stack(before))
        popularity = (logs - logs.mean(axis=1, keepdims=True)).astype(np.float32)
    if plan.history.history_half_life:
        entry_weights = _entry_weights(view, plan.history.history_half_life)
    return ModelTimes(popularity, entry_weights)


def buckets_of(view: TrainingView, plan: Plan, behaviors: Sequence[str]) -> list[np.ndarray]:
    """The bucket of each training row of some behaviors, int32 [nnz] each; empty: the plan reads none."""
    if plan.time.time_bias == NONE:
        return []
    periods = _periods(plan, view)
    return [periods.of(view.ages[name]) for name in behaviors]


def _periods(plan: Plan, view: TrainingView) -> Periods:
    """What a row's bucket is."""
    if plan.time.time_bias == BUCKETS:
        return Periods.equal(view, plan.time.time_buckets)
    return Periods.windows(view, plan.time.time_window)


def _entry_weights(view: TrainingView, half_life: float) -> np.ndarray:
    """2^(-age / half_life) of each entry of the histories; its age is that of the latest thing done to it.

    It is that of `_OLDEST` half-lives for all that is older: above 0, so that an old history is still one.
    """
    histories = histories_of(view)
    keys, ages = matrix_keys(histories), np.full(histories.nnz, np.inf)
    for name, matrix in view.matrices.items():
        places = np.searchsorted(keys, matrix_keys(matrix))
        ages[places] = np.minimum(ages[places], view.ages[name])
    return np.exp2(-np.minimum(ages / half_life, _OLDEST)).astype(np.float32)
