"""Mini-batches of observed pairs with negatives that all pairs share, as a stateless tf.data pipeline.

Hundreds of negatives for each pair are too many to read; hundreds for a batch are one matrix product. The
pairs of an epoch and their order are those of `nmtr_tf.training.sampling`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from nmtr_tf.data.view import TrainingView
from nmtr_tf.models.pairs_left_out import places_of
from nmtr_tf.training.negatives import SharedItems
from nmtr_tf.training.sampling import PairSampler, seed_of_part


class SharedBatch(NamedTuple):
    """The instances of one behavior in a step; n varies from step to step, and so may c.

    Attributes:
        user_ids: int32 [n].
        positives: int32 [n], items on which the user showed the behavior.
        items: int32 [c], different ones: the negatives of all rows.
        weights: float32 [c], how often each was drawn over how often it was to be expected.
        hits: int64 [m, 2], (row, place among `items`) of those on which the row's user showed the behavior:
            they are no negatives of the row.
        seed: int64 [2], for what else depends on chance.
    """

    user_ids: tf.Tensor
    positives: tf.Tensor
    items: tf.Tensor
    weights: tf.Tensor
    hits: tf.Tensor
    seed: tf.Tensor

    def part(self, number: int, count: int) -> "SharedBatch":
        """One (from 0) of `count` parts of about as many rows, with all negatives and a seed of its own.

        Some are empty where there are fewer rows.
        """
        n = tf.size(self.user_ids)
        first, last = number * n // count, (number + 1) * n // count
        rows = self.hits[:, 0] - tf.cast(first, tf.int64)
        kept = (rows >= 0) & (rows < tf.cast(last - first, tf.int64))
        return self._replace(
            user_ids=self.user_ids[first:last],
            positives=self.positives[first:last],
            hits=tf.boolean_mask(tf.stack([rows, self.hits[:, 1]], axis=1), kept),
            seed=seed_of_part(self.seed, number),
        )


class SharedSampler(PairSampler):
    """The training stream of a data set, with negatives that the pairs of a step share.

    Args:
        view: The training view.
        batch_size: Observed pairs a step; the last step of an epoch may have fewer.
        num_negatives: Uniform negatives of a step, different items; all items where there are fewer.
        seed: Seed of order and negatives.
        behaviors: Behaviors to train on, weakest first.
        in_batch: Whether the positives of the other pairs are negatives as well.

    Raises:
        InputError: If no pair has any of the behaviors.
    """

    def __init__(
        self,
        view: TrainingView,
        batch_size: int,
        num_negatives: int,
        seed: int,
        behaviors: Sequence[str],
        in_batch: bool,
    ):
        shared = [
            SharedItems(view.matrices[name], min(num_negatives, view.num_items), in_batch)
            for name in behaviors
        ]
        self._num_items = view.num_items
        super().__init__(view, batch_size, num_negatives, seed, behaviors, shared)
        users = self._users.numpy()
        self._starts = tf.constant(np.searchsorted(users, np.arange(view.num_users + 1)), tf.int64)

    @property
    def capacities(self) -> tuple[int, ...]:
        """Nothing is compiled by XLA: all sizes vary."""
        return ()

    def _behavior_batch(self, r, users, items, observed, step_seed):
        chosen = tf.where(tf.bitwise.bitwise_and(observed, 1 << r) != 0)[:, 0]
        user_ids, positives = tf.gather(users, chosen), tf.gather(items, chosen)
        seed = tf.random.experimental.stateless_fold_in(step_seed, r)
        # Beside a pair that is in the batch, this is the chance of any other one to be there.
        share = tf.cast(tf.size(users) - 1, tf.float32) / max(1, self.num_pairs - 1)
        candidates, weights = self._negatives[r].draw(positives, share, seed)
        hits = self._hits(r, user_ids, candidates)
        return SharedBatch(user_ids, positives, candidates, weights, hits, seed)

    def _hits(self, r: int, user_ids: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """(row, place among `items`) of what the users did, behavior r: int64 [m, 2]."""
        starts, ends = (tf.gather(self._starts, user_ids + step) for step in (0, 1))
        places = tf.ragged.range(starts, ends)
        columns = tf.gather(places_of(items, self._num_items), tf.gather(self._items, places.flat_values))
        shown = tf.bitwise.bitwise_and(tf.gather(self._observed, places.flat_values), 1 << r) != 0
        pairs = tf.stack([places.value_rowids(), tf.cast(columns, tf.int64)], axis=1)
        return tf.boolean_mask(pairs, shown & (columns >= 0))
