"""The baseline of training: the functional model with `compile` and `fit`, as Keras' own guides have it.

Every head is computed for every instance; an instance of behavior r has the sample weight lambda_r for head
r and 0 for the others, so the loss is Eq. 12's. The instances are drawn beforehand and handed over as arrays,
so `fit` does not pay for drawing negatives.
"""

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

from nmtr_tf.config import TrainingConfig
from nmtr_tf.training.sampling import BehaviorBatch


@dataclasses.dataclass(frozen=True)
class Instances:
    """Instances as `fit` takes them: n of all behaviors together.

    Attributes:
        x: "user_ids" and "item_ids", int32 [n].
        y: A behavior's name -> labels float32 [n, 1].
        sample_weight: A behavior's name -> float32 [n].
    """

    x: Mapping[str, np.ndarray]
    y: Mapping[str, np.ndarray]
    sample_weight: Mapping[str, np.ndarray]

    def first(self, count: int) -> "Instances":
        """The first instances."""

        def cut(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: array[:count] for name, array in arrays.items()}

        return Instances(cut(self.x), cut(self.y), cut(self.sample_weight))


def flatten(
    steps: Iterable[Sequence[BehaviorBatch]], behaviors: Sequence[str], loss_weights: Sequence[float]
) -> Instances:
    """The instances of some steps, one by one.

    Args:
        steps: A `BehaviorBatch` per behavior each.
        behaviors: Names, weakest first.
        loss_weights: Lambda of Eq. 12.
    """
    parts = [_flatten_one(batch, r) for step in steps for r, batch in enumerate(step)]
    users, items, labels, counts, heads = (np.concatenate(column) for column in zip(*parts, strict=True))
    weights = {
        name: (loss_weights[r] * counts * (heads == r)).astype(np.float32) for r, name in enumerate(behaviors)
    }
    return Instances(
        {"user_ids": users, "item_ids": items}, dict.fromkeys(behaviors, labels[:, None]), weights
    )


def _flatten_one(batch: BehaviorBatch, r: int) -> tuple[np.ndarray, ...]:
    """User, item, label, weight and behavior of the instances of a batch."""
    users, positives, negatives, positive_weights, negative_weights = (np.asarray(part) for part in batch)
    repeats = negatives.shape[1]
    items = np.concatenate([positives, negatives.ravel()])
    labels = np.repeat(np.array([1, 0], np.float32), [len(positives), negatives.size])
    counts = np.concatenate([positive_weights, np.repeat(negative_weights, repeats)])
    return np.concatenate([users, np.repeat(users, repeats)]), items, labels, counts, np.full(len(items), r)


def compile_stock(model: keras.Model, config: TrainingConfig, jit_compile: bool) -> keras.Model:
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


def fit_seconds(stock: keras.Model, instances: Instances, batch_size: int) -> float:
    """Seconds from the first step of a `fit` over the instances to its end."""
    clock = _Clock()
    stock.fit(
        instances.x,
        instances.y,
        sample_weight=instances.sample_weight,
        batch_size=batch_size,
        epochs=1,
        verbose=0,
        callbacks=[clock],
    )
    return clock.seconds


class _Clock(keras.callbacks.Callback):
    """Leaves out what `fit` prepares before its first step."""

    def __init__(self):
        super().__init__()
        self.seconds = 0.0
        self._started = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        """Starts with the first step."""
        if batch == 0:
            self._started = time.perf_counter()

    def on_train_end(self, logs=None):
        """Stops."""
        self.seconds = time.perf_counter() - self._started
