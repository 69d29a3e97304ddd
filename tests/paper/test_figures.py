"""The paper's figures: what is drawn, what is written, and what is refused."""

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow as tf
from conftest import call, refused
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from nmtr_tf.cli import figures
from nmtr_tf.models.methods import METHODS
from nmtr_tf.paper import cell_runs
from nmtr_tf.paper.curve_figures import draw_curves, draw_groups
from nmtr_tf.paper.styles import STYLES, save_figure
from nmtr_tf.paper.weight_figures import draw_heat_maps, draw_lines
from nmtr_tf.tuning.space import simplex

TINY = ["--embedding_dim=4", "--num_layers=1", "--num_epochs=2", "--ks=5,10", "--monitor=NDCG@10"]
BOTH = "--methods=bpr,gmf"


def texts(path):
    """Every text of an SVG."""
    return [
        "".join(element.itertext()).strip()
        for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    ]


# Drawing


def a_history(*values):
    return [
        {"epoch": e, "train/loss": 1 - v, "test/HR@5": v, "test/NDCG@5": v / 2}
        for e, v in enumerate(values, 1)
    ]


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_curves_by_hand():
    histories = {"neumf": a_history(0.1, 0.2, 0.4), "nmtr_neumf": a_history(0.3, 0.5)}
    figure = draw_curves(histories, 5, "title", {"neumf": 2, "nmtr_neumf": None})
    loss, hit_ratio, ndcg = (lines_of(axes) for axes in figure.axes)
    assert list(loss) == ["NeuMF", "NMTR-NeuMF"]
    assert loss["NeuMF"].get_ydata() == pytest.approx([0.9, 0.8, 0.6])
    assert list(hit_ratio["NMTR-NeuMF"].get_xdata()) == [1, 2]
    assert ndcg["NMTR-NeuMF"].get_ydata() == pytest.approx([0.15, 0.25])
    assert hit_ratio["NeuMF"].get_markevery() == [1]  # epoch 2
    assert hit_ratio["NMTR-NeuMF"].get_markevery() == []


def test_groups_by_hand():
    rows = {"5-8": {"num_pairs": 1200, "HR@5": 0.1, "NDCG@5": 0.05}}
    rows[">=9"] = {"num_pairs": 34, "HR@5": 0.3, "NDCG@5": 0.2}
    figure = draw_groups({"cmf": rows}, 5, "title", "purchases")
    hit_ratio, ndcg = figure.axes
    assert [tick.get_text() for tick in hit_ratio.get_xticklabels()] == ["5-8\n1,200 users", ">=9\n34 users"]
    assert list(lines_of(hit_ratio)["CMF"].get_ydata()) == [0.1, 0.3]
    assert list(lines_of(ndcg)["CMF"].get_ydata()) == [0.05, 0.2]


def test_darker_blocks_are_better_and_the_best_is_framed():
    values = {weights: weights[0] * weights[1] + 0.1 * weights[2] for weights in simplex(3)}
    figure = draw_heat_maps({"nmtr_gmf": values}, ("view", "cart", "buy"), "HR@100", "title")
    axes: Any = figure.axes[0]
    image = axes.get_images()[0]
    assert np.isnan(image.get_array().filled(np.nan)).sum() == 49 - 28
    levels = np.linspace(min(values.values()), max(values.values()), 20)
    brightness = image.cmap(image.norm(levels))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) < 0).all()
    assert brightness[0] < 0.97  # the worst is told from the page
    assert axes.patches[0].get_xy() == (3 - 0.5, 3 - 0.5)  # (1/2, 1/2, 0)
    shown = {(text.get_position(), text.get_text()) for text in axes.texts}
    assert ((3, 3), ".250") in shown
    assert ((0, 0), ".100") in shown
    assert len(shown) == 28
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [
        "0",
        "1/6",
        "1/3",
        "1/2",
        "2/3",
        "5/6",
        "1",
    ]


def test_lines_of_two_weights_mark_their_best():
    values = {"nmtr_gmf": {weights: weights[0] * (1.2 - weights[0]) for weights in simplex(2)}}
    axes: Any = draw_lines(values, ("view", "buy"), "HR@100", "title").axes[0]
    line, best = axes.get_lines()
    assert list(line.get_xdata()) == pytest.approx(np.arange(11) / 10)
    assert line.get_ydata()[4] == pytest.approx(0.4 * 0.8)
    assert (best.get_xdata()[0], best.get_ydata()[0]) == pytest.approx((0.6, 0.36))


def test_a_method_looks_the_same_in_all_figures_and_unlike_the_others():
    row = {"5-8": {"num_pairs": 1, "HR@5": 0.1, "NDCG@5": 0.05}}
    drawn = [
        draw_curves({"nmtr_neumf": a_history(0.1)}, 5, "", {}),
        draw_groups({"nmtr_neumf": row}, 5, "", ""),
        draw_lines({"nmtr_neumf": {(0.0, 1.0): 0.1}}, ("a", "b"), "HR@5", ""),
    ]
    for figure in drawn:
        line = lines_of(figure.axes[0])["NMTR-NeuMF"]
        assert (line.get_color(), line.get_marker()) == ("#0072B2", "o")
    assert list(STYLES) == list(METHODS)
    assert len({(to_rgb(style.color), style.line) for style in STYLES.values()}) == len(METHODS)
    assert len({style.marker for style in STYLES.values()}) == len(METHODS)


def test_the_same_figure_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        save_figure(draw_curves({"neumf": a_history(0.1, 0.2)}, 5, "title", {}), tmp_path / name)
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


# The command


@pytest.fixture(scope="module")
def paper(shop_dir, tmp_path_factory):
    """Figure 2 of two methods."""
    workdir = tmp_path_factory.mktemp("paper")
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={workdir}", *TINY, BOTH]
    assert call(figures, "--figure=2", *flags, "--quiet") == 0
    return workdir, flags


def results_of(workdir):
    return {path.stem: json.loads(path.read_text()) for path in workdir.glob("results/shop/strict/*.json")}


def test_figure_2_is_written(paper):
    workdir, _ = paper
    height, width, _ = imread(workdir / "figure2_strict_validation.png").shape
    assert (height, width) == (630, 1890)
    shown = texts(workdir / "figure2_strict_validation.svg")
    assert {"BPR", "GMF", "test HR@10", "test NDCG@10", "training loss per instance", "epoch"} <= set(shown)
    assert any(text.startswith("shop, protocol strict, seed 0, ") for text in shown)
    numbers = json.loads((workdir / "figure2_strict_validation.json").read_text())
    results = results_of(workdir)
    assert (numbers["figure"], numbers["protocol"], numbers["cells"]) == (2, "strict", ["bpr", "gmf"])
    for method, curves in numbers["curves"].items():
        history = results[method]["history"]
        assert curves.pop("marked") == results[method]["best_epoch"]
        assert curves == {
            name: history[name] for name in ("epoch", "train/loss", "test/HR@10", "test/NDCG@10")
        }


def test_tensorboard_shows_the_methods_by_name(paper):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    workdir, _ = paper
    events = (
        EventMultiplexer().AddRunsFromDirectory(f"{workdir}/tensorboard/figure2_strict_validation").Reload()
    )
    assert sorted(events.Runs()) == ["BPR", "GMF"]
    drawn = [float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("GMF", "test/HR@10")]
    assert drawn == pytest.approx(results_of(workdir)["gmf"]["history"]["test/HR@10"])


def test_figure_5_uses_the_same_runs(paper, monkeypatch):
    workdir, flags = paper
    monkeypatch.setattr(cell_runs, "run_cell", None)  # nothing may be trained
    assert call(figures, "--figure=5", *flags, "--quiet") == 0
    numbers = json.loads((workdir / "figure5_strict_validation.json").read_text())
    results = results_of(workdir)
    for method, groups in numbers["groups"].items():
        assert sum(row["num_pairs"] for row in groups.values()) == results[method]["num_test_users"]
        for name, row in groups.items():
            assert row["HR@10"] == results[method]["groups"][f"{name} buy"]["HR@10"]
    shown = texts(workdir / "figure5_strict_validation.svg")
    assert set(groups) <= set(shown)
    assert {f"{row['num_pairs']} users" for row in groups.values()} <= set(shown)


def test_peak_marks_the_best_epoch_on_test(paper):
    workdir, flags = paper
    assert call(figures, "--figure=3", *flags, "--selection=peak", "--quiet") == 0
    curves = json.loads((workdir / "figure3_strict_peak.json").read_text())["curves"]
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
    """The runs are made up: a cell's value follows from its weights."""

    def results(bench, cells):
        def result(cell):
            number = len(cell.config.data.behaviors)
            weights = cell.config.training.loss_weights or (1 / number,) * number
            value = 0.5 * weights[0] + 0.25 * weights[1]
            counts = {"num_test_users": 1234, "curve_users": 567}
            return {"test": {"HR@10": value}, "peak": {"HR@10": value / 2}, **counts}

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
    shown = " ".join(texts(tmp_path / f"{stem}.svg"))
    assert "NMTR-GMF" in shown
    assert ("567 users" if "peak" in stem else "1,234 users") in shown


def test_dry_run_lists_the_cells_and_writes_nothing(shop_dir, tmp_path, capsys):
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
        (["--figure=6"], "figure"),
        (["--figure=2", "--methods=svd"], "--method should be one of bpr, "),
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


def test_figures_refuses_a_workdir_of_another_data_set(paper, leaky_dir, capsys):
    workdir, _ = paper
    flags = [f"--dataset_dir={leaky_dir}", f"--workdir={workdir}", "--figure=2", *TINY]
    assert "belongs to another data set, 'shop'" in refused(capsys, figures, *flags)
