"""Counts where held-out items are in a chunk of scores, and finds the first candidates: parts of a graph."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def places_of_splits(
    scores: tf.Tensor, splits: Sequence[Sequence[tf.Tensor]], length: int, plain: bool
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Places of the items of every split, and the first candidates.

    Args:
        scores: float32 [num_users, num_items].
        splits: For each, rows of the scores and items, int32 [n], with rows (positions among the items) and
            columns of masked entries, int32 [m] each.
        length: Candidates in a list; 0: there are no lists.
        plain: The rows are 0, 1, ...: each user has one item in every split.

    Returns:
        For every split float32 [2, n], as `_places` counts, and int32 [n, length].
    """
    of_pairs = [scores if plain else tf.gather(scores, rows) for rows, *_ in splits]
    places = [_places(own, *split[1:]) for own, split in zip(of_pairs, splits, strict=True)]
    if not length:
        return places, []
    return places, [_top_items(own, split[1:], length) for own, split in zip(of_pairs, splits, strict=True)]


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
