"""The sampler alone: instances a second with nobody training on them."""

import time

import tensorflow as tf

from experiments.benchmarks.data import BenchmarkData
from experiments.benchmarks.rows import Row, Rows, Target, measured, medians
from experiments.benchmarks.setting import Setting
from experiments.benchmarks.step_clock import make_clock

_SPEED = Target(">=", 10, "M instances/s")


def measure(setting: Setting) -> Rows:
    """Positives and negatives a second, of all behaviors together."""
    for data in setting.data:
        yield _row(setting, data)


def _row(setting: Setting, data: BenchmarkData) -> Row:
    ours = make_clock(data.view, "nmtr_gmf")
    batches = iter(ours.sampler.batches())

    @tf.function
    def draw(iterator: tf.data.Iterator, num_steps: tf.Tensor) -> tf.Tensor:
        last = tf.constant(0)
        for _ in tf.range(num_steps):
            last = tf.size(next(iterator)[0].positives)
        return last

    num_steps = 4 * setting.block

    def seconds() -> float:
        draw(batches, tf.constant(8)).numpy()  # what was drawn ahead
        started = time.perf_counter()
        draw(batches, tf.constant(num_steps)).numpy()
        return time.perf_counter() - started

    seconds()
    speed = num_steps * ours.instances_per_step / medians({"ours": seconds}, setting.repeats)["ours"]
    what = f"sampler, {data.name}, R={len(data.view.behaviors)}"
    return measured(what, speed / 1e6, "M instances/s", target=_SPEED)
