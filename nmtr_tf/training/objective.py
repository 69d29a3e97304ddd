"""The base of the objectives: what is minimised, and on which batches."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.network import Network
from nmtr_tf.training.losses import l2_of_rows, l2_of_weights
from nmtr_tf.training.sampling import make_sampler
from nmtr_tf.training.trained import TrainedPart

Ids = tuple[tf.Tensor, tf.Tensor]
"""Ids int32 [n, k], and weights float32 [n], 0 where the row's ids do not count."""


class Objective:
    """Base of the objectives.

    Args:
        plan: What is trained.
    """

    def __init__(self, plan: Plan):
        self.plan = plan

    def sampler(self, view: TrainingView, training: TrainingConfig, behaviors: Sequence[str]) -> Any:
        """The stream of batches; here a `PairSampler`: observed pairs with sampled negatives (Section III-D).

        Args:
            view: The training view.
            training: Batch size, number of negatives and seed.
            behaviors: Behaviors whose instances are trained on, weakest first.
        """
        return make_sampler(view, self.plan, training, behaviors)

    def loss(self, net: Network, r: int, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Loss of behavior r (from 0) on its part of a batch.

        Args:
            net: The parts of the model; what depends on chance, dropout, is on.
            r: The behavior.
            batch: Its instances: here a `BehaviorBatch`.

        Returns:
            Sum over the instances, and their number: float32 scalars.
        """
        raise NotImplementedError

    def losses(self, net: Network, places: Sequence[int], batch: Any) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """What `loss` gives for each behavior of a stage; to be replaced where they have something in common.

        Args:
            net: The parts of the model.
            places: The behaviors, from 0.
            batch: What the stream of batches gives: here a `BehaviorBatch` for each of them.
        """
        return [self.loss(net, r, part) for r, part in zip(places, batch, strict=True)]

    def part(self, batch: Any, number: int, count: int) -> Any:
        """What one of several replicas takes of a batch: the losses of all parts add up to the batch's.

        To be replaced where batches are not a `BehaviorBatch` for each behavior, as they are here.

        Args:
            batch: What the stream of batches gives.
            number: The part, from 0.
            count: Number of parts.
        """
        return tuple(part.part(number, count) for part in batch)

    def penalty(self, trained: TrainedPart, batch: Any, training: TrainingConfig) -> tf.Tensor:
        """L2 terms of a batch, a float32 scalar; here of its distinct embedding rows and of units' weights.

        Args:
            trained: What the stage changes.
            batch: What the stream of batches gives.
            training: The coefficients.
        """
        users = [(part.user_ids[:, None], part.positive_weights) for part in batch]
        items = [(part.candidates, part.positive_weights) for part in batch]
        return l2_of_batch(trained, training, users, items)


def l2_of_batch(
    trained: TrainedPart, training: TrainingConfig, users: Sequence[Ids], items: Sequence[Ids]
) -> tf.Tensor:
    """L2 of the distinct embedding rows of a batch and of the weights of units, a float32 scalar.

    The vectors that items have in histories are theirs as well, and shrink where the item is in the batch.

    Args:
        trained: What the stage changes.
        training: The coefficients.
        users: The users of each behavior's batch, and what counts of them.
        items: The items likewise.
    """
    penalty = training.l2_unit * l2_of_weights(trained.unit_weights)
    sides = (training.l2_user, trained.user_tables, users), (training.l2_item, trained.item_tables, items)
    for weight, tables, rows in sides:
        if weight and tables:  # users that are their histories have none
            ids = tf.concat([tf.reshape(ids, [-1]) for ids, _ in rows], axis=0)
            counts = tf.concat([tf.repeat(weights > 0, ids.shape[1]) for ids, weights in rows], axis=0)
            penalty += weight * tf.add_n([l2_of_rows(table.value, ids, counts) for table in tables])
    return penalty
