"""Rows of the benchmark from numbers that are known, and the least work that they are measured by."""

import numpy as np
import pytest

from experiments.benchmarks import serving, training
from experiments.benchmarks.limits import Limits, Work
from experiments.benchmarks.ranking import ranking_work
from experiments.benchmarks.rows import Row, Target, measured, medians
from nmtr_tf.config import RunConfig
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.models.network import network
from nmtr_tf.training.sampling import BehaviorBatch


def test_rows_of_measured_calls():
    times = {
        "one": [0.001 * n for n in range(1, 102)],  # 1 to 101 ms
        "bare_one": [0.0005] * 101,
        "batch": [0.032, 0.064, 0.128],
        "bare_batch": [0.032],
        "peak": 3 * 1024,
    }
    rows = list(serving.rows_of("serve", times))
    assert [row.work for row in rows] == [
        "serve: one user, p50",
        "serve: one user, p99",
        "serve: 64 users a call",
        "serve: peak memory",
    ]
    assert [row.value for row in rows] == pytest.approx([51, 100, 1000, 3])
    assert [row.ratio for row in rows[:3]] == pytest.approx([102, 200, 0.5])
    slow = list(serving.rows_of("serve", {**times, "batch": None}))[2]
    assert slow.work == "serve: 64 users a call: skipped, a call takes over 15 s"


@pytest.mark.parametrize(
    ("target", "value", "ratio", "met", "text"),
    [
        (Target(">=", 3), 8.0, 4.0, True, ">= 3x"),
        (Target(">=", 3), 5.0, 2.5, False, ">= 3x"),
        (Target("<=", 2.5), 5.0, 2.5, True, "<= 2.5x"),
        (Target("<=", 10, "GiB"), 11.0, 5.5, False, "<= 10 GiB"),
        (Target(">=", 40, "%"), 40.0, 20.0, True, ">= 40%"),
        (None, 4.0, 2.0, None, None),
    ],
)
def test_targets(target, value, ratio, met, text):
    row = measured("work", value, "GiB", ("other", 2.0), target)
    assert row == Row("work", value, "GiB", "other: 2 GiB", ratio, text, met)


def test_medians_take_turns():
    order = []

    def measurement(name, times):
        def call():
            order.append(name)
            return times.pop()

        return call

    found = medians({"a": measurement("a", [9.0, 1.0, 2.0]), "b": measurement("b", [5.0, 5.0, 8.0])}, 3)
    assert found == {"a": 2.0, "b": 5.0}
    assert order == ["a", "b"] * 3


def test_the_least_time_is_the_larger_of_arithmetic_and_traffic():
    limits = Limits(gflops=100, gb_per_second=10)
    assert limits.seconds(Work(multiply_adds=5e9, num_bytes=1e8)) == pytest.approx(0.1)  # 10 G operations
    assert limits.seconds(Work(multiply_adds=5e9, num_bytes=4e9)) == pytest.approx(0.4)
    row = limits.reached("rank", Work(5e9, 1e8), seconds=0.4)
    assert row.value == pytest.approx(25)


@pytest.mark.parametrize(
    ("here", "met", "text"),
    [
        (Limits(100, 15), False, "<= 2.5 s at 100 GFLOP/s and 15 GB/s"),
        (Limits(50, 60), None, "scaled to those limits: 1.5 s"),
    ],
)
def test_seconds_are_judged_on_a_fast_enough_machine_only(here, met, text):
    target = Target("<=", 2.5, "s")
    row = training.judged_at(measured("epoch", 3.0, "s", target=target), target, 3.0, here)
    assert row.met is met
    assert text in str(row.target)


def test_least_work_of_a_step_and_a_ranking():
    # E = 2, one tower layer of width 2: the pair costs 2 for GMF; 2 for MLP, whose half layer costs 4 a row.
    options = {"method": "nmtr_gmf", "units": ("gmf", "mlp"), "embedding_dim": 2, "num_layers": 1}
    plan = resolve(RunConfig().with_options(**options), ("cart", "buy"))
    net = network(build_model(plan, num_users=9, num_items=7, seed=0))
    cart = BehaviorBatch(
        np.array([1, 2, 1]), np.array([3, 4, 5]), np.array([[6], [6], [0]]), np.ones(3), np.ones(3)
    )
    buy = BehaviorBatch(np.array([8]), np.array([3]), np.array([[4]]), np.ones(1), np.ones(1))
    # cart: GMF on 6 instances, buy: GMF and MLP on 2. Rows of GMF: users 1, 2, 8 and items 0, 3 to 6;
    # of MLP: user 8 and items 3, 4.
    work = training.step_work(net, [cart, buy])
    assert work.multiply_adds == 3 * ((8 * 2 + 8 * 2) + (2 * 2 + 3 * 4))
    assert work.num_bytes == 16 * 2 * 8
    assert ranking_work(net, 9).multiply_adds == (2 + 2) * 9 * 7 + (2 + 4) * (9 + 7)
    assert ranking_work(net, 9).num_bytes == 4 * 2 * 16 + 4 * 2 * 7
