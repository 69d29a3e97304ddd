"""Counts where held-out items, one a user, are in a chunk of scores, and lists first candidates: a graph."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

ONE_PASS_ITEMS = 1 << 16
"""What counts of half of 32 bits stay below."""
_TIES = 32
"""Rows of a chunk that are looked at twice."""


def places_of_splits(
    scores: tf.Tensor, splits: Sequence[Sequence[tf.Tensor]], length: int, in_one_pass: bool = False
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Places of one item of each user in every split, and the first candidates.

    Args:
        scores: float32 [num_users, num_items].
        splits: For each, items int32 [num_users], with rows and columns of masked entries, int32 [m] each.
        length: Candidates in a list; 0: there are no lists.
        in_one_pass: Whether to look at the scores once alone, as `counts_in_one_pass` does.

    Returns:
        For every split float32 [2, num_users], as `_places` counts, and int32 [num_users, length].
    """
    counts = counts_in_one_pass if in_one_pass else _counts
    places = [_places(scores, split, counts) for split in splits]
    return places, [_top_items(scores, split, length) for split in splits] if length else []


def _places(
    scores: tf.Tensor,
    split: Sequence[tf.Tensor],
    counts: Callable[[tf.Tensor, tf.Tensor], Sequence[tf.Tensor]],
) -> tf.Tensor:
    """How many candidates are above one item a row, and how many level with it, itself included.

    Counting needs no sort, and what is masked is counted apart and subtracted, so scores are never copied.

    Args:
        scores: float32 [n, num_items].
        split: int32 [n], the item to rank in each row; rows and columns of masked entries, int32 [m] each.
        counts: Counts among all items.

    Returns:
        float32 [2, n], exact up to 2^24 items; NaN in rows where `counts` gives NaN.
    """
    items, masked_rows, masked_items = split
    own = tf.gather(scores, items, batch_dims=1)
    masked = tf.gather_nd(scores, tf.stack([masked_rows, masked_items], axis=1))
    itself, own_of_masked = masked_items == tf.gather(items, masked_rows), tf.gather(own, masked_rows)
    left = []
    for count, everywhere in zip((_above, _level), counts(scores, own[:, None]), strict=True):
        hidden = tf.where(itself, 0.0, count(masked, own_of_masked))
        left.append(everywhere - tf.math.unsorted_segment_sum(hidden, masked_rows, tf.size(items)))
    return tf.stack(left)


def _counts(scores: tf.Tensor, own: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores above the own one of their row, and scores level with it, itself included.

    Two sums, not one over a stack, which XLA would not fuse.

    Args:
        scores: float32 [n, num_items].
        own: float32 [n, 1].

    Returns:
        float32 [n] each, the first NaN in rows that hold a score that is NaN or infinite.
    """
    return tf.reduce_sum(_above(scores, own), axis=1), tf.reduce_sum(_level(scores, own), axis=1)


def counts_in_one_pass(scores: tf.Tensor, own: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What `_counts` gives; NaN where a row is not finite or, beyond the first `_TIES` such rows, has ties.

    One sum holds how many finite scores are above and how many below. If they are all but one, that one is
    the own score, and all that is to be known is known.

    Args:
        scores: float32 [n, num_items], fewer than `ONE_PASS_ITEMS`.
        own: float32 [n, 1].
    """
    beside = tf.where(scores > own, 1, tf.where(scores < own, ONE_PASS_ITEMS, 0))
    both = tf.reduce_sum(tf.where(tf.math.is_finite(scores), beside, 0), axis=1)
    unsigned = tf.bitcast(both, tf.uint32)  # in which the upper half does not wrap around
    parts = tf.bitwise.bitwise_and(unsigned, ONE_PASS_ITEMS - 1), tf.bitwise.right_shift(unsigned, 16)
    above, below = (tf.cast(part, tf.float32) for part in parts)
    others = tf.cast(tf.shape(scores)[1] - 1, tf.float32)
    known = (above + below == others) & tf.math.is_finite(own[:, 0])
    counts = tf.where(known, above, np.nan), tf.where(known, 1.0, np.nan)
    rows = tf.argsort(tf.cast(known, tf.int32), stable=True)[:_TIES]
    again = _counts(tf.gather(scores, rows), tf.gather(own, rows))
    above, level = (
        tf.tensor_scatter_nd_update(*part) for part in zip(counts, [rows[:, None]] * 2, again, strict=True)
    )
    return above, level


def _above(scores: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """1 for each score above `own`; NaN where it is not finite."""
    return tf.where(tf.math.is_finite(scores), tf.where(scores > own, 1.0, 0.0), np.nan)


def _level(scores: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """1 for each score that is level with `own`."""
    return tf.where(scores == own, 1.0, 0.0)


def _top_items(scores: tf.Tensor, split: Sequence[tf.Tensor], length: int) -> tf.Tensor:
    """The first candidates of each row, int32 [n, length], best first; -1 where there are fewer."""
    items, masked_rows, masked_items = split
    entries = tf.stack([masked_rows, masked_items], axis=1)
    itself = masked_items == tf.gather(items, masked_rows)
    hidden = tf.where(itself, tf.gather_nd(scores, entries), -np.inf)
    top = tf.math.top_k(tf.tensor_scatter_nd_update(scores, entries, hidden), length)
    return tf.where(tf.math.is_finite(top.values), top.indices, -1)


def filled(values: np.ndarray, size: int) -> np.ndarray:
    """The values, the last one repeated up to a size."""
    return np.pad(values, (0, size - len(values)), mode="edge")


def padded_split(items: np.ndarray, masked: tuple[np.ndarray, np.ndarray], size: int) -> list[tf.Tensor]:
    """Items of a chunk of users, and rows and columns of masked entries, int32, in lasting sizes.

    A size that XLA has not seen costs a compilation. So the items are filled up to the size of a chunk, and
    the masked entries up to a power of two with the first user's item, which masks nothing.
    """
    rows, columns = masked
    fill = (1 << len(rows).bit_length()) - len(rows)
    rows, columns = np.pad(rows, (0, fill)), np.pad(columns, (0, fill), constant_values=items[0])
    return [tf.constant(part, tf.int32) for part in (filled(items, size), rows, columns)]
