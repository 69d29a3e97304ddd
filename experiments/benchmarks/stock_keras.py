"""The baseline of training: the functional model with `compile` and `fit`, as Keras' own guides have it.

Every head is computed for every instance; an instance of behavior r has the sample weight lambda_r for head
r and 0 for the others, so the loss is Eq. 12's. The instances come from the same sampler as ours, one by one
in batches of a fixed number, as many batches an epoch as ours has steps.
"""

import time
from collections.abc import Sequence

import keras
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.config import TrainingConfig
from nmtr_tf.training.sampling import BehaviorBatch, PairSampler

# Batches before the clock starts, while `fit` fills what it reads ahead.
_AHEAD = 8


def stock_instances(
    sampler: PairSampler, behaviors: Sequence[str], loss_weights: Sequence[float], batch_size: int
) -> tf.data.Dataset:
    """Endless batches of `batch_size` instances as `fit` takes them.

    Yields:
        (x, y, sample_weight): "user_ids" and "item_ids", int32 [batch_size]; a behavior's name -> labels
        float32 [batch_size, 1]; a behavior's name -> float32 [batch_size].
    """

    def flatten(*step: BehaviorBatch) -> tuple[dict, dict, dict]:
        return flat_instances(step, behaviors, loss_weights)

    instances = sampler.batches().map(flatten, num_parallel_calls=2)
    return instances.rebatch(batch_size, drop_remainder=True).prefetch(4)


def flat_instances(
    step: Sequence[BehaviorBatch], behaviors: Sequence[str], loss_weights: Sequence[float]
) -> tuple[dict, dict, dict]:
    """What `stock_instances` yields, for the n instances of one step.

    Args:
        step: A `BehaviorBatch` per behavior.
        behaviors: Names, weakest first.
        loss_weights: Lambda of Eq. 12.
    """
    parts = [_flatten_one(batch, r) for r, batch in enumerate(step)]
    users, items, labels, counts, heads = (tf.concat(column, axis=0) for column in zip(*parts, strict=True))
    weights = {
        name: loss_weights[r] * counts * tf.cast(heads == r, tf.float32) for r, name in enumerate(behaviors)
    }
    return {"user_ids": users, "item_ids": items}, dict.fromkeys(behaviors, labels[:, None]), weights


def _flatten_one(batch: BehaviorBatch, r: int) -> tuple[tf.Tensor, ...]:
    """User, item, label, weight and behavior of the instances of a batch."""
    repeats = batch.negatives.shape[1]
    items = tf.concat([batch.positives, tf.reshape(batch.negatives, [-1])], axis=0)
    users = tf.concat([batch.user_ids, tf.repeat(batch.user_ids, repeats)], axis=0)
    num_positives, num_negatives = tf.size(batch.positives), tf.size(batch.negatives)
    labels = tf.concat([tf.ones([num_positives]), tf.zeros([num_negatives])], axis=0)
    counts = tf.concat([batch.positive_weights, tf.repeat(batch.negative_weights, repeats)], axis=0)
    return users, items, labels, counts, tf.fill([num_positives + num_negatives], r)


def compile_stock(model: keras.Model, config: TrainingConfig, jit_compile: bool | str) -> keras.Model:
    """The model with a column per head, compiled with Keras' own losses and Adagrad."""
    outputs = {name: keras.layers.Reshape((1,))(logits) for name, logits in model.output.items()}
    stock = keras.Model(model.input, outputs)
    stock.compile(
        optimizer=keras.optimizers.Adagrad(
            config.learning_rate, initial_accumulator_value=config.initial_accumulator
        ),
        loss={name: keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum") for name in outputs},
        jit_compile=jit_compile,
    )
    return stock


def fit_seconds(stock: keras.Model, instances: tf.data.Dataset, num_batches: int) -> float:
    """Seconds of `num_batches` batches within a `fit`."""
    clock = _Clock()
    stock.fit(
        instances, shuffle=False, steps_per_epoch=_AHEAD + num_batches, epochs=1, verbose=0, callbacks=[clock]
    )
    return clock.seconds


class _Clock(keras.callbacks.Callback):
    """Leaves out what `fit` prepares, and the first batches."""

    def __init__(self):
        super().__init__()
        self.seconds = 0.0
        self._started = 0.0

    @override
    def on_train_batch_begin(self, batch, logs=None):
        if batch == _AHEAD:
            self._started = time.perf_counter()

    @override
    def on_train_end(self, logs=None):
        self.seconds = time.perf_counter() - self._started
