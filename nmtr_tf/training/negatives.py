"""Where negatives are drawn from. Every draw is a function of its seed, and no user is looped over."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.data.pairs import matrix_keys, matrix_of
from nmtr_tf.data.view import TrainingView


class Unobserved:
    """Draws items that a user has not shown a behavior, without rejection.

    The j-th observed item of a row has `item - j` unobserved items before it. The k-th unobserved item of
    the row (from 0) is therefore k + t, where t observed items have at most k unobserved ones before them;
    t is found by binary search within the row. Memory: 4 bytes an interaction.

    Args:
        matrix: Binary [num_users, num_items], what users have shown, with sorted indices.
    """

    def __init__(self, matrix: sparse.csr_array):
        self.num_items = matrix.shape[1]
        degrees = np.diff(matrix.indptr)
        position = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], degrees)
        self._search_steps = [1 << bit for bit in reversed(range(int(degrees.max(initial=0)).bit_length()))]
        # The search looks past the end of a row before it sees that it did.
        beyond = np.zeros(sum(self._search_steps), np.int64)
        self._gaps = tf.constant(np.concatenate([matrix.indices - position, beyond]), tf.int32)
        self._row_starts = tf.constant(matrix.indptr[:-1], tf.int64)
        self._degrees = tf.constant(degrees, tf.int32)

    def draw(self, user_ids: tf.Tensor, count: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Items int32 [n, count] of users int32 [n], and whether there was any to draw from, bool [n]."""
        degrees = tf.gather(self._degrees, user_ids)
        unobserved = tf.cast(self.num_items - degrees, tf.int64)
        k = tf.cast(_uniform_below(unobserved[:, None], [tf.size(user_ids), count], seed), tf.int32)
        items = k + self._num_gaps_up_to(k, tf.gather(self._row_starts, user_ids)[:, None], degrees[:, None])
        return tf.minimum(items, self.num_items - 1), unobserved > 0

    def _num_gaps_up_to(self, k: tf.Tensor, row_starts: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
        """How many gaps of its row are at most k: int32, as k, [n, count]."""
        found = tf.zeros_like(k)
        for step in self._search_steps:
            further = found + step
            gaps = tf.gather(self._gaps, row_starts + tf.cast(further - 1, tf.int64))
            found = tf.where((further <= degrees) & (gaps <= k), further, found)
        return found


class MultiChannel:
    """Draws negatives of the target by how much the user has shown for them [Loni et al. 2016].

    With probability beta a negative is an item without any behavior of the user, uniformly. Else it comes
    from the channel of an auxiliary behavior: the user's items that have the behavior but not the target,
    uniformly. The channel is drawn in proportion to its number of entries, of all users, times its weight.
    Where the user has nothing in the channel, the negative is an item without any behavior, and where there
    is no such item, one of the strongest channel that has any. Memory: 12 bytes an interaction and 8 bytes
    a user and channel.

    Differs from the paper: a viewed item that was carted too is in both channels, and weights of channels are
    an option; the paper describes one channel of one auxiliary behavior. As there, and other than in Loni et
    al., positives are purchases alone.

    Args:
        view: The training view, of two behaviors at least.
        beta: Probability of an item without any behavior.
        weights: Weight of every auxiliary behavior's channel, weakest first.
    """

    def __init__(self, view: TrainingView, beta: float, weights: Sequence[float]):
        *auxiliary, target = [matrix_keys(matrix) for matrix in view.matrices.values()]
        self.num_users, num_items = shape = view.target.shape
        touched = matrix_of(np.concatenate([*auxiliary, target]), shape)
        channels = [matrix_of(np.setdiff1d(keys, target), shape) for keys in reversed(auxiliary)]
        sizes = np.array([channel.nnz for channel in channels])
        shares = sizes * np.array(weights[::-1])
        shares /= shares.sum() or 1.0
        # Channel 0 are the items without any behavior, then the strongest behavior comes first.
        self._thresholds = tf.constant(np.cumsum([beta, *(1 - beta) * shares])[:-1], tf.float32)
        self._without_any = Unobserved(touched)
        degrees = np.stack([np.diff(matrix.indptr) for matrix in (touched, *channels)])
        degrees[0] = num_items - degrees[0]
        filled = degrees > 0
        used = np.where(filled, np.arange(len(filled))[:, None], filled.argmax(axis=0))
        self._available, self._used = tf.constant(filled.any(axis=0)), _flat(used, tf.int32)
        starts = [np.zeros(self.num_users, np.int64)]
        starts += [c.indptr[:-1] + first for c, first in zip(channels, sizes.cumsum() - sizes, strict=True)]
        self._starts, self._degrees = _flat(starts, tf.int64), _flat(degrees, tf.int64)
        # One more, so that the start of an empty row at the end is a place too.
        self._items = tf.constant(np.concatenate([*(c.indices for c in channels), [0]]), tf.int32)

    def draw(self, user_ids: tf.Tensor, count: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Items int32 [n, count] of users int32 [n], and whether there was any to draw from, bool [n]."""
        shape = [tf.size(user_ids), count]
        seeds = [tf.random.experimental.stateless_fold_in(seed, i) for i in range(3)]
        numbers = tf.random.stateless_uniform([tf.size(user_ids) * count], seeds[0])
        channel = tf.reshape(tf.searchsorted(self._thresholds, numbers, side="right"), shape)
        users = user_ids[:, None]
        channel = tf.gather(self._used, channel * self.num_users + users)
        row = channel * self.num_users + users
        position = tf.gather(self._starts, row) + _uniform_below(
            tf.gather(self._degrees, row), shape, seeds[1]
        )
        without_any, _ = self._without_any.draw(user_ids, count, seeds[2])
        within = tf.gather(self._items, tf.where(channel > 0, position, 0))
        return tf.where(channel > 0, within, without_any), tf.gather(self._available, user_ids)


class SharedItems:
    """Draws negatives that all pairs of a batch share: different items, uniformly, and the batch's positives.

    Args:
        matrix: Binary [num_users, num_items], what users have shown.
        num_uniform: Uniform ones, at most num_items.
        in_batch: Whether the positives are among them, too.
    """

    def __init__(self, matrix: sparse.csr_array, num_uniform: int, in_batch: bool):
        self.num_items, self._num_uniform, self._in_batch = matrix.shape[1], num_uniform, in_batch
        self._popularity = tf.constant(np.bincount(matrix.indices, minlength=self.num_items), tf.float32)

    def draw(self, positives: tf.Tensor, share: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The negatives of a batch.

        Args:
            positives: int32 [n].
            share: float32 scalar, the chance of every other pair to be in the batch of one that is.
            seed: int64 [2].

        Returns:
            Different items int32 [c], and their weights float32 [c]: how often each was drawn over how often
            it was to be expected, by either way together. The positive of a row itself is not counted in the
            expectation; nor is it a negative of that row.
        """
        uniform = tf.range(self._num_uniform)
        if self._num_uniform < self.num_items:  # by a permutation, so that no item comes twice
            uniform = tf.random.experimental.index_shuffle(uniform, seed, tf.constant(self.num_items - 1))
        if not self._in_batch:
            return uniform, tf.ones([self._num_uniform])
        items, places = tf.unique(tf.concat([uniform, positives], axis=0))
        drawn = tf.math.unsorted_segment_sum(tf.ones([tf.size(places)]), places, tf.size(items))
        expected = self._num_uniform / self.num_items + share * tf.gather(self._popularity, items)
        return items, drawn / expected


def _flat(rows: Sequence[np.ndarray] | np.ndarray, dtype: tf.DType) -> tf.Tensor:
    """A row per channel of a value per user, one after the other."""
    return tf.constant(np.concatenate(list(rows)), dtype)


def _uniform_below(bounds: tf.Tensor, shape: list, seed: tf.Tensor) -> tf.Tensor:
    """Whole numbers int64 [shape], uniform on [0, bound) up to bound / 2^32; 0 where the bound is 0.

    Args:
        bounds: int64, of a shape that broadcasts to `shape`.
        shape: Of the result.
        seed: int64 [2].
    """
    bits = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32)
    return tf.bitwise.right_shift(tf.cast(bits, tf.int64) * bounds, tf.constant(32, tf.int64))
