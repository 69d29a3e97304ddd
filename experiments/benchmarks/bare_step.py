"""What a step of an inner-product method comes to at the least in TensorFlow: its bare operations.

Rows are gathered and multiplied, coefficients times rows are summed into the tables, and Adagrad goes over
the tables. There are no losses, biases, weights of units, cascades or samples; each part is what is faster
of TensorFlow's own kernels and of what XLA makes of them.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from experiments.benchmarks.rows import Rows, measured, medians
from experiments.benchmarks.step_clock import StepClock
from nmtr_tf.models.network import network

_LEARNING_RATE, _EPSILON = 0.01, 1e-8


_NAMES = {
    "forward": "bare gathers and inner products",
    "backward": "bare gathers and sums into the tables",
    "update": "bare Adagrad",
}


class Tables(NamedTuple):
    """Embeddings of users and items, float32 [num_users, E] and [num_items, E]."""

    users: tf.Tensor
    items: tf.Tensor


def ids_of(ours: StepClock) -> tuple[tf.Tensor, tf.Tensor]:
    """The first step's instances of all behaviors: users int32 [n], items int32 [n, 1 + num_negatives]."""
    batches = next(iter(ours.sampler.batches()))
    items = [tf.concat([batch.positives[:, None], batch.negatives], axis=1) for batch in batches]
    return tf.concat([batch.user_ids for batch in batches], axis=0), tf.concat(items, axis=0)


def forward(tables: Tables, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """Inner products float32 [n, 1 + num_negatives]."""
    p, q = tf.gather(tables.users, users), tf.gather(tables.items, items)
    return tf.reduce_sum(p[:, None] * q, axis=2)


def backward(tables: Tables, users: tf.Tensor, items: tf.Tensor, coefficients: tf.Tensor) -> Tables:
    """The gradients of sum(coefficients * forward(...)), as large as the tables."""
    p, q = tf.gather(tables.users, users), tf.gather(tables.items, items)
    of_users = tf.reduce_sum(coefficients[:, :, None] * q, axis=1)
    of_items = tf.reshape(coefficients[:, :, None] * p[:, None], [-1, p.shape[1]])
    return Tables(
        tf.math.unsorted_segment_sum(of_users, users, tables.users.shape[0]),
        tf.math.unsorted_segment_sum(of_items, tf.reshape(items, [-1]), tables.items.shape[0]),
    )


def bare_rows(what: str, ours: StepClock, seconds: float, block: int, repeats: int) -> Rows:
    """A step beside the sum of its bare operations, and each of these.

    Args:
        what: What is trained.
        ours: As for `bare_seconds`, as are `block` and `repeats`.
        seconds: Of a whole step.
        block: As there.
        repeats: As there.
    """
    parts = bare_seconds(ours, block, repeats)
    baseline = "its bare gathers, sums and updates", 1e3 * sum(parts.values())
    yield measured(f"{what}: a step", 1e3 * seconds, "ms", baseline)
    for part, name in _NAMES.items():
        yield measured(f"{what}: a step: {name}", 1e3 * parts[part], "ms")


def bare_seconds(ours: StepClock, block: int, repeats: int) -> dict[str, float]:
    """Seconds of the parts of a step: "forward", "backward" and "update".

    Args:
        ours: The training of a method whose tables are shared by all behaviors.
        block: Steps in one measurement.
        repeats: Measurements that a median is taken over.
    """
    net = network(ours.model)
    tables = Tables(net.user_rows.tables[0].value, net.item_rows.tables[0].value)
    tables = Tables(*(tf.identity(table) for table in tables))
    users, items = ids_of(ours)
    coefficients = tf.random.stateless_normal(tf.shape(items), [0, 0])
    gradients = backward(tables, users, items, coefficients)
    slots = [[tf.Variable(table), tf.Variable(tf.ones_like(table))] for table in tables]

    def update(gradients: Tables) -> None:
        for (table, squares), gradient in zip(slots, gradients, strict=True):
            squares.assign_add(tf.square(gradient))
            table.assign_sub(_LEARNING_RATE * gradient / (tf.sqrt(squares) + _EPSILON))

    def update_by_kernel(gradients: Tables) -> None:
        for (table, squares), gradient in zip(slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdagradV2(
                var=table.handle,
                accum=squares.handle,
                lr=_LEARNING_RATE,
                epsilon=_EPSILON,
                grad=gradient,
            )

    ways: dict[str, Callable[[], float]] = {}
    for compiled in (False, True):

        def graph(call: Callable, compiled: bool = compiled) -> Callable:
            return tf.function(call, autograph=False, jit_compile=compiled)

        one, other = graph(forward), graph(backward)
        third = graph(update) if compiled else graph(update_by_kernel)
        own = {
            "forward": lambda one=one: one(tables, users, items),
            "backward": lambda other=other: other(tables, users, items, coefficients),
            "update": lambda third=third: third(gradients),
        }
        ways |= {f"{part} {compiled}": _clock(call, block) for part, call in own.items()}
    seconds = medians(ways, repeats)
    return {part: min(seconds[f"{part} {compiled}"] for compiled in (False, True)) / block for part in _NAMES}


def _clock(call: Callable[[], object], block: int) -> Callable[[], float]:
    """A measurement of so many calls, traced before."""
    call()
    marker = tf.zeros([])

    def seconds() -> float:
        started = time.perf_counter()
        for _ in range(block):
            call()
        marker.numpy()
        return time.perf_counter() - started

    return seconds
