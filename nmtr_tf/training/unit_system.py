"""Least squares for the weights of all units at once: one system of (R E) equations."""

from collections.abc import Iterable, Sequence

import tensorflow as tf

from nmtr_tf.methods.plan import Plan
from nmtr_tf.methods.stages import Stage
from nmtr_tf.models.network import Network
from nmtr_tf.training.row_systems import solve
from nmtr_tf.training.user_sampling import UserBatch
from nmtr_tf.workers import current_worker, own_share, summed


def directions(net: Network) -> list[tf.Tensor]:
    """H_r of each behavior, the sum of h over it and its ancestors, float32 [E]."""
    ones = tf.ones([1, net.user_rows.row_size])
    terms = map(net.cascade.terms, range(len(net.behaviors)))
    return [tf.add_n(net.cascade.user_parts([ones] * len(own), own))[0] for own in terms]


def offsets(net: Network) -> list[tf.Tensor]:
    """The biases in each behavior's logits, its own and its ancestors': float32 [num_items]."""
    terms = map(net.cascade.terms, range(len(net.behaviors)))
    return [tf.add_n(net.item_rows.all_biases(own)) for own in terms]


class UnitSolver:
    """Minimises the whole-data loss over the weights h of all units that have one, exactly.

    With H_r = sum of h_s over r and its ancestors, logits are linear in all h together.

    Args:
        net: The parts of the model.
        plan: The weights of unobserved pairs.
        stage: The weights of behaviors.
        l2: Coefficient of the sum of squares of all h.

    Attributes:
        places: Behaviors whose unit has an h, from 0.
    """

    def __init__(self, net: Network, plan: Plan, stage: Stage, l2: float):
        self._net, self._l2 = net, l2
        self._factors = list(zip(stage.weights, plan.unobserved_weights, strict=True))
        self.places = [r for r, unit in enumerate(net.cascade.units) if unit.trainable_variables]

    def __call__(self, batches: Iterable[UserBatch]) -> None:
        """Replaces every h.

        Args:
            batches: Of one epoch, all users once; several workers take some each.
        """
        systems, gradients = self._everything()
        if current_worker().count > 1:
            systems, gradients = systems / current_worker().count, gradients / current_worker().count
        for batch in own_share(batches):
            system, gradient = self._observed(batch)
            systems, gradients = systems + system, gradients + gradient
        if current_worker().count > 1:
            systems, gradients = (summed(part.numpy()) for part in (systems, gradients))
        units = [self._net.cascade.units[r] for r in self.places]
        old, size = tf.stack([unit.h.value for unit in units]), self._net.user_rows.row_size
        terms = map(self._net.cascade.terms, self._all)
        reads = tf.constant([[float(s in own) for s in self.places] for own in terms])
        count = len(self.places) * size
        system = tf.reshape(tf.einsum("rs,rt,rij->sitj", reads, reads, systems), [count, count])
        system += self._l2 * tf.eye(count)
        gradient = tf.reshape(tf.einsum("rs,ri->si", reads, gradients) + self._l2 * old, [count])
        change = tf.reshape(solve(system, gradient), [-1, size])
        for unit, h in zip(units, tf.unstack(old - change), strict=True):
            unit.h.assign(h)

    @property
    def _all(self) -> Sequence[int]:
        return range(len(self._net.behaviors))

    @tf.function(autograph=False)
    def _everything(self) -> tuple[tf.Tensor, tf.Tensor]:
        """System float32 [R, E, E] and gradient [R, E] of c_r times the squares of all logits."""
        (p, *_), everything = self._net.user_rows.all_rows(self._all), self._net.item_rows.all_rows(self._all)
        systems, gradients = [], []
        sides = zip(self._factors, everything, directions(self._net), offsets(self._net), strict=True)
        for (weight, c), q, direction, offset in sides:
            squares = tf.matmul(p, p, transpose_a=True) * tf.matmul(q, q, transpose_a=True)
            rest = tf.reduce_sum(p, axis=0) * tf.linalg.matvec(q, offset, transpose_a=True)
            systems.append(weight * c * squares)
            gradients.append(weight * c * (tf.linalg.matvec(squares, direction) + rest))
        return tf.stack(systems), tf.stack(gradients)

    @tf.function(autograph=False, reduce_retracing=True)
    def _observed(self, batch: UserBatch) -> tuple[tf.Tensor, tf.Tensor]:
        """The same of what the observed pairs of some users add."""
        (p, *_), everything = self._net.user_rows.all_rows(self._all), self._net.item_rows.all_rows(self._all)
        rows, items = (tf.split(ids, batch.sizes, num=len(self._all)) for ids in (batch.rows, batch.items))
        systems, gradients = [], []
        sides = zip(self._factors, everything, directions(self._net), offsets(self._net), strict=True)
        for r, ((weight, c), q, direction, offset) in enumerate(sides):
            users = tf.gather(batch.user_ids, rows[r] - r * tf.size(batch.user_ids, tf.int64))
            vectors = tf.gather(p, users) * tf.gather(q, items[r])
            logits = tf.linalg.matvec(vectors, direction) + tf.gather(offset, items[r])
            systems.append(weight * (1.0 - c) * tf.matmul(vectors, vectors, transpose_a=True))
            errors = weight * ((1.0 - c) * logits - 1.0)
            gradients.append(tf.linalg.matvec(vectors, errors, transpose_a=True))
        return tf.stack(systems), tf.stack(gradients)
