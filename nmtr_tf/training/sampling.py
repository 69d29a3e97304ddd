"""Mini-batches of observed pairs with sampled negatives (Section III-D) as a stateless tf.data pipeline.

An epoch visits every observed (user, item) pair once, in an order that is a function of (seed, epoch).
For each behavior observed on a pair, negatives are drawn (uniformly from the items that the user has not
shown that behavior, unless the method says otherwise) by randomness keyed on (seed, epoch, step, behavior).
Nothing is remembered from one step to the next, so training can start at any step, and the same seed gives
the same stream.

Differs from the paper: it draws pairs with replacement until a batch is full; an epoch here has each once.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.pairs import distinct, matrix_keys
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import Plan
from nmtr_tf.methods.times import buckets_of
from nmtr_tf.training.negatives import MultiChannel, Unobserved

# Fixed, as tf.data's tuning of an endless stream fills buffers far ahead and takes seconds to stop.
_STEPS_AHEAD = 4
_PARALLEL_STEPS = min(4, os.cpu_count() or 1)


def places_of_step(
    step: tf.Tensor, steps_per_epoch: int, batch_size: int, num_places: int, seed: int
) -> tf.Tensor:
    """What a step visits of what an epoch visits once, in an order that is a function of (seed, epoch).

    Args:
        step: int64 scalar, counted from the first epoch's start.
        steps_per_epoch: Steps of an epoch.
        batch_size: Places of a step; the last one of an epoch may have fewer.
        num_places: Places of an epoch.
        seed: Seed.

    Returns:
        int64 [n], from 0 to num_places - 1.
    """
    epoch, first = step // steps_per_epoch, step % steps_per_epoch * batch_size
    index = tf.range(first, tf.minimum(first + batch_size, num_places))
    # index_shuffle is a permutation of [0, max_index] that is a function of its seed.
    order_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(index, order_seed, tf.constant(num_places - 1, tf.int64))


class BehaviorBatch(NamedTuple):
    """The instances of one behavior in a step; n varies from step to step.

    Attributes:
        user_ids: int32 [n].
        positives: int32 [n], items on which the user showed the behavior.
        negatives: int32 [n, num_negatives], items on which the user did not.
        positive_weights: float32 [n], 1; 0 in the rows that `padded` adds.
        negative_weights: float32 [n], 0 where there is no such item.
        seed: int64 [2], for what else depends on chance; None: nothing does.
        buckets: int32 [n], the bucket of time of each positive, which its negatives have too; None: no bias
            asks for one.
    """

    user_ids: tf.Tensor
    positives: tf.Tensor
    negatives: tf.Tensor
    positive_weights: tf.Tensor
    negative_weights: tf.Tensor
    seed: Any = None
    buckets: Any = None

    @property
    def candidates(self) -> tf.Tensor:
        """Every positive and its negatives, int32 [n, 1 + num_negatives]."""
        return tf.concat([self.positives[:, None], self.negatives], axis=1)

    def part(self, number: int, count: int) -> "BehaviorBatch":
        """One (from 0) of `count` parts of about as many rows, with a seed of its own.

        Some are empty where there are fewer rows.
        """
        n = tf.size(self.user_ids)
        rows = self.map_rows(lambda own: own[number * n // count : (number + 1) * n // count])
        return rows._replace(seed=None if self.seed is None else seed_of_part(self.seed, number))

    def map_rows(self, function: Callable[[tf.Tensor], tf.Tensor]) -> "BehaviorBatch":
        """The batch with a function of all that has a row for each instance."""
        rows = self._asdict()
        del rows["seed"]
        mapped = {name: None if own is None else function(own) for name, own in rows.items()}
        return self._replace(**mapped)


def seed_of_part(seed: tf.Tensor, number: int) -> tf.Tensor:
    """The seed, int64 [2], of one (from 0) of the parts of a batch."""
    return tf.random.experimental.stateless_fold_in(seed, number)


class PairSampler:
    """The training stream of a data set.

    Args:
        view: The training view.
        batch_size: Observed pairs a step; the last step of an epoch may have fewer.
        num_negatives: Negatives for every observed behavior of a pair.
        seed: Seed of order and negatives.
        behaviors: Behaviors to train on, weakest first; only pairs with one of them are visited. Empty: all.
        negatives: What the negatives of each of these behaviors are drawn from; empty: the items that the
            user has not shown it.
        buckets: The bucket of time of each row of each of these behaviors, int32 [nnz]; empty: none has one.

    Raises:
        InputError: If no pair has any of the behaviors.
    """

    def __init__(
        self,
        view: TrainingView,
        batch_size: int,
        num_negatives: int,
        seed: int,
        behaviors: Sequence[str] = (),
        negatives: Sequence[Any] = (),
        buckets: Sequence[np.ndarray] = (),
    ):
        self.batch_size = batch_size
        self.num_negatives = num_negatives
        self.seed = seed
        self.behaviors = tuple(behaviors) or view.behaviors
        matrices = [view.matrices[name] for name in self.behaviors]
        keys = [matrix_keys(matrix) for matrix in matrices]
        pairs = distinct(np.concatenate(keys))
        if not len(pairs):
            raise InputError(f"There are no training rows of {', '.join(self.behaviors)}.")
        observed = np.zeros(len(pairs), np.int32)  # bit r: behavior r was observed on the pair
        for r, behavior_keys in enumerate(keys):
            observed[np.searchsorted(pairs, behavior_keys)] |= 1 << r
        users, items = np.divmod(pairs, view.num_items)
        self._users = tf.constant(users, tf.int32)
        self._items = tf.constant(items, tf.int32)
        self._observed = tf.constant(observed)
        self._buckets = []
        for own, values in zip(keys, buckets, strict=bool(buckets)):
            of_pairs = np.zeros(len(pairs), np.int32)
            of_pairs[np.searchsorted(pairs, own)] = values
            self._buckets.append(tf.constant(of_pairs))
        self._negatives: list[Any] = list(negatives) or [Unobserved(matrix) for matrix in matrices]
        self.num_pairs = len(pairs)
        self.num_positives = np.array([len(k) for k in keys])
        self.num_instances = int(self.num_positives.sum()) * (1 + num_negatives)
        _warn_of_full_rows(view, self.behaviors)

    @property
    def steps_per_epoch(self) -> int:
        """Steps that visit every observed pair once."""
        return -(-self.num_pairs // self.batch_size)

    @property
    def capacities(self) -> tuple[int, ...]:
        """Rows of each behavior that hardly a step exceeds: five standard deviations above the mean."""
        size = min(self.batch_size, self.num_pairs)
        shares = self.num_positives / self.num_pairs
        most = size * shares + 5 * np.sqrt(size * shares * (1 - shares))
        return tuple(min(size, 8 * max(1, int(-(-count // 8)))) for count in most)

    def batches(self, first_step: int = 0) -> tf.data.Dataset:
        """Endless stream of steps from `first_step` on; epoch e starts at step e * steps_per_epoch.

        Yields:
            One tuple a step: a `BehaviorBatch` per behavior, weakest first.
        """
        steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
        steps = steps.map(self.sample, num_parallel_calls=_PARALLEL_STEPS, deterministic=True)
        return steps.prefetch(_STEPS_AHEAD)

    @tf.autograph.experimental.do_not_convert
    def sample(self, step: tf.Tensor) -> tuple[BehaviorBatch, ...]:
        """The batches of one step (int64 scalar, counted from the first epoch's start)."""
        pair = places_of_step(step, self.steps_per_epoch, self.batch_size, self.num_pairs, self.seed)
        users, items = tf.gather(self._users, pair), tf.gather(self._items, pair)
        observed = tf.gather(self._observed, pair)
        step_seed = tf.random.experimental.stateless_fold_in(tf.constant([self.seed, 1], tf.int64), step)
        batches = [
            self._behavior_batch(r, users, items, observed, step_seed) for r in range(len(self.behaviors))
        ]
        for r, own in enumerate(self._buckets):
            shown = tf.bitwise.bitwise_and(observed, 1 << r) != 0
            batches[r] = batches[r]._replace(buckets=tf.gather(own, tf.boolean_mask(pair, shown)))
        return tuple(batches)

    def _behavior_batch(self, r, users, items, observed, step_seed) -> Any:
        chosen = tf.where(tf.bitwise.bitwise_and(observed, 1 << r) != 0)[:, 0]
        user_ids = tf.gather(users, chosen)
        seed = tf.random.experimental.stateless_fold_in(step_seed, r)
        negatives, available = self._negatives[r].draw(user_ids, self.num_negatives, seed)
        weights = tf.cast(available, tf.float32)
        positives = tf.gather(items, chosen)
        return BehaviorBatch(user_ids, positives, negatives, tf.ones_like(weights), weights, seed)


def padded(batch: BehaviorBatch, capacity: int) -> BehaviorBatch:
    """The batch with rows of weight 0 up to `capacity`, or up to a multiple of it where it has more."""
    n = tf.size(batch.user_ids)
    fill = tf.maximum(1, -(-n // capacity)) * capacity - n
    return batch.map_rows(lambda part: tf.pad(part, [(0, fill)] + [(0, 0)] * (part.shape.rank - 1)))


def make_sampler(
    view: TrainingView, plan: Plan, training: TrainingConfig, behaviors: Sequence[str]
) -> PairSampler:
    """The training stream of a method.

    Args:
        view: The training view.
        plan: Says what negatives are drawn from, and whether pairs have buckets of time.
        training: Batch size, number of negatives, seed and the share of items without any behavior.
        behaviors: Behaviors whose instances are trained on, weakest first.

    Raises:
        InputError: If there is nothing to train on.
    """
    negatives = []
    if plan.samples_channels:
        negatives = [MultiChannel(view, training.beta, plan.channel_weights)]
    sizes = training.batch_size, training.num_negatives
    buckets = buckets_of(view, plan, behaviors)
    return PairSampler(view, *sizes, training.seed, behaviors, negatives, buckets)


def _warn_of_full_rows(view: TrainingView, behaviors: Sequence[str]) -> None:
    full = {name: int((np.diff(view.matrices[name].indptr) == view.num_items).sum()) for name in behaviors}
    if any(full.values()):
        counts = ", ".join(f"{count} for {name}" for name, count in full.items() if count)
        warnings.warn(f"Users who have seen every item get no negatives: {counts}.", stacklevel=3)
