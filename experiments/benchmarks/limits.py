"""What this machine can do at most, measured by TensorFlow itself, and the least work that a task needs."""

import dataclasses
import time
from collections.abc import Callable

import tensorflow as tf

from experiments.benchmarks.rows import Row, measured
from nmtr_tf.reporting.benchmarks import short


@dataclasses.dataclass(frozen=True)
class Work:
    """The least that a task has to do, whatever way it is written.

    Attributes:
        multiply_adds: Multiply-adds of its arithmetic.
        num_bytes: Bytes between memory and processor, each datum once.
    """

    multiply_adds: float
    num_bytes: float


@dataclasses.dataclass(frozen=True)
class Limits:
    """Speed limits of a machine.

    Attributes:
        gflops: Float32 matrix product, 10^9 operations a second; a multiply-add is two.
        gb_per_second: Memory traffic, 10^9 bytes read or written a second.
    """

    gflops: float
    gb_per_second: float

    def seconds(self, work: Work) -> float:
        """Least time of a task: the larger of its arithmetic's and its memory traffic's."""
        return max(2e-9 * work.multiply_adds / self.gflops, 1e-9 * work.num_bytes / self.gb_per_second)

    def reached(self, what: str, work: Work, seconds: float) -> Row:
        """A row for the share of the limit that a task reached in its time."""
        parts = f"{short(work.multiply_adds / 1e9)} G multiply-adds, {short(work.num_bytes / 1e9)} GB"
        share = 100 * self.seconds(work) / seconds
        return Row(
            f"{what}: share of the machine's limit", share, "%", f"least work: {parts}", ratio=share / 100
        )

    def rows(self) -> list[Row]:
        """The limits as rows."""
        return [
            measured("this machine: float32 matrix product", self.gflops, "GFLOP/s"),
            measured("this machine: memory traffic", self.gb_per_second, "GB/s"),
        ]


def measure_limits(quick: bool) -> Limits:
    """The best of several sizes and tries.

    The product is of square matrices, 2 n^3 operations. The traffic is that of `x += y` on vectors that no
    cache holds: two reads and a write, 12 bytes an element.
    """
    gflops = 0.0
    for n in (1024, 2048) if quick else (1024, 2048, 3072, 4096):
        x = tf.random.stateless_normal([n, n], [0, n])
        gflops = max(gflops, 2e-9 * n**3 / _best(tf.matmul, x, x))
    size = 2**24 if quick else 2**26
    total, added = tf.Variable(tf.zeros([size])), tf.ones([size])
    return Limits(gflops, 12e-9 * size / _best(total.assign_add, added))


def _best(call: Callable[..., tf.Tensor], *inputs: tf.Tensor) -> float:
    """Least seconds of six calls; the first also allocates."""
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        result = call(*inputs)
        tf.reshape(result, [-1])[0].numpy()  # waits for the end on an accelerator
        seconds.append(time.perf_counter() - started)
        del result
    return min(seconds)
