"""Finds where held-out items are in a chunk of scores by sorting it: for users with several of them.

Sorting a user's scores takes as long as counting above a few items; then each item is a binary search.
"""

import numpy as np
import tensorflow as tf


def places_by_sorting(
    scores: np.ndarray,
    rows: np.ndarray,
    items: np.ndarray,
    masked: tuple[np.ndarray, np.ndarray],
    length: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Places of some items of some users, and the users' first candidates.

    Args:
        scores: float32 [num_users, num_items].
        rows: int [n], row of each item to rank.
        items: int [n]; none is masked.
        masked: Rows and columns of masked entries, int [m] each.
        length: Candidates in a list; 0: there are no lists.

    Returns:
        float64 [2, n], how many candidates are above the item and how many level with it, itself included,
        NaN where the row holds a score that is NaN or infinite; and int32 [n, length], best first, -1 where
        there are fewer, or None.
    """
    own, finite = scores[rows, items], np.isfinite(scores).all(axis=1)
    candidates = scores.copy()
    candidates[masked] = -np.inf
    lists = _top_items(candidates, length)[rows] if length else None
    candidates.sort(axis=1)
    below, not_above = (_insertion(candidates, rows, own, after) for after in (np.less, np.less_equal))
    places = np.stack([scores.shape[1] - not_above, not_above - below]).astype(float)
    places[:, ~finite[rows]] = np.nan
    return places, lists


def _insertion(
    ascending: np.ndarray, rows: np.ndarray, values: np.ndarray, is_before: np.ufunc
) -> np.ndarray:
    """How many entries of its row stand before each value, int64 [n]: a binary search for all at once."""
    num_entries = ascending.shape[1]
    low, high = np.zeros(len(rows), np.int64), np.full(len(rows), num_entries, np.int64)
    for _ in range(num_entries.bit_length()):
        middle = (low + high) // 2
        at = ascending[rows, np.minimum(middle, num_entries - 1)]
        is_after = (low < high) & is_before(at, values)
        low, high = np.where(is_after, middle + 1, low), np.where(is_after, high, middle)
    return low


def _top_items(candidates: np.ndarray, length: int) -> np.ndarray:
    """The first candidates of each user, int32 [num_users, length]."""
    top = tf.math.top_k(candidates, length)
    return np.where(np.isneginf(top.values), -1, top.indices)
