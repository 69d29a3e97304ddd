"""The benchmark's table and file, and that its baselines do the same work; no test asserts a time."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, call, refused

from experiments import benchmark
from experiments.benchmarks import data, peer_processes, peers, scale, training
from experiments.benchmarks.equality import measure_equality
from experiments.benchmarks.limits import Limits, Work
from experiments.benchmarks.ours import make_training
from experiments.benchmarks.page import to_page
from experiments.benchmarks.pairwise import pairwise_ranks
from experiments.benchmarks.ranking import ranking_work
from experiments.benchmarks.rows import Row, Target, measured, medians
from experiments.benchmarks.sized_run import uniform_interactions
from experiments.benchmarks.stock_keras import compile_stock, flat_instances, stock_instances
from nmtr_tf.config import EvaluationConfig, ModelConfig, TrainingConfig
from nmtr_tf.evaluation.ranking import ModelScorer, rank_held_out
from nmtr_tf.models.model import build_model, network
from nmtr_tf.training.sampling import BehaviorBatch

FIELDS = ["work", "value", "unit", "baseline", "ratio", "target", "met"]


def rows_of(tmp_path, *flags):
    assert call(benchmark, "--quick", *flags, f"--output_dir={tmp_path}/out") == 0
    written = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert all(list(row) == FIELDS for row in written["rows"])
    assert written["machine"]["cores"] >= 1
    page = (tmp_path / "out" / "benchmark.md").read_text()
    assert all(f"| {row['work']} |" in page for row in written["rows"])
    return {row["work"]: row for row in written["rows"]}


def test_rows_of_a_small_served_model(tmp_path, capsys):
    rows = rows_of(tmp_path, "--parts=serving", "--methods=nmtr_gmf", "--num_items=50", "--num_users=30")
    out = capsys.readouterr().out
    served = {work.split(": ")[1]: row for work, row in rows.items() if work.startswith("serve nmtr_gmf, 50")}
    assert list(served) == ["one user, p50", "one user, p99", "64 users a call", "peak memory"]
    assert all(row["value"] > 0 for row in rows.values())
    assert all(work in out for work in rows)
    assert served["one user, p50"]["value"] <= served["one user, p99"]["value"]


def test_rows_of_a_prepared_data_set(tmp_path, shop_dir):
    flags = ["--parts=sampler,ranking", "--units=gmf", f"--dataset_dirs={shop_dir}"]
    rows = rows_of(tmp_path, *flags)
    assert list(rows)[0:2] == [
        "this machine: float32 matrix product",
        "this machine: memory traffic",
    ]
    assert rows["sampler, shop, R=3"]["target"] == ">= 10 M instances/s"
    (pairwise,) = (row for work, row in rows.items() if (row["baseline"] or "").startswith("pairwise"))
    assert pairwise["work"].startswith("rank all 17 users, nmtr_gmf, shop, R=3")
    assert pairwise["target"] == ">= 300x"
    assert pairwise["met"] is None  # not judged with --quick


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--num_items=0", "--num_items should be positive"),
        ("--num_items=many", "--num_items should be whole numbers"),
        ("--num_users=0", "num_users"),
        ("--methods=svd", "--method should be one of"),
        ("--parts=training,flying", "--parts should name some of training, ranking, "),
        ("--peers=surprise", "--peers should name some of recbole, implicit. Received: 'surprise'"),
        ("--units=svd", "--units should name some of gmf, mlp, neumf. Received: 'svd'"),
        ("--dataset_dirs=/nowhere", "/nowhere: no data set here"),
        (f"--output_dir={__file__}", "should be a directory; it is a file"),
    ],
)
def test_bad_input(capsys, flag, message):
    assert message in refused(capsys, benchmark, flag)


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


def test_the_page_has_a_table_for_each_part_with_rows():
    rows = [
        Row("rank", 88591.2, "users/s", "pairwise: 501 users/s", 176.83, ">= 300x", False),
        Row("peer: skipped, it is not installed", None, ""),
    ]
    assert to_page("2 cores", {"ranking": rows, "scale": []}).splitlines() == [
        "2 cores",
        "",
        "**ranking**",
        "",
        "| work | measured | baseline in the same run | ratio | target | met |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| rank | 88,591 users/s | pairwise: 501 users/s | 177 x | >= 300x | **no** |",
        "| peer: skipped, it is not installed |  |  |  |  |  |",
    ]


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
    config = ModelConfig(method="nmtr_gmf", units=("gmf", "mlp"), embedding_dim=2, num_layers=1)
    net = network(build_model(config, ("cart", "buy"), num_users=9, num_items=7, seed=0))
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


def test_the_loss_of_stock_keras_is_ours(shop):
    config = TrainingConfig(batch_size=64, loss_weights=(0.2, 0.3, 0.5))
    ours = make_training(shop, "nmtr_gmf", config)
    batch = next(iter(ours.sampler.batches()))
    x, y, sample_weight = flat_instances(batch, shop.behaviors, ours.stage.weights)
    stock = compile_stock(ours.model, config, "auto")
    num_instances = len(x["user_ids"])
    assert num_instances == 5 * sum(len(part.user_ids) for part in batch)
    before = stock.evaluate(
        x, y, sample_weight=sample_weight, batch_size=num_instances, verbose=0, return_dict=True
    )
    totals = ours.train_steps(iter(ours.sampler.batches()), tf.constant(1)).numpy()
    assert before["loss"] == pytest.approx(totals[0], rel=1e-5)


def test_stock_keras_sees_every_instance_of_the_sampler(shop):
    ours = make_training(shop, "nmtr_gmf", TrainingConfig(batch_size=64))
    batches = stock_instances(ours.sampler, shop.behaviors, ours.stage.weights, 50).take(4)
    x = [{name: ids.numpy() for name, ids in batch[0].items()} for batch in batches]
    assert [len(part["user_ids"]) for part in x] == [50] * 4
    steps = [
        flat_instances(step, shop.behaviors, ours.stage.weights)[0] for step in ours.sampler.batches().take(2)
    ]
    for name in ("user_ids", "item_ids"):
        drawn = np.concatenate([step[name] for step in steps])[:200]
        np.testing.assert_array_equal(np.concatenate([part[name] for part in x]), drawn)


def test_flattened_instances():
    batch = BehaviorBatch(
        np.array([1, 2]),
        np.array([3, 4]),
        np.array([[5, 6], [7, 8]]),
        np.ones(2, np.float32),
        np.array([1.0, 0.0], np.float32),
    )
    x, y, sample_weight = flat_instances([batch, batch], ("cart", "buy"), (0.25, 0.75))
    np.testing.assert_array_equal(x["user_ids"], 2 * [1, 2, 1, 1, 2, 2])
    np.testing.assert_array_equal(x["item_ids"], 2 * [3, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(y["buy"][:, 0], 2 * [1, 1, 0, 0, 0, 0])
    weights = np.array([1, 1, 1, 1, 0, 0])  # user 2 has nothing left to sample
    np.testing.assert_array_equal(sample_weight["cart"], [*0.25 * weights, *0 * weights])
    np.testing.assert_array_equal(sample_weight["buy"], [*0 * weights, *0.75 * weights])


def test_training_equals_the_plain_formulation(shop):
    rows = list(measure_equality(data.Dataset("shop", shop), "nmtr_gmf"))
    assert [row.met for row in rows] == [True] * 3
    assert all(str(row.baseline).startswith("plain, summed in reverse order: ") for row in rows)


def test_pairwise_ranks_are_the_rankings(shop):
    model = build_model(ModelConfig(method="nmtr_gmf"), BEHAVIORS, shop.num_users, shop.num_items, seed=0)
    view = shop.training_view((), "", "none")
    # Items 0 to 9 are one item to the model, so there are ties.
    table = network(model).item_tables[0]
    table.assign(keras.ops.concatenate([keras.ops.repeat(table[:1], 10, axis=0), table[10:]]))
    ranks = rank_held_out(ModelScorer(model), view, "test", EvaluationConfig()).ranks
    assert (ranks % 1 == 0.5).any()
    np.testing.assert_array_equal(pairwise_ranks(model, view, view.held_out["test"]), ranks)


def test_stand_ins_have_the_sizes_asked_for():
    sizes = data.Sizes(50, 40, {"view": 600, "cart": 200, "buy": 100})
    events, split = data.draw_events(sizes)
    training_rows = split == 0
    counts = np.bincount(events.behavior[training_rows])
    np.testing.assert_array_equal(counts, [600, 200, 100])
    np.testing.assert_array_equal(events.user[~training_rows], np.arange(50))
    pairs = {tuple(row) for row in np.stack([events.behavior, events.user, events.item], axis=1)}
    assert len(pairs) == len(events)
    popularity = np.sort(np.bincount(events.item, minlength=40))
    assert popularity[-4:].sum() > 2 * popularity[:4].sum()
    bought = {(u, i) for r, u, i in pairs if r == 2}
    carted = {(u, i) for r, u, i in pairs if r == 1}
    assert len(bought & carted) > 50


def test_uniform_interactions():
    view = uniform_interactions(20, 100, 10)
    cart, buy = (view.matrices[name].toarray() for name in ("cart", "buy"))
    assert (cart.sum(axis=1) == 10).all()
    assert (buy.sum(axis=1) == 2).all()
    assert not (buy & ~cart).any()
    assert view.target.has_sorted_indices


def test_a_peer_that_is_not_installed_is_skipped_with_the_reason(tmp_path, shop_dir, monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    rows = rows_of(tmp_path, "--parts=peers", f"--dataset_dirs={shop_dir}")
    (work,) = (work for work in rows if "recbole" in work)
    assert "skipped, it is not installed: pip install '.[peers]'" in work
    assert rows[work]["value"] is None


def test_purchases_reach_a_peer_as_they_are(shop, tmp_path):
    peers.write_purchases(shop, tmp_path)
    matrix, test = peer_processes.read_purchases(tmp_path)
    assert (matrix != shop.target).nnz == 0
    np.testing.assert_array_equal(test, shop.held_out["test"])


def test_the_picture_of_scale(tmp_path):
    lines = {"interactions": {1: scale.Cost(2.0, 30.0), 4: scale.Cost(2.1, 29.0)}}
    scale.plot_costs(lines, tmp_path / "scale.png", "title")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
