"""Counts where held-out items, one a user, are in a chunk of scores, and lists first candidates: a graph."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def places_of_splits(
    scores: tf.Tensor, splits: Sequence[Sequence[tf.Tensor]], length: int
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Places of one item of each user in every split, and the first candidates.

    Args:
        scores: float32 [num_users, num_items].
        splits: For each, items int32 [num_users], with rows and columns of masked entries, int32 [m] each.
        length: Candidates in a list; 0: there are no lists.

    Returns:
        For every split float32 [2, num_users], as `_places` counts, and int32 [num_users, length].
    """
    places = [_places(scores, *split) for split in splits]
    return places, [_top_items(scores, split, length) for split in splits] if length else []


def _places(
    scores: tf.Tensor, items: tf.Tensor, masked_rows: tf.Tensor, masked_items: tf.Tensor
) -> tf.Tensor:
    """How many candidates are above one item a row, and how many level with it, itself included.

    Counting needs no sort, and what is masked is counted apart and subtracted, so scores are never copied.

    Args:
        scores: float32 [n, num_items].
        items: int32 [n], the item to rank in each row.
        masked_rows: int32 [m], row of each masked entry.
        masked_items: int32 [m], column of each masked entry.

    Returns:
        float32 [2, n], exact up to 2^24 items; NaN in rows that hold a score that is NaN or infinite.
    """
    own = tf.gather(scores, items, batch_dims=1)
    masked = tf.gather_nd(scores, tf.stack([masked_rows, masked_items], axis=1))
    itself, own_of_masked = masked_items == tf.gather(items, masked_rows), tf.gather(own, masked_rows)
    counts = []
    for count in (_above, _level):  # two sums, not one over a stack, which XLA would not fuse
        hidden = tf.where(itself, 0.0, count(masked, own_of_masked))
        hidden = tf.math.unsorted_segment_sum(hidden, masked_rows, tf.size(items))
        counts.append(tf.reduce_sum(count(scores, own[:, None]), axis=1) - hidden)
    return tf.stack(counts)


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
