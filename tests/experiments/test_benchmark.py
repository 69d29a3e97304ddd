"""The benchmark's command and the data that it measures on; no test asserts a time."""

import json

import numpy as np
import pytest
from conftest import call, refused

from experiments import benchmark
from experiments.benchmarks import data, log_files, other_packages, package_processes, preparation, scale
from experiments.benchmarks.sized_run import uniform_view

FIELDS = ["part", "work", "value", "unit", "baseline", "ratio", "target", "met"]


def rows_of(tmp_path, *flags):
    assert call(benchmark, "--quick", *flags, f"--output_dir={tmp_path}/out") == 0
    written = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert all(list(row) == FIELDS for row in written["rows"])
    assert written["machine"]["cores"] >= 1
    page = (tmp_path / "out" / "benchmark.md").read_text()
    assert all(f"| {row['work']} |" in page for row in written["rows"])
    return {row["work"]: row for row in written["rows"]}


@pytest.mark.slow
def test_rows_of_a_small_served_model(tmp_path, capsys):
    rows = rows_of(tmp_path, "--parts=serving", "--methods=nmtr_gmf", "--num_items=50", "--num_users=30")
    out = capsys.readouterr().out
    served = {work.split(": ")[1]: row for work, row in rows.items() if work.startswith("serve nmtr_gmf, 50")}
    assert list(served) == ["one user, p50", "one user, p99", "64 users a call", "peak memory"]
    assert all(row["value"] > 0 for row in rows.values())
    assert all(work in out for work in rows)


@pytest.mark.slow
def test_rows_of_new_users(tmp_path):
    rows = rows_of(tmp_path, "--parts=new_users", "--num_items=300", "--num_users=30")
    what = "serve nmtr_gmf on histories, 300 items: a new user of 50 events"
    served = {work: row for work, row in rows.items() if work.startswith(what)}
    assert list(served) == [f"{what}, p50", f"{what}, p99"]
    assert served[f"{what}, p50"]["target"] == "<= 3 ms"
    assert all(row["value"] > 0 and row["baseline"].startswith("bare product") for row in served.values())


@pytest.mark.slow
def test_rows_of_a_prepared_data_set(tmp_path, shop_dir):
    flags = ["--parts=sampler,ranking", "--units=gmf,neumf", f"--dataset_dirs={shop_dir}"]
    rows = rows_of(tmp_path, *flags)
    assert list(rows)[0:2] == [
        "this machine: float32 matrix product",
        "this machine: memory traffic",
    ]
    assert rows["sampler, shop, R=3"]["target"] == ">= 10 M instances/s"
    pairwise, _ = (row for work, row in rows.items() if (row["baseline"] or "").startswith("pairwise"))
    assert pairwise["work"].startswith("rank all 17 users, nmtr_gmf, shop, R=3")
    assert pairwise["target"] == ">= 300x"
    assert pairwise["met"] is None  # not judged with --quick
    (towers,) = (row for row in rows.values() if (row["baseline"] or "").startswith("bare products and ReLU"))
    assert towers["work"].startswith("rank all 17 users, nmtr_neumf, shop, R=3: 17 of them, masks and ties")
    assert towers["value"] > 0


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--num_items=0", "--num_items should be positive"),
        ("--num_items=many", "--num_items should be whole numbers"),
        ("--num_users=0", "num_users"),
        ("--methods=svd", "--methods should name some of bpr, "),
        ("--parts=training,flying", "--parts should name some of training, ranking, "),
        ("--packages=surprise", "--packages should name some of recbole, implicit. Received: 'surprise'"),
        ("--num_rows=0", "--num_rows should be positive. Received: 0"),
        ("--units=svd", "--units should name some of gmf, mlp, neumf. Received: 'svd'"),
        ("--dataset_dirs=/nowhere", "/nowhere`: no data set here"),
        (f"--output_dir={__file__}", "should be a directory; it is a file"),
    ],
)
def test_bad_input(capsys, flag, message):
    assert message in refused(capsys, benchmark, flag)


def test_stand_ins_have_the_sizes_asked_for():
    sizes = data.Sizes(50, 40, {"view": 600, "cart": 200, "buy": 100})
    events, split = data.draw_events(sizes)
    training_rows = split == 0
    counts = np.bincount(events.behavior[training_rows])
    np.testing.assert_array_equal(counts, [600, 200, 100])
    np.testing.assert_array_equal(events.user[~training_rows], np.arange(50))
    order = np.lexsort((events.behavior, events.item, events.user))
    np.testing.assert_array_equal(order, np.arange(len(events)))
    pairs = {tuple(row) for row in np.stack([events.behavior, events.user, events.item], axis=1)}
    assert len(pairs) == len(events)
    popularity = np.sort(np.bincount(events.item, minlength=40))
    assert popularity[-4:].sum() > 2 * popularity[:4].sum()
    bought = {(u, i) for r, u, i in pairs if r == 2}
    carted = {(u, i) for r, u, i in pairs if r == 1}
    assert len(bought & carted) > 50


def test_uniform_view():
    view = uniform_view(20, 100, 10)
    cart, buy = (view.matrices[name].toarray() for name in ("cart", "buy"))
    assert (cart.sum(axis=1) == 10).all()
    assert (buy.sum(axis=1) == 2).all()
    assert not (buy & ~cart).any()
    assert view.target.has_sorted_indices


def test_a_package_that_is_not_installed_is_skipped_with_the_reason(tmp_path, shop_dir, monkeypatch):
    monkeypatch.setattr(other_packages.importlib.util, "find_spec", lambda name: None)
    rows = rows_of(tmp_path, "--parts=other_packages", f"--dataset_dirs={shop_dir}")
    (work,) = (work for work in rows if "recbole" in work)
    assert "skipped, it is not installed: pip install '.[peers]'" in work
    assert rows[work]["value"] is None


def test_purchases_reach_another_package_as_they_are(shop, tmp_path):
    view = shop.training_view(validation="none")
    other_packages.write_purchases(view, tmp_path)
    matrix, test = package_processes.read_purchases(tmp_path)
    assert (matrix != view.target).nnz == 0
    np.testing.assert_array_equal(test, view.held_out["test"])


@pytest.mark.slow
def test_rows_of_logs_of_two_sizes(tmp_path):
    rows = rows_of(tmp_path, "--parts=preparation", "--num_rows=2000,5000")
    ours = [work for work in rows if work.startswith("prepare ")]
    whats = ("time", "processor", "peak memory")
    assert ours == [
        f"prepare {size} rows, --memory_mb=4000: {what}" for size in ("2,000", "5,000") for what in whats
    ]
    assert all(rows[work]["value"] > 0 for work in ours)
    assert (tmp_path / "out" / "preparation.png").read_bytes().startswith(b"\x89PNG")


def test_a_log_is_drawn_in_files_and_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "_FILE", 50)
    monkeypatch.setattr(log_files, "_BATCH", 20)
    log_files.write_log(tmp_path, 120)
    files = sorted(tmp_path.glob("*.csv"))
    lines = [path.read_text().splitlines() for path in files]
    assert [path.name for path in files] == ["log_000.csv", "log_001.csv", "log_002.csv"]
    assert list(map(len, lines)) == [50, 50, 20]
    assert len({line for own in lines for line in own}) == 120
    assert {line.split(",")[3] for own in lines for line in own} <= {"pv", "cart", "fav", "buy"}


def test_the_picture_of_preparation(tmp_path):
    costs = [preparation.Cost(10**6, 2.0, 3.0, 0.5), preparation.Cost(10**7, 20.0, 30.0, 2.0)]
    preparation.plot_costs(costs, tmp_path / "preparation.png")
    assert (tmp_path / "preparation.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_of_scale(tmp_path):
    lines = {"interactions": {1: scale.Cost(2.0, 30.0), 4: scale.Cost(2.1, 29.0)}}
    scale.plot_costs(lines, tmp_path / "scale.png", "title")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
