"""The training step: loss of a batch, its gradient, the update; several steps a graph call."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.models.nmtr import Network, network
from nmtr_tf.training.losses import LOSSES, l2_of_rows, num_instances
from nmtr_tf.training.sampling import BehaviorBatch, PairSampler, padded
from nmtr_tf.training.stages import Stage

# XLA compiles the step in one to three seconds, and then saves a few milliseconds a step.
_STEPS_WORTH_COMPILING = 500
# Weights, all of which the compiled step updates, in the time that it saves for one instance.
_WEIGHTS_PER_INSTANCE = 600


def make_train_steps(
    model: keras.Model, config: TrainingConfig, stage: Stage, capacities: Sequence[int] = ()
) -> Callable[[tf.data.Iterator, tf.Tensor], tf.Tensor]:
    """A graph that takes several training steps in one call: (iterator, number of steps) -> totals.

    The totals, float32 [1 + 2 L] for the L behaviors of the stage, are sums over the steps: the objective
    before any reduction to a mean, the loss of every behavior, the number of instances of every behavior.

    Args:
        model: Made by `build_model` and compiled; the optimizer is built for what the stage trains.
        config: Loss reduction and L2.
        stage: What is trained on what; the iterator gives a `BehaviorBatch` for each of its behaviors.
        capacities: `PairSampler.capacities`: XLA compiles the step for batches padded to them, and whole
            tables are updated. Empty: as the batches come, and only the rows of the batch are updated.
    """
    net = network(model)
    places = [net.cascade.behaviors.index(name) for name in stage.behaviors]
    trained = _trained_part(net, stage)
    variables = trained.variables
    model.optimizer.build(variables)

    def step(batches: Sequence[BehaviorBatch]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = [
                behavior_loss(net, r, batch, stage.loss) for r, batch in zip(places, batches, strict=True)
            ]
            penalty = _l2_penalty(trained, batches, config)
            total = tf.add_n([w * loss for w, loss in zip(stage.weights, losses, strict=True)]) + penalty
            counts = [_num_instances(stage.loss, batch) for batch in batches]
            scale = tf.add_n(counts) if config.loss_reduction == "mean" else 1.0
            objective = tf.math.divide_no_nan(total, scale)
        gradients = tape.gradient(
            objective,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        if capacities:
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        model.optimizer.apply(gradients, variables)
        return tf.stack([total, *losses, *counts])

    if capacities:
        step = tf.function(step, jit_compile=True)

    @tf.function
    def train_steps(iterator: tf.data.Iterator, num_steps: tf.Tensor) -> tf.Tensor:
        totals = tf.zeros([1 + 2 * len(places)])
        for _ in tf.range(num_steps):
            batches = next(iterator)
            if capacities:
                batches = [padded(batch, size) for batch, size in zip(batches, capacities, strict=True)]
            totals += step(batches)
        return totals

    return train_steps


def capacities_to_compile(model: keras.Model, sampler: PairSampler, num_steps: int) -> tuple[int, ...]:
    """The sampler's capacities where XLA makes this many steps faster; empty where it does not.

    It does not where the training is short, nor where the tables are large next to a step.
    """
    num_weights = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    is_long = num_steps >= _STEPS_WORTH_COMPILING
    is_dense = num_weights * sampler.steps_per_epoch <= _WEIGHTS_PER_INSTANCE * sampler.num_instances
    return sampler.capacities if is_long and is_dense else ()


def behavior_loss(net: Network, r: int, batch: BehaviorBatch, loss: str = "log") -> tf.Tensor:
    """Loss of behavior r (from 0), summed over its instances; only what its logit needs is computed."""
    terms = net.cascade.terms(r)
    candidates = _candidates(batch)
    p = _rows(net.user_tables[terms], batch.user_ids[:, None])
    q = _rows(net.item_tables[terms], candidates)
    b = [rows[..., 0] for rows in _rows(net.item_biases[terms], candidates)]
    parts = net.cascade.user_parts(p, terms), net.cascade.item_parts(q, terms)
    logits = net.cascade.combine(*parts, b, terms, training=True)[-1][:, 0, :]
    return LOSSES[loss](logits[:, 0], logits[:, 1:], batch.positive_weights, batch.negative_weights)


def _num_instances(loss: str, batch: BehaviorBatch) -> tf.Tensor:
    return num_instances(loss, batch.negatives.shape[1], batch.positive_weights, batch.negative_weights)


@dataclasses.dataclass(frozen=True)
class _TrainedPart:
    """What a stage changes: the embeddings that its logits need, and units and item biases not frozen."""

    user_tables: list[keras.Variable]
    item_tables: list[keras.Variable]
    unit_weights: list[keras.Variable]
    item_biases: list[keras.Variable]

    @property
    def variables(self) -> list[keras.Variable]:
        lists = self.user_tables, self.item_tables, self.unit_weights, self.item_biases
        return [variable for one in lists for variable in one if variable.trainable]


def _trained_part(net: Network, stage: Stage) -> _TrainedPart:
    behaviors = net.cascade.behaviors
    terms = [range(len(behaviors))[net.cascade.terms(behaviors.index(name))] for name in stage.behaviors]
    used = sorted(set().union(*terms))
    free = [r for r in used if behaviors[r] not in stage.frozen]
    return _TrainedPart(
        user_tables=_distinct([net.user_tables[r] for r in used]),
        item_tables=_distinct([net.item_tables[r] for r in used]),
        unit_weights=[weight for r in free for weight in net.cascade.units[r].trainable_variables],
        item_biases=[net.item_biases[r] for r in free],
    )


def _rows(tables: Sequence[keras.Variable], ids: tf.Tensor) -> list[tf.Tensor]:
    """Rows of every table; a table that several behaviors share is read once."""
    rows = {id(table): tf.gather(table.value, ids) for table in _distinct(tables)}
    return [rows[id(table)] for table in tables]


def _distinct(tables: Sequence[keras.Variable]) -> list[keras.Variable]:
    return list({id(table): table for table in tables}.values())


def _l2_penalty(trained: _TrainedPart, batches: Sequence[BehaviorBatch], config: TrainingConfig) -> tf.Tensor:
    """L2 of the distinct embedding rows of the batch and of the units' weights."""
    users = [(batch.user_ids[:, None], batch.positive_weights) for batch in batches]
    items = [(_candidates(batch), batch.positive_weights) for batch in batches]
    penalty = tf.constant(0.0)
    sides = ((config.l2_user, trained.user_tables, users), (config.l2_item, trained.item_tables, items))
    for weight, tables, rows in sides:
        if weight:
            ids = tf.concat([tf.reshape(ids, [-1]) for ids, _ in rows], axis=0)
            counts = tf.concat([tf.repeat(weights > 0, ids.shape[1]) for ids, weights in rows], axis=0)
            penalty += weight * tf.add_n([l2_of_rows(table.value, ids, counts) for table in tables])
    if config.l2_unit and trained.unit_weights:
        squares = [tf.reduce_sum(tf.square(weight.value)) for weight in trained.unit_weights]
        penalty += config.l2_unit * tf.add_n(squares)
    return penalty


def _candidates(batch: BehaviorBatch) -> tf.Tensor:
    """Every positive and its negatives, int32 [n, 1 + num_negatives]."""
    return tf.concat([batch.positives[:, None], batch.negatives], axis=1)
