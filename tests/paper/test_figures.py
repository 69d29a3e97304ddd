"""The command `figures`: what it trains and writes, and what it refuses; nothing is really trained."""

import dataclasses
import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow as tf
from conftest import call, refused
from matplotlib.image import imread

from nmtr_tf.cli import figures
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.paper_figures import ranked_users
from paper.conftest import TINY
from paper.made_up import install, result_of

BOTH = "--methods=bpr,gmf"


def texts(path):
    """Every text of an SVG."""
    return [
        "".join(element.itertext()).strip()
        for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    ]


def title_of(path):
    """The texts of an SVG in one line: a title may be broken into several."""
    return " ".join(texts(path))


@pytest.fixture(scope="module")
def drawn(shop_dir, tmp_path_factory):
    """The workdir with Figure 2 of two methods, and the flags that made it."""
    workdir = tmp_path_factory.mktemp("paper")
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={workdir}", *TINY, BOTH]
    with pytest.MonkeyPatch.context() as patch:
        pretence = install(patch)
        assert call(figures, "--figure=2", *flags, "--quiet") == 0
        assert pretence.trained == ["bpr", "gmf"]
    return workdir, flags


@pytest.fixture
def nothing_trains(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr("nmtr_tf.runs.fit", never)


def results_of(workdir):
    return {path.stem: CellResult.load(path) for path in workdir.glob("results/shop/strict/*.json")}


def test_figure_2_is_written(drawn):
    workdir, _ = drawn
    height, width, _ = imread(workdir / "figure2_strict_validation.png").shape
    assert (height, width) == (630, 2520)  # two kinds of loss and two metrics
    shown = texts(workdir / "figure2_strict_validation.svg")
    assert {"BPR", "GMF", "test HR@10", "test NDCG@10", "epoch"} <= set(shown)
    assert {"training: bpr loss per instance", "training: log loss per instance"} <= set(shown)
    assert any(text.startswith("shop, protocol strict, mask all, seed 0, ") for text in shown)
    numbers = json.loads((workdir / "figure2_strict_validation.json").read_text())
    results = results_of(workdir)
    assert (numbers["schema"], numbers["figure"], numbers["protocol"]) == (1, 2, "strict")
    assert numbers["cells"] == ["bpr", "gmf"]
    assert {name: curves.pop("loss") for name, curves in numbers["curves"].items()} == {
        "bpr": "bpr",
        "gmf": "log",
    }
    for method, curves in numbers["curves"].items():
        history = results[method].history
        assert curves.pop("marked") == results[method].best_epoch
        assert curves == {
            name: [record[name] for record in history]
            for name in ("epoch", "train/loss", "test/HR@10", "test/NDCG@10")
        }


def test_a_figure_says_how_many_users_were_ranked(drawn):
    workdir, _ = drawn
    everyone = {result.num_test_users for result in results_of(workdir).values()}
    (count,) = everyone
    expected = f"10 of {count} users, a sample; marked: epoch chosen by validation"
    assert expected in title_of(workdir / "figure2_strict_validation.svg")


def test_the_users_of_methods_with_and_without_a_sample():
    whole, sampled = result_of("gmf", users=15_449), result_of("mc_neumf", users=15_449, curve_users=2000)
    assert ranked_users([whole], "peak") == "all 15,449 users"
    assert ranked_users([sampled, sampled], "peak") == "2,000 of 15,449 users, a sample"
    assert ranked_users([whole, sampled, result_of("mlp", users=15_449)], "peak") == (
        "2,000 of 15,449 users, a sample (MC-NeuMF); all 15,449 users (GMF, MLP)"
    )
    assert ranked_users([whole, sampled], "validation") == "all 15,449 users"


def test_tensorboard_shows_the_methods_by_name(drawn):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    workdir, _ = drawn
    events = (
        EventMultiplexer().AddRunsFromDirectory(f"{workdir}/tensorboard/figure2_strict_validation").Reload()
    )
    assert sorted(events.Runs()) == ["BPR", "GMF"]
    drawn_values = [float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("GMF", "test/HR@10")]
    history = results_of(workdir)["gmf"].history
    assert drawn_values == pytest.approx([record["test/HR@10"] for record in history])


def test_figure_5_uses_the_same_runs(drawn, nothing_trains, capsys):
    workdir, flags = drawn
    assert call(figures, "--figure=5", *flags, "--quiet") == 0
    numbers = json.loads((workdir / "figure5_strict_validation.json").read_text())
    results = results_of(workdir)
    assert list(numbers["groups"]) == ["bpr", "gmf"]
    for method, groups in numbers["groups"].items():
        assert sum(row["num_users"] for row in groups.values()) == results[method].num_test_users
        for name, row in groups.items():
            assert row["HR@10"] == results[method].groups[f"{name} buy"]["HR@10"]
    verdict = numbers["verdict"]
    assert (verdict["metric"], len(verdict["words"])) == ("NDCG@10", 2)
    assert [(one["method"], one["baseline"]) for one in verdict["tests"]] == [("bpr", None), ("gmf", None)]
    assert call(figures, "--figure=5", *flags) == 0
    printed = capsys.readouterr().out
    assert all(sentence in printed for sentence in verdict["words"])
    shown = texts(workdir / "figure5_strict_validation.svg")
    assert set(groups) <= set(shown)
    assert {f"{row['num_users']} users" for row in groups.values()} <= set(shown)


def test_peak_marks_the_best_epoch_on_test(drawn, nothing_trains):
    workdir, flags = drawn
    for name, result in results_of(workdir).items():
        rising = [{**record, "test/NDCG@10": 0.1 * record["epoch"]} for record in result.history]
        path = workdir / "results" / "shop" / "strict" / f"{name}.json"
        history = rising if name == "gmf" else result.history
        dataclasses.replace(result, history=history).save(path)
    assert call(figures, "--figure=3", *flags, "--selection=peak", "--quiet") == 0
    curves = json.loads((workdir / "figure3_strict_peak.json").read_text())["curves"]
    assert {name: row["marked"] for name, row in curves.items()} == {"bpr": 1, "gmf": 2}
    for row in curves.values():
        assert row["marked"] == 1 + int(np.argmax(row["test/NDCG@10"]))


@pytest.mark.parametrize(
    ("flags", "stem", "num_points", "size"),
    [
        (["--behaviors=view,buy"], "figure4-view-buy_strict_validation", 11, (690, 1080)),
        ([], "figure4_strict_validation", 28, (810, 1560)),
        (["--selection=peak"], "figure4_strict_peak", 28, (810, 1560)),
    ],
)
def test_figure_4_has_every_point(shop_dir, tmp_path, monkeypatch, flags, stem, num_points, size):
    """The results are made up: a cell's value follows from its weights."""

    def results(study, cells):
        def result(cell):
            number = len(cell.config.data.behaviors)
            weights = cell.config.training.loss_weights or (1 / number,) * number
            value = 0.5 * weights[0] + 0.25 * weights[1]
            measured: dict[str, Any] = {"test": {"HR@10": value}, "peak": {"HR@10": value / 2}}
            return result_of("nmtr_gmf", users=1234, curve_users=567, **measured)

        return {cell.name: result(cell) for cell in cells}

    monkeypatch.setattr(figures, "run_cells", results)
    methods = "--methods=nmtr_gmf,nmtr_mlp"
    usual = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", *TINY, methods, "--quiet"]
    assert call(figures, "--figure=4", *usual, *flags) == 0
    assert imread(tmp_path / f"{stem}.png").shape[:2] == size
    numbers = json.loads((tmp_path / f"{stem}.json").read_text())
    half = 0.5 if "peak" in stem else 1
    for points in numbers["points"].values():
        assert len(points) == num_points
        for point in points:
            weights = point["weights"]
            assert point["HR@10"] == pytest.approx(half * (0.5 * weights[0] + 0.25 * weights[1]))
    assert len(numbers["cells"]) == 2 * num_points
    usual_run = "nmtr_gmf-view-buy" if num_points == 11 else "nmtr_gmf"
    assert usual_run in numbers["cells"]  # equal weights
    shown = title_of(tmp_path / f"{stem}.svg")
    assert "NMTR-GMF" in shown
    assert ("567 of 1,234 users, a sample" if "peak" in stem else "all 1,234 users") in shown


def test_dry_run_lists_the_cells_and_writes_nothing(shop_dir, tmp_path, nothing_trains, capsys):
    workdir = tmp_path / "paper"
    assert call(figures, "--figure=4", f"--dataset_dir={shop_dir}", f"--workdir={workdir}", "--dry_run") == 0
    out = capsys.readouterr().out
    assert out.count("nmtr_mlp") == 28
    assert "84 of 84 to train" in out
    assert not workdir.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--figure is needed"),
        (["--figure=6"], "value should be one of <2|3|4|5>"),
        (["--figure=2", "--methods=svd"], "--methods should be among bpr, gmf, "),
        (
            ["--figure=4", "--behaviors=buy"],
            "--figure=4 draws the loss weights of two or three behaviors. Received: buy.",
        ),
        (
            ["--figure=4", "--methods=bpr"],
            "--figure=4 varies the weights of NMTR methods. Received: --methods=bpr.",
        ),
        (["--figure=5", "--selection=peak"], "--figure=5 shows the epoch that validation chose"),
        (["--figure=2", "--behaviors=buy"], "expected at least two behaviors"),
        (["--figure=2", "--dataset_dir=/nowhere"], "/nowhere"),
    ],
)
def test_figures_refuses(shop_dir, tmp_path, capsys, flags, message):
    usual = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/new", *TINY]
    assert message in refused(capsys, figures, *usual, *flags)
    assert not (tmp_path / "new").exists()


def test_figures_refuses_a_workdir_of_another_data_set(drawn, leaky_dir, capsys):
    workdir, _ = drawn
    flags = [f"--dataset_dir={leaky_dir}", f"--workdir={workdir}", "--figure=2", *TINY]
    assert "belongs to another data set, 'shop'" in refused(capsys, figures, *flags)
