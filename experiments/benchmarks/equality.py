"""Whether training does what the plain formulation does: `model(ids)` for every instance, dense gradients."""

import itertools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from experiments.benchmarks.data import BenchmarkData
from experiments.benchmarks.rows import DIFFERENCE, Rows, Target, measured
from experiments.benchmarks.step_clock import StepClock, make_clock
from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.reporting.benchmarks import short
from nmtr_tf.training.losses import log_loss
from nmtr_tf.training.sampling import BehaviorBatch

_SAME = Target("<=", 1e-4, DIFFERENCE)
_SAMPLE = 10_000  # pairs whose logits are compared


def measure_equality(data: BenchmarkData, method: str, seeds: Sequence[int] = range(5)) -> Rows:
    """Differences of an epoch's mean loss and of the logits of a sample of pairs, where the largest counts.

    Left to themselves for an epoch, rounding can take two trainings apart: a ReLU that is on in
    one and off in the other, and Adagrad's small accumulator makes the first steps large. So beside it
    stands what happens to the plain formulation when it sums the instances of a batch in reverse order. The
    last row takes every step of the epoch from the same weights, for the reverse order too: nothing adds
    up there.

    Rounding is chance, so it is seen for several seeds; a row has the median, and where it lies.
    """
    found = np.array([_differences(data.view, method, seed) for seed in seeds])  # [num_seeds, 3, 2]
    what = f"train {method}, {data.name}, difference from the plain formulation"
    named = (
        "mean loss of an epoch",
        "logits after an epoch",
        "loss and logits, largest of the epoch's single steps",
    )
    for row, when in enumerate(named):
        (own, turned), (low, _), (high, most) = (
            of(found[:, row], axis=0) for of in (np.median, np.min, np.max)
        )
        where = f"{len(found)} seeds, {short(low)} to {short(high)}, in reverse up to {short(most)}"
        baseline = "plain, summed in reverse order", turned
        yield measured(f"{what}: {when}, median of {where}", own, DIFFERENCE, baseline, _SAME)


def _differences(view: TrainingView, method: str, seed: int) -> list[tuple[float, float]]:
    """For each row the difference of ours, and that of the plain formulation summed in reverse order."""
    training = TrainingConfig(seed=seed)
    ours, plain, reverse, forced, turned = (make_clock(view, method, training) for _ in range(5))
    steps = [plain_step(plain), plain_step(reverse, in_reverse=True), plain_step(forced)]
    turned_step = plain_step(turned, in_reverse=True)
    pairs = _sample_pairs(view)
    batches = iter(ours.sampler.batches())
    summed = np.zeros(3)
    largest_step = rounding_step = 0.0
    for batch in itertools.islice(ours.sampler.batches(), ours.sampler.steps_per_epoch):
        for copy in (forced, turned):
            _copy_state(ours, copy)
        losses = [
            ours.learner.train_steps(batches, tf.constant(1)).numpy()[0],
            *(step(batch).numpy() for step in steps),
        ]
        summed += losses[:3]
        loss = abs(losses[0] - losses[3]) / ours.instances_per_step
        largest_step = max(largest_step, loss, _largest_difference(ours, forced, pairs))
        turned_step(batch)
        rounding_step = max(rounding_step, _largest_difference(forced, turned, pairs))
    mean = summed / ours.sampler.num_instances
    return [
        (abs(mean[0] - mean[1]), abs(mean[1] - mean[2])),
        (_largest_difference(ours, plain, pairs), _largest_difference(plain, reverse, pairs)),
        (largest_step, rounding_step),
    ]


def plain_step(clock: StepClock, in_reverse: bool = False) -> Callable[[Sequence[BehaviorBatch]], tf.Tensor]:
    """A graph that takes one training step and gives the summed loss of its batch."""
    model, stage = clock.model, clock.stage
    variables = model.trainable_variables

    @tf.function(input_signature=[clock.sampler.batches().element_spec])
    def step(batches: Sequence[BehaviorBatch]) -> tf.Tensor:
        if in_reverse:
            batches = [batch.map_rows(lambda part: part[::-1]) for batch in batches]
        with tf.GradientTape() as tape:
            losses = [plain_loss(model, *pair) for pair in zip(stage.behaviors, batches, strict=True)]
            total = tf.add_n([weight * loss for weight, loss in zip(stage.weights, losses, strict=True)])
        gradients = tape.gradient(total, [variable.value for variable in variables])
        model.optimizer.apply([tf.convert_to_tensor(gradient) for gradient in gradients], variables)
        return total

    return step


def plain_loss(model: keras.Model, behavior: str, batch: BehaviorBatch) -> tf.Tensor:
    """Log loss of a behavior, summed over its instances, by the functional model on pairs of ids."""
    candidates = tf.concat([batch.positives[:, None], batch.negatives], axis=1)
    users = tf.repeat(batch.user_ids, tf.shape(candidates)[1])
    ids = {"user_ids": users, "item_ids": tf.reshape(candidates, [-1])}
    logits = tf.reshape(model(ids, training=True)[behavior], tf.shape(candidates))
    return log_loss(logits[:, 0], logits[:, 1:], batch.positive_weights, batch.negative_weights)


def _copy_state(source: StepClock, target: StepClock) -> None:
    """Weights, accumulators and iteration."""
    for old, new in ((source.model, target.model), (source.model.optimizer, target.model.optimizer)):
        for ours, theirs in zip(old.variables, new.variables, strict=True):
            theirs.assign(ours)


def _sample_pairs(view: TrainingView) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = {"user_ids": view.num_users, "item_ids": view.num_items}
    return {name: rng.integers(size, size=_SAMPLE).astype(np.int32) for name, size in sizes.items()}


def _largest_difference(one: StepClock, other: StepClock, pairs: dict[str, np.ndarray]) -> float:
    logits, others = one.model(pairs), other.model(pairs)
    return max(float(tf.reduce_max(tf.abs(logits[name] - others[name]))) for name in logits)
