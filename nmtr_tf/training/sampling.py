"""Mini-batches of observed pairs with sampled negatives (Section III-D) as a stateless tf.data pipeline.

An epoch visits every observed (user, item) pair once, in an order that is a function of (seed, epoch).
For each behavior observed on a pair, negatives are drawn uniformly from the items that the user has not
shown that behavior, by randomness keyed on (seed, epoch, step, behavior). Nothing is remembered from one
step to the next, so training can start at any step, and the same seed gives the same stream.
"""

import os
import warnings
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.leakage import matrix_keys

# Fixed, as tf.data's tuning of an endless stream fills buffers far ahead and takes seconds to stop.
_STEPS_AHEAD = 4
_PARALLEL_STEPS = min(4, os.cpu_count() or 1)


class BehaviorBatch(NamedTuple):
    """The instances of one behavior in a step; n varies from step to step.

    Attributes:
        user_ids: int32 [n].
        positives: int32 [n], items on which the user showed the behavior.
        negatives: int32 [n, num_negatives], items on which the user did not.
        negative_weights: float32 [n], 0 where the user has shown the behavior on every item.
    """

    user_ids: tf.Tensor
    positives: tf.Tensor
    negatives: tf.Tensor
    negative_weights: tf.Tensor


class _Unobserved:
    """Draws items that a user has not shown a behavior, without rejection.

    The j-th observed item of a row has `item - j` unobserved items before it. The k-th unobserved item of
    the row (from 0) is therefore k + t, where t observed items have at most k unobserved ones before them;
    t is found by binary search. Memory: 8 bytes an interaction.
    """

    def __init__(self, matrix: sparse.csr_array):
        self.num_items = matrix.shape[1]
        degrees = np.diff(matrix.indptr)
        position = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], degrees)
        users = np.repeat(np.arange(matrix.shape[0]), degrees)
        gaps = matrix.indices - position
        self._gaps = tf.constant(users * (self.num_items + 1) + gaps, tf.int64)
        self._row_starts = tf.constant(matrix.indptr, tf.int64)

    def draw(self, user_ids: tf.Tensor, count: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Items int32 [n, count] and, for each user, how many items there were to draw from: int64 [n]."""
        starts = tf.gather(self._row_starts, user_ids)
        unobserved = self.num_items - (tf.gather(self._row_starts, user_ids + 1) - starts)
        shape = [tf.size(user_ids), count]
        bits = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32)
        # Multiply and shift: uniform on [0, unobserved) up to unobserved / 2^32.
        k = tf.bitwise.right_shift(tf.cast(bits, tf.int64) * unobserved[:, None], tf.constant(32, tf.int64))
        wanted = tf.cast(user_ids, tf.int64)[:, None] * (self.num_items + 1) + k
        found = tf.searchsorted(self._gaps, tf.reshape(wanted, [-1]), side="right", out_type=tf.int64)
        items = k + tf.reshape(found, shape) - starts[:, None]
        return tf.cast(tf.minimum(items, self.num_items - 1), tf.int32), unobserved


class PairSampler:
    """The training stream of a data set.

    Args:
        interactions: The training view.
        batch_size: Observed pairs a step; the last step of an epoch may have fewer.
        num_negatives: Negatives for every observed behavior of a pair.
        seed: Seed of order and negatives.
    """

    def __init__(self, interactions: Interactions, batch_size: int, num_negatives: int, seed: int):
        self.batch_size = batch_size
        self.num_negatives = num_negatives
        self.seed = seed
        matrices = [interactions.matrices[name] for name in interactions.behaviors]
        keys = [matrix_keys(matrix) for matrix in matrices]
        pairs = np.unique(np.concatenate(keys))
        observed = np.zeros(len(pairs), np.int32)  # bit r: behavior r was observed on the pair
        for r, behavior_keys in enumerate(keys):
            observed[np.searchsorted(pairs, behavior_keys)] |= 1 << r
        users, items = np.divmod(pairs, interactions.num_items)
        self._users = tf.constant(users, tf.int32)
        self._items = tf.constant(items, tf.int32)
        self._observed = tf.constant(observed)
        self._unobserved = [_Unobserved(matrix) for matrix in matrices]
        self.num_pairs = len(pairs)
        self.num_instances = sum(len(k) for k in keys) * (1 + num_negatives)
        _warn_of_full_rows(interactions)

    @property
    def steps_per_epoch(self) -> int:
        """Steps that visit every observed pair once."""
        return -(-self.num_pairs // self.batch_size)

    def batches(self, first_step: int = 0) -> tf.data.Dataset:
        """Endless stream of steps from `first_step` on; epoch e starts at step e * steps_per_epoch.

        Yields:
            One tuple a step: a `BehaviorBatch` per behavior, weakest first.
        """
        steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
        steps = steps.map(self.sample, num_parallel_calls=_PARALLEL_STEPS, deterministic=True)
        return steps.prefetch(_STEPS_AHEAD)

    def sample(self, step: tf.Tensor) -> tuple[BehaviorBatch, ...]:
        """The batches of one step (int64 scalar, counted from the first epoch's start)."""
        epoch, step_in_epoch = step // self.steps_per_epoch, step % self.steps_per_epoch
        first = step_in_epoch * self.batch_size
        index = tf.range(first, tf.minimum(first + self.batch_size, self.num_pairs))
        # index_shuffle is a permutation of [0, max_index] that is a function of its seed.
        order_seed = tf.stack([tf.constant(self.seed, tf.int64), epoch])
        last = tf.constant(self.num_pairs - 1, tf.int64)
        pair = tf.random.experimental.index_shuffle(index, order_seed, last)
        users, items = tf.gather(self._users, pair), tf.gather(self._items, pair)
        observed = tf.gather(self._observed, pair)
        step_seed = tf.random.experimental.stateless_fold_in(tf.constant([self.seed, 1], tf.int64), step)
        return tuple(
            self._behavior_batch(r, users, items, observed, step_seed) for r in range(len(self._unobserved))
        )

    def _behavior_batch(self, r, users, items, observed, step_seed) -> BehaviorBatch:
        chosen = tf.where(tf.bitwise.bitwise_and(observed, 1 << r) != 0)[:, 0]
        user_ids = tf.gather(users, chosen)
        seed = tf.random.experimental.stateless_fold_in(step_seed, r)
        negatives, unobserved = self._unobserved[r].draw(user_ids, self.num_negatives, seed)
        weights = tf.cast(unobserved > 0, tf.float32)
        return BehaviorBatch(user_ids, tf.gather(items, chosen), negatives, weights)


def _warn_of_full_rows(interactions: Interactions) -> None:
    full = {
        name: int((np.diff(matrix.indptr) == interactions.num_items).sum())
        for name, matrix in interactions.matrices.items()
    }
    if any(full.values()):
        counts = ", ".join(f"{count} for {name}" for name, count in full.items() if count)
        warnings.warn(f"Users who have seen every item get no negatives: {counts}.", stacklevel=3)
