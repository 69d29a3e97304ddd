"""The training step: loss of a batch, its gradient, the update; several steps a graph call."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.models.nmtr import Network, network
from nmtr_tf.training.losses import l2_of_rows, log_loss
from nmtr_tf.training.sampling import BehaviorBatch


def make_train_steps(
    model: keras.Model, config: TrainingConfig, loss_weights: Sequence[float]
) -> Callable[[tf.data.Iterator, tf.Tensor], tf.Tensor]:
    """A graph that takes several training steps in one call: (iterator, number of steps) -> totals.

    The totals, float32 [1 + 2 R], are sums over the steps: the objective before any reduction to a mean,
    the log loss of every behavior, the number of instances of every behavior.
    """
    net = network(model)
    variables = model.trainable_variables

    def step(batches: Sequence[BehaviorBatch]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = [behavior_loss(net, r, batch) for r, batch in enumerate(batches)]
            penalty = _l2_penalty(net, batches, config)
            total = tf.add_n([w * loss for w, loss in zip(loss_weights, losses, strict=True)]) + penalty
            counts = [_num_instances(batch) for batch in batches]
            scale = tf.add_n(counts) if config.loss_reduction == "mean" else 1.0
            objective = total / scale
        gradients = tape.gradient(
            objective,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        model.optimizer.apply(gradients, variables)
        return tf.stack([total, *losses, *counts])

    @tf.function
    def train_steps(iterator: tf.data.Iterator, num_steps: tf.Tensor) -> tf.Tensor:
        totals = tf.zeros([1 + 2 * len(loss_weights)])
        for _ in tf.range(num_steps):
            totals += step(next(iterator))
        return totals

    return train_steps


def behavior_loss(net: Network, r: int, batch: BehaviorBatch) -> tf.Tensor:
    """Log loss of behavior r (from 0), summed over its instances; only units 0 to r are computed."""
    candidates = tf.concat([batch.positives[:, None], batch.negatives], axis=1)
    p = _rows(net.user_tables[: r + 1], batch.user_ids[:, None])
    q = _rows(net.item_tables[: r + 1], candidates)
    b = [rows[..., 0] for rows in _rows(net.item_biases[: r + 1], candidates)]
    parts = net.cascade.user_parts(p), net.cascade.item_parts(q)
    logits = net.cascade.combine(*parts, b, training=True)[-1][:, 0, :]
    return log_loss(logits[:, 0], logits[:, 1:], batch.negative_weights)


def _rows(tables: Sequence[keras.Variable], ids: tf.Tensor) -> list[tf.Tensor]:
    """Rows of every table; a table that several behaviors share is read once."""
    rows = {id(table): tf.gather(table.value, ids) for table in _distinct(tables)}
    return [rows[id(table)] for table in tables]


def _distinct(tables: Sequence[keras.Variable]) -> list[keras.Variable]:
    return list({id(table): table for table in tables}.values())


def _num_instances(batch: BehaviorBatch) -> tf.Tensor:
    num_negatives = tf.cast(tf.shape(batch.negatives)[1], tf.float32)
    return tf.cast(tf.size(batch.positives), tf.float32) + num_negatives * tf.reduce_sum(
        batch.negative_weights
    )


def _l2_penalty(net: Network, batches: Sequence[BehaviorBatch], config: TrainingConfig) -> tf.Tensor:
    """L2 of the distinct embedding rows of the batch and of the units' weights."""
    users = [batch.user_ids for batch in batches]
    items = [ids for batch in batches for ids in (batch.positives, batch.negatives)]
    penalty = tf.constant(0.0)
    sides = ((config.l2_user, net.user_tables, users), (config.l2_item, net.item_tables, items))
    for weight, tables, ids in sides:
        if weight:
            penalty += weight * tf.add_n([l2_of_rows(table.value, ids) for table in _distinct(tables)])
    if config.l2_unit:
        squares = [tf.reduce_sum(tf.square(w.value)) for w in net.cascade.trainable_variables]
        penalty += config.l2_unit * tf.add_n(squares)
    return penalty
