"""A training step on several replicas: each has its part of the batch, all make the same update.

`tf.distribute` keeps a copy of every variable on each replica. Every replica has the whole batch, a function
of (seed, step), and takes its part; gradients are summed over the replicas, repeated rows of sparse ones
before they are squared, and the optimizer then does the same everywhere.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.models.network import Network
from nmtr_tf.models.optimizers import sum_repeated_rows
from nmtr_tf.training.objective import Objective
from nmtr_tf.training.totals import weighted_losses
from nmtr_tf.training.trained import TrainedPart

SMALL = 2**16
"""Numbers of a variable whose gradient travels as a whole: 256 KiB."""


def replicated_step(
    net: Network,
    objective: Objective,
    trained: TrainedPart,
    training: TrainingConfig,
    optimizer: keras.optimizers.Optimizer,
    variables: list[keras.Variable],
) -> Callable[[Any], tf.Tensor]:
    """A step under the strategy in whose scope this is called: batch -> totals, those of `make_train_steps`.

    The L2 terms are of the whole batch, so that a row which several parts name counts once. Each replica has
    the batch and all weights: it computes them and their gradients itself, and nothing of them travels.

    Args:
        net: The parts of the model, whose variables were made in that scope.
        objective: Gives losses, L2 and the parts of a batch.
        trained: What the stage changes.
        training: Loss reduction and L2.
        optimizer: Made in that scope, and built.
        variables: What it changes.
    """
    strategy, values = tf.distribute.get_strategy(), [variable.value for variable in variables]
    # Keras would sum what is summed already.
    optimizer._all_reduce_sum_gradients = list

    def on_replica(batch: Any) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        part = objective.part(batch, replica.replica_id_in_sync_group, replica.num_replicas_in_sync)
        with tf.GradientTape() as tape:
            weighted, losses, counts = weighted_losses(net, objective, trained, part)
        own = tape.gradient(weighted, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        sent = [tf.stack([weighted, *losses, *counts]), *map(_to_send, own, variables)]
        totals, *summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, sent)
        with tf.GradientTape() as tape:
            penalty = objective.penalty(trained, batch, training)
        gradients = list(map(_added, summed, tape.gradient(penalty, values)))
        if training.loss_reduction == "mean":
            scale = tf.math.divide_no_nan(1.0, tf.reduce_sum(totals[1 + len(losses) :]))
            gradients = [_scaled(gradient, scale) for gradient in gradients]
        optimizer.apply(list(map(sum_repeated_rows, gradients)), variables)
        return tf.concat([totals[:1] + penalty, totals[1:]], axis=0)

    def step(batch: Any) -> tf.Tensor:
        return strategy.experimental_local_results(strategy.run(on_replica, args=(batch,)))[0]

    return tf.autograph.experimental.do_not_convert(step)


def _to_send(
    gradient: tf.Tensor | tf.IndexedSlices, variable: keras.Variable
) -> tf.Tensor | tf.IndexedSlices:
    """The gradient as it travels: all of a small variable, else every row at most once, and zeros for row 0.

    Small ones travel together, and those that are sparse one after the other. A part may have no row at all,
    and TensorFlow's collective operations crash where none has one.
    """
    if not isinstance(gradient, tf.IndexedSlices) or math.prod(variable.shape) <= SMALL:
        return tf.convert_to_tensor(gradient)
    summed = sum_repeated_rows(gradient)
    values = tf.pad(summed.values, [(0, 1)] + [(0, 0)] * (summed.values.shape.rank - 1))
    return tf.IndexedSlices(values, tf.pad(summed.indices, [(0, 1)]), summed.dense_shape)


def _added(
    gradient: tf.Tensor | tf.IndexedSlices, other: tf.Tensor | tf.IndexedSlices | None
) -> tf.Tensor | tf.IndexedSlices:
    """The sum of two gradients; None is zero."""
    if other is None:
        return gradient
    if isinstance(gradient, tf.IndexedSlices) and isinstance(other, tf.IndexedSlices):
        values = tf.concat([gradient.values, other.values], axis=0)
        indices = tf.concat([gradient.indices, tf.cast(other.indices, gradient.indices.dtype)], axis=0)
        return tf.IndexedSlices(values, indices, gradient.dense_shape)
    return tf.convert_to_tensor(gradient) + tf.convert_to_tensor(other)


def _scaled(gradient: tf.Tensor | tf.IndexedSlices, scale: tf.Tensor) -> tf.Tensor | tf.IndexedSlices:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(scale * gradient.values, gradient.indices, gradient.dense_shape)
    return scale * gradient
