"""Tables and plots."""

import pytest
from matplotlib.image import imread

from nmtr_tf.reporting.plots import plot_curves
from nmtr_tf.reporting.tables import format_table, metrics_table


def test_table_by_hand():
    text = format_table("Title", ["name", "rows", "HR"], [["shop", 12345, 0.25], ["log", 7, 1.0]])
    assert text.splitlines() == [
        "Title",
        "name      rows      HR",
        "------  ------  ------",
        "shop    12,345  0.2500",
        "log          7  1.0000",
    ]


def test_metrics_table_has_a_row_each():
    metrics = {"mask": "none", "num_pairs": 1234, "HR@5": 0.5, "NDCG@5": 0.25}
    lines = metrics_table("test", {"a": metrics}).splitlines()
    assert lines[1].split() == ["users", "HR@5", "NDCG@5"]
    assert lines[3].split() == ["a", "1,234", "0.5000", "0.2500"]


def epochs(*names):
    return [{"epoch": e, **dict.fromkeys(names, 0.1 * e)} for e in (1, 2, 3)]


@pytest.mark.parametrize(
    ("history", "panels"),
    [
        (epochs("train/loss"), 1),
        (epochs("train/loss", "validation/HR@5", "validation/NDCG@5"), 3),
        (epochs("train/loss", "test/HR@100", "test/NDCG@100", "test/HR@50", "test/NDCG@50"), 3),
    ],
)
def test_curves_have_a_panel_for_the_loss_and_each_metric(tmp_path, history, panels):
    plot_curves(history, tmp_path / "curves.png", "title")
    height, width, _ = imread(tmp_path / "curves.png").shape
    assert (height, width) == (408, 504 * panels)


def test_a_table_without_rows_has_its_head():
    assert format_table("Nothing", ["a", "b"], []).splitlines()[:2] == ["Nothing", "a    b"]
