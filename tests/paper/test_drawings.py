"""Figures as they are drawn from numbers, by hand."""

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.methods.weights import simplex
from nmtr_tf.paper.curve_figures import draw_curves, draw_groups
from nmtr_tf.paper.styles import STYLES, save_figure
from nmtr_tf.paper.weight_figures import draw_heat_maps, draw_lines


def a_history(*values):
    return [
        {"epoch": e, "train/loss": 1 - v, "test/HR@5": v, "test/NDCG@5": v / 2}
        for e, v in enumerate(values, 1)
    ]


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_curves_by_hand():
    histories = {"neumf": a_history(0.1, 0.2, 0.4), "nmtr_neumf": a_history(0.3, 0.5)}
    losses = {"neumf": "log", "nmtr_neumf": "log"}
    figure = draw_curves(histories, losses, 5, "title", {"neumf": 2, "nmtr_neumf": None})
    loss, hit_ratio, ndcg = (lines_of(axes) for axes in figure.axes)
    assert list(loss) == ["NeuMF", "NMTR-NeuMF"]
    assert loss["NeuMF"].get_ydata() == pytest.approx([0.9, 0.8, 0.6])
    assert list(hit_ratio["NMTR-NeuMF"].get_xdata()) == [1, 2]
    assert ndcg["NMTR-NeuMF"].get_ydata() == pytest.approx([0.15, 0.25])
    assert hit_ratio["NeuMF"].get_markevery() == [1]  # epoch 2
    assert hit_ratio["NMTR-NeuMF"].get_markevery() == []


def test_losses_of_different_kinds_do_not_share_an_axis():
    histories = {name: a_history(0.1, 0.2) for name in ("neumf", "mc_neumf", "nmtr_neumf")}
    losses = {"neumf": "log", "mc_neumf": "bpr", "nmtr_neumf": "log"}
    figure = draw_curves(histories, losses, 5, "title", {})
    shown = {axes.get_title(): list(lines_of(axes)) for axes in figure.axes}
    assert shown == {
        "training: log loss per instance": ["NeuMF", "NMTR-NeuMF"],
        "training: bpr loss per instance": ["MC-NeuMF"],
        "test HR@5": ["NeuMF", "MC-NeuMF", "NMTR-NeuMF"],
        "test NDCG@5": ["NeuMF", "MC-NeuMF", "NMTR-NeuMF"],
    }
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["NeuMF", "MC-NeuMF", "NMTR-NeuMF"]


def test_groups_by_hand():
    rows = {"5-8": {"num_users": 1200, "HR@5": 0.1, "NDCG@5": 0.05}}
    rows[">=9"] = {"num_users": 34, "HR@5": 0.3, "NDCG@5": 0.2}
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
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels == ["0", "1/6", "1/3", "1/2", "2/3", "5/6", "1"]


def test_lines_of_two_weights_mark_their_best():
    values = {"nmtr_gmf": {weights: weights[0] * (1.2 - weights[0]) for weights in simplex(2)}}
    axes: Any = draw_lines(values, ("view", "buy"), "HR@100", "title").axes[0]
    line, best = axes.get_lines()
    assert list(line.get_xdata()) == pytest.approx(np.arange(11) / 10)
    assert line.get_ydata()[4] == pytest.approx(0.4 * 0.8)
    assert (best.get_xdata()[0], best.get_ydata()[0]) == pytest.approx((0.6, 0.36))


def test_a_method_looks_the_same_in_all_figures_and_unlike_the_others():
    row = {"5-8": {"num_users": 1, "HR@5": 0.1, "NDCG@5": 0.05}}
    drawn = [
        draw_curves({"nmtr_neumf": a_history(0.1)}, {"nmtr_neumf": "log"}, 5, "", {}),
        draw_groups({"nmtr_neumf": row}, 5, "", ""),
        draw_lines({"nmtr_neumf": {(0.0, 1.0): 0.1}}, ("a", "b"), "HR@5", ""),
    ]
    for figure in drawn:
        line = lines_of(figure.axes[0])["NMTR-NeuMF"]
        assert (line.get_color(), line.get_marker()) == ("#0072B2", "o")
    assert list(STYLES) == list(PAPER_METHODS)
    assert len({(to_rgb(style.color), style.line) for style in STYLES.values()}) == len(PAPER_METHODS)
    assert len({style.marker for style in STYLES.values()}) == len(PAPER_METHODS)


def test_the_same_figure_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        figure = draw_curves({"neumf": a_history(0.1, 0.2)}, {"neumf": "log"}, 5, "title", {})
        save_figure(figure, tmp_path / name)
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
