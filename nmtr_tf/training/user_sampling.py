"""Batches of users with everything that was observed of them, as a stateless tf.data pipeline.

An epoch visits every user once, in an order that is a function of (seed, epoch). Nothing is remembered from
one step to the next, and the same seed gives the same stream.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.training.sampling import places_of_step, seed_of_part

# Fixed, as those of pairs are; a step of users is much work for a batch that is little.
_STEPS_AHEAD = 2


class UserBatch(NamedTuple):
    """Some users and their observed pairs of L behaviors, behavior after behavior; sizes vary.

    Attributes:
        user_ids: int32 [n], different ones.
        rows: int64 [num_pairs], l * n + place of the pair's user among `user_ids`, for behavior l; ascending.
        items: int64 [num_pairs], ascending where rows are equal.
        sizes: int32 [L], pairs of each behavior.
        user_weights: float32 [n], what L2 of each user is times.
        item_weights: float32 [num_items], what L2 of every item is times.
        share: float32 scalar, the share of all users that these are.
        seed: int64 [2], for what depends on chance.
    """

    user_ids: tf.Tensor
    rows: tf.Tensor
    items: tf.Tensor
    sizes: tf.Tensor
    user_weights: tf.Tensor
    item_weights: tf.Tensor
    share: tf.Tensor
    seed: tf.Tensor

    def part(self, number: int, count: int) -> "UserBatch":
        """One (from 0) of `count` parts of about as many users, with their pairs and a seed of its own.

        Some are empty where there are fewer users.
        """
        n, (num_behaviors,) = tf.size(self.user_ids, tf.int64), self.sizes.shape
        number = tf.cast(number, tf.int64)
        first, last = number * n // count, (number + 1) * n // count
        behaviors, places = self.rows // n, self.rows % n
        kept = (places >= first) & (places < last)
        return self._replace(
            user_ids=self.user_ids[first:last],
            rows=tf.boolean_mask(behaviors * (last - first) + places - first, kept),
            items=tf.boolean_mask(self.items, kept),
            sizes=tf.math.unsorted_segment_sum(tf.cast(kept, tf.int32), behaviors, num_behaviors),
            user_weights=self.user_weights[first:last],
            share=self.share * tf.cast((last - first) / n, tf.float32),
            seed=seed_of_part(self.seed, number),
        )


class UserSampler:
    """The stream of a data set's users.

    Args:
        view: The training view.
        batch_size: Users a step; the last step of an epoch may have fewer.
        seed: Seed of order and chance.
        behaviors: Behaviors to train on, weakest first.
        l2_weights: What L2 of each user, float32 [num_users], and of each item, float32 [num_items], is
            times.

    Raises:
        InputError: If no pair has any of the behaviors.
    """

    capacities: tuple[int, ...] = ()
    """Nothing is compiled by XLA: all sizes vary."""

    def __init__(
        self,
        view: TrainingView,
        batch_size: int,
        seed: int,
        behaviors: Sequence[str],
        l2_weights: tuple[np.ndarray, np.ndarray],
    ):
        matrices = [view.matrices[name] for name in behaviors]
        self.num_instances = sum(matrix.nnz for matrix in matrices)
        if not self.num_instances:
            raise InputError(f"There are no training rows of {', '.join(behaviors)}.")
        self.num_users, self.seed = view.num_users, seed
        self.batch_size = min(batch_size, view.num_users)
        self._starts = [tf.constant(matrix.indptr, tf.int64) for matrix in matrices]
        self._items = [tf.constant(matrix.indices, tf.int64) for matrix in matrices]
        self._user_weights, self._item_weights = map(tf.constant, l2_weights)

    @property
    def steps_per_epoch(self) -> int:
        """Steps that visit every user once."""
        return -(-self.num_users // self.batch_size)

    def batches(self, first_step: int = 0) -> tf.data.Dataset:
        """Endless stream of `UserBatch` from `first_step` on; epoch e starts at step e * steps_per_epoch."""
        steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
        return steps.map(self.sample).prefetch(_STEPS_AHEAD)

    @tf.autograph.experimental.do_not_convert
    def sample(self, step: tf.Tensor) -> UserBatch:
        """The batch of one step (int64 scalar, counted from the first epoch's start)."""
        users = places_of_step(step, self.steps_per_epoch, self.batch_size, self.num_users, self.seed)
        pairs = [self._pairs(r, users) for r in range(len(self._items))]
        return UserBatch(
            user_ids=tf.cast(users, tf.int32),
            rows=tf.concat([rows for rows, _ in pairs], axis=0),
            items=tf.concat([items for _, items in pairs], axis=0),
            sizes=tf.stack([tf.size(items) for _, items in pairs]),
            user_weights=tf.gather(self._user_weights, users),
            item_weights=self._item_weights,
            share=tf.cast(tf.size(users) / self.num_users, tf.float32),
            seed=tf.random.experimental.stateless_fold_in(tf.constant([self.seed, 1], tf.int64), step),
        )

    def _pairs(self, r: int, users: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Rows and items of the observed pairs of behavior r."""
        starts, ends = tf.gather(self._starts[r], users), tf.gather(self._starts[r], users + 1)
        places = tf.ragged.range(starts, ends)
        rows = places.value_rowids() + r * tf.size(users, tf.int64)
        return rows, tf.gather(self._items[r], places.flat_values)
