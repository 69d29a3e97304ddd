"""Groups of held-out pairs that are measured apart."""

import itertools
from collections.abc import Sequence

import numpy as np

from nmtr_tf.data.matrices import BehaviorMatrices
from nmtr_tf.data.pairs import contained


def held_out_groups(
    before: BehaviorMatrices, users: np.ndarray, items: np.ndarray, lower_bounds: Sequence[int]
) -> dict[str, np.ndarray]:
    """Groups by what the user had done before: to the held-out item, and how often to any.

    "touched" are the pairs that the user had already shown an auxiliary behavior on, whether or not the
    protocol takes that row out of training; "untouched" the others. "5-8 purchases" are the users with 5
    to 8 rows of the target behavior before; where one a user is held out for validation, it is one of them
    (Figure 5).

    Args:
        before: What users had done before, in the run's behaviors: see `nmtr_tf.data.dataset.Dataset.before`.
        users: int32 [n], user rows.
        items: int32 [n], held-out item rows.
        lower_bounds: Ascending; the least number of purchases of each group. Users below the first make a
            group of their own, if there are any.

    Returns:
        Name -> bool [n], in order; groups without a pair are left out.
    """
    pairs = np.stack([users, items], axis=1)
    auxiliary = [before.matrices[name] for name in before.auxiliary_behaviors]
    touched = np.zeros(len(users), bool)
    for matrix in auxiliary:
        touched |= contained(pairs, matrix)
    groups = {"touched": touched, "untouched": ~touched} if auxiliary else {}
    purchases = np.diff(before.target.indptr)
    group = np.searchsorted(lower_bounds, purchases[users], side="right")
    for number, name in enumerate(_names(lower_bounds)):
        groups[f"{name} {before.target_behavior}"] = group == number
    return {name: members for name, members in groups.items() if members.any()}


def _names(bounds: Sequence[int]) -> list[str]:
    inner = [f"{low}-{high - 1}" if high - low > 1 else f"{low}" for low, high in itertools.pairwise(bounds)]
    return [f"<{bounds[0]}", *inner, f">={bounds[-1]}"] if bounds else []
