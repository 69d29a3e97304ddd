"""Training: an epoch of each unit beside stock Keras, and its results beside the plain formulation."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from experiments.benchmarks.bare_step import bare_rows
from experiments.benchmarks.data import BenchmarkData, stand_in
from experiments.benchmarks.equality import measure_equality
from experiments.benchmarks.limits import Limits, Work
from experiments.benchmarks.rows import Row, Rows, Target, measured, medians
from experiments.benchmarks.setting import Setting
from experiments.benchmarks.step_clock import StepClock, make_clock
from experiments.benchmarks.stock_keras import compile_stock, fit_seconds, stock_instances
from nmtr_tf.data.view import TrainingView
from nmtr_tf.models.network import Network, network
from nmtr_tf.models.units import Unit
from nmtr_tf.reporting.benchmarks import short
from nmtr_tf.training.sampling import BehaviorBatch

_SPEED_UP = {2: Target(">=", 2), 3: Target(">=", 3)}  # times stock Keras, by the number of behaviors
_EPOCH = {"gmf": 2.5, "neumf": 10.0}  # seconds at most for two behaviors, at these limits of a machine:
_AT = Limits(gflops=100, gb_per_second=15)


def measure(setting: Setting) -> Rows:
    """Instances a second, seconds of an epoch and share of the limit; then what the results differ by."""
    for data in setting.data:
        for unit in setting.units:
            yield from _measure_one(setting, data, f"nmtr_{unit}")
    for unit in setting.units:
        seeds = range(1 if setting.quick else 5)
        yield from measure_equality(stand_in("taobao", quick=True), f"nmtr_{unit}", seeds)


def _measure_one(setting: Setting, data: BenchmarkData, method: str) -> Rows:
    view = data.view
    ours = make_clock(view, method)
    per_step, num_steps = ours.instances_per_step, ours.sampler.steps_per_epoch
    seconds = _beside_stock(setting, ours, view, method)
    what = f"train {method}, {data.name}, R={len(view.behaviors)}"
    speed = {name: setting.block * per_step / 1e6 / value for name, value in seconds.items()}
    target = _SPEED_UP.get(len(view.behaviors))
    yield measured(what, speed["ours"], "M instances/s", ("stock Keras", speed["stock"]), target)
    compiled = "stock Keras with jit_compile=True", speed["compiled"]
    yield measured(f"{what}: against XLA", speed["ours"], "M instances/s", compiled)
    epoch = {name: value * num_steps / setting.block for name, value in seconds.items()}
    yield _epoch_row(what, method, len(view.behaviors), epoch["ours"], epoch["stock"], setting.limits)
    work = step_work(network(ours.model), next(iter(ours.sampler.batches())))
    yield setting.limits.reached(f"{what}: a step", work, seconds["ours"] / setting.block)
    if network(ours.model).has_one_product:
        yield from bare_rows(what, ours, seconds["ours"] / setting.block, setting.block, setting.repeats)


def _beside_stock(setting: Setting, ours: StepClock, view: TrainingView, method: str) -> dict[str, float]:
    """Median seconds of a block of ours, of stock Keras as it is ("auto": no XLA on a CPU), and with XLA."""
    batch_size = round(ours.instances_per_step)
    instances = stock_instances(ours.sampler, ours.stage.behaviors, ours.stage.weights, batch_size)
    plain = make_clock(view, method).model
    stock, compiled = (compile_stock(plain, ours.config, jit) for jit in ("auto", True))
    for model in (stock, compiled):
        fit_seconds(model, instances, 2)  # traces
    calls = {
        "ours": ours.measurement(setting.block),
        "stock": lambda: fit_seconds(stock, instances, setting.block),
        "compiled": lambda: fit_seconds(compiled, instances, setting.block),
    }
    return medians(calls, setting.repeats)


def _epoch_row(what: str, method: str, num_behaviors: int, ours: float, stock: float, here: Limits) -> Row:
    """Seconds of an epoch; where there is a target and the machine is slower than it asks, scaled too."""
    bound = _EPOCH.get(method.removeprefix("nmtr_")) if num_behaviors == 2 else None
    target = None if bound is None else Target("<=", bound, "s")
    row = measured(f"{what}: an epoch", ours, "s", ("stock Keras", stock), target)
    if target is None:
        return row
    return judged_at(row, target, ours, here)


def judged_at(row: Row, target: Target, seconds: float, here: Limits) -> Row:
    """The row with a verdict only where the machine is as fast as the target supposes."""
    slower = max(_AT.gflops / here.gflops, _AT.gb_per_second / here.gb_per_second)
    text = f"{target} at {_AT.gflops:g} GFLOP/s and {_AT.gb_per_second:g} GB/s"
    if slower <= 1:
        return dataclasses.replace(row, target=text)
    text += f"; not judged on this slower machine, scaled to those limits: {short(seconds / slower)} s"
    return dataclasses.replace(row, target=text, met=None)


def step_work(net: Network, batches: Sequence[BehaviorBatch]) -> Work:
    """The least work of a training step on these batches.

    Multiply-adds, three times (the forward pass, the gradient of its inputs and that of its weights):
    `pair_cost` of units 1 to r for every instance of behavior r, and for every unit once its user part of
    each distinct user and its item part of each distinct item of the behaviors that need it. Bytes: every
    distinct row of the tables and its accumulator are read and written, 4 * 4 * E.
    """
    units, embedding_dim = net.cascade.units, net.user_rows.row_size
    multiply_adds = num_rows = 0
    for r, unit in enumerate(units):
        users = np.concatenate([batch.user_ids for batch in batches[r:]])
        positives = np.concatenate([batch.positives for batch in batches[r:]])
        negatives = np.concatenate([np.ravel(batch.negatives) for batch in batches[r:]])
        rows = len(np.unique(users)) + len(np.unique(np.concatenate([positives, negatives])))
        multiply_adds += unit.pair_cost * (len(positives) + len(negatives)) + row_cost(unit) * rows
        num_rows = max(num_rows, rows)
    return Work(3 * multiply_adds, 16 * embedding_dim * num_rows)


def row_cost(unit: Unit) -> int:
    """Multiply-adds of a user or an item part for one row: E for p * h, E * width_1 for half of W_1."""
    gmf, mlp = getattr(unit, "gmf", None), getattr(unit, "mlp", None)
    if gmf is not None and mlp is not None:
        return row_cost(gmf) + row_cost(mlp)
    kernels = getattr(unit, "kernels", [])
    return kernels[0].shape[0] * kernels[0].shape[1] // 2 if kernels else unit.pair_cost
