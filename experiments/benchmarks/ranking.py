"""Full ranking of all users, beside pairwise prediction and the bare matrix product."""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from experiments.benchmarks.data import BenchmarkData
from experiments.benchmarks.limits import Work
from experiments.benchmarks.pairwise import BATCH_SIZE, pairwise_ranks
from experiments.benchmarks.rows import Rows, Target, measured, medians
from experiments.benchmarks.setting import Setting
from experiments.benchmarks.step_clock import make_model
from experiments.benchmarks.tower_chain import tower_chain
from experiments.benchmarks.training import row_cost
from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import Network

_PRODUCT = Target("<=", 1.5)  # times the bare matrix product
_PAIRWISE = Target(">=", 300)  # times pairwise prediction, for GMF
_CHAIN = Target("<=", 1.25)  # times the bare products and ReLU of its towers, for NeuMF
_PRODUCT_USERS = 1024  # rows of one bare product
_TOWER_USERS = 2048  # a cascade of towers is timed on a sample of this many users


def measure(setting: Setting) -> Rows:
    """Users a second of `rank_held_out`, and what share of the limits that is."""
    for data in setting.data:
        for unit in setting.units:
            yield from _measure_one(setting, data, unit)


def _measure_one(setting: Setting, data: BenchmarkData, unit: str) -> Rows:
    view = data.view
    model = make_model(view, f"nmtr_{unit}")
    scorer, test = ModelScorer(model), view.held_out["test"]
    net, is_product = scorer.network, scorer.network.has_one_product
    few = test[: max(1, min(len(test), 4 * BATCH_SIZE // view.num_items))]
    calls = {
        "ours": clock_ranking(scorer, view),
        "product": lambda: _seconds(lambda: _bare_product(net, test[:, 0])),
        "pairwise": lambda: _seconds(lambda: pairwise_ranks(model, view, few)),
    }
    if not is_product:
        del calls["product"]
        memory = EvaluationConfig().eval_memory_mb
        chain = tower_chain(net, scorer, num_ranked(scorer, view), memory)
        chain()  # compiles
        calls["chain"] = lambda: _seconds(chain)
    calls["pairwise"]()  # traces
    seconds = medians(calls, setting.repeats)
    what = f"rank all {len(test):,} users, nmtr_{unit}, {data.name}, R={len(view.behaviors)}"
    ours, pairwise = num_ranked(scorer, view) / seconds["ours"], len(few) / seconds["pairwise"]
    baseline = f"pairwise predict, from {len(few)} users", pairwise
    yield measured(what, ours, "users/s", baseline, _PAIRWISE if is_product else None)
    total = len(test) / ours
    work = ranking_work(net, len(test))
    yield setting.limits.reached(what, work, total)
    if is_product:
        product = "bare matrix product", seconds["product"]
        yield measured(f"{what}: masks and ties included", total, "s", product, _PRODUCT)
    else:
        least_work = "bare products and ReLU of the towers", seconds["chain"]
        least = f"{what}: {num_ranked(scorer, view):,} of them, masks and ties included"
        yield measured(least, seconds["ours"], "s", least_work, _CHAIN if unit == "neumf" else None)
        yield from _tower_rows(setting, what, net, total, len(test))


def _tower_rows(setting: Setting, what: str, net: Network, seconds: float, num_users: int) -> Rows:
    """Rate of the arithmetic that is left once the first tower layer is split: `pair_cost` a pair."""
    cost = sum(layer.pair_cost for layer in net.cascade.units)
    rate = 2e-9 * cost * num_users * net.item_rows.num_rows / seconds
    share = 100 * rate / setting.limits.gflops
    work = f"{what}: {rate:,.0f} GFLOP/s after the first layer, share of the product's peak"
    yield measured(work, share, "%")


def num_ranked(scorer: ModelScorer, view: TrainingView) -> int:
    """How many users a measurement ranks: all, or a sample where the scores are no matrix product."""
    num_users = len(view.held_out["test"])
    return num_users if scorer.network.has_one_product else min(_TOWER_USERS, num_users)


def clock_ranking(scorer: ModelScorer, view: TrainingView) -> Callable[[], float]:
    """A measurement: seconds to rank the test items of `num_ranked` users. It is compiled before."""
    sample = np.arange(num_ranked(scorer, view))

    def rank() -> None:
        rank_held_out(scorer, view, "test", EvaluationConfig(), sample)

    rank()  # compiled for the sizes that are timed
    return lambda: _seconds(rank)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _bare_product(net: Network, users: np.ndarray) -> None:
    """Scores of users by one matrix product of embeddings: no weights, biases, masks or ranks."""
    (items,) = net.item_rows.all_rows([0])
    for first in range(0, len(users), _PRODUCT_USERS):
        (rows,) = net.user_rows.rows(users[first : first + _PRODUCT_USERS], [0])
        scores = tf.matmul(rows, items, transpose_b=True)
    scores[0, 0].numpy()


def ranking_work(net: Network, num_users: int) -> Work:
    """The least work of scoring all items for some users.

    Multiply-adds: `pair_cost` of every unit for every pair (of one unit where the cascade is one inner
    product), and the user and item part of every row. Bytes: the tables once, 4 E a row, and a bias an item
    and behavior.
    """
    units, num_items = net.cascade.units, net.item_rows.num_rows
    pair = units[0].pair_cost if net.has_one_product else sum(unit.pair_cost for unit in units)
    parts = sum(row_cost(unit) for unit in units) * (num_users + num_items)
    num_bytes = 4 * net.item_rows.row_size * (num_users + num_items) + 4 * len(units) * num_items
    return Work(pair * num_users * num_items + parts, num_bytes)
