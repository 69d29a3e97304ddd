"""Tables and picture of compared runs."""

from typing import Any

import pytest
from matplotlib.image import imread

from nmtr_tf.evaluation.significance import PairedComparison
from nmtr_tf.reporting.comparisons import (
    differences_figure,
    differences_table,
    means_table,
    plot_differences,
)

FIRST = PairedComparison(
    mean=0.25,
    baseline_mean=0.2,
    difference=0.05,
    low=0.01,
    high=0.09,
    t_test_p=0.00001,
    permutation_p=0.0123,
    t_test_p_holm=0.00002,
    permutation_p_holm=0.0246,
)
SECOND = PairedComparison(0.1, 0.2, -0.1, -0.15, -0.05, 0.5, 0.4, 0.5, 0.4)


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_means_have_a_column_for_each_run():
    means: dict[str, dict[str, tuple[float, float | None]]] = {
        "one": {"HR@5": (0.25, None), "MRR@5": (0.125, None)},
        "many": {"HR@5": (0.2, 0.01), "MRR@5": (0.1, 0)},
    }
    title, head, _, first, second = cells(means_table("Means", means))
    assert title == ["Means"]
    assert head == ["one", "many"]
    assert first == ["HR@5", "0.2500", "0.2000 ± 0.0100"]
    assert second == ["MRR@5", "0.1250", "0.1000 ± 0.0000"]


def test_differences_of_several_runs_are_corrected():
    _, head, _, first, second = cells(differences_table("From base", {"HR@5": {"a": FIRST, "b": SECOND}}))
    assert head[-2:] == ["t-test, Holm", "permutation, Holm"]
    interval = "[+0.0100, +0.0900]"
    assert first == ["HR@5", "a", "+0.0500", interval, "<0.0001", "0.0123", "<0.0001", "0.0246"]
    assert second[:4] == ["HR@5", "b", "-0.1000", "[-0.1500, -0.0500]"]


def test_a_single_run_needs_no_correction():
    _, head, _, row = cells(differences_table("From base", {"HR@5": {"a": FIRST}}))
    assert head == ["run", "difference", "95% interval", "t-test p", "permutation p"]
    assert row[-2:] == ["<0.0001", "0.0123"]


def test_the_picture_shows_differences_and_intervals_in_order():
    figure = differences_figure({"a": FIRST, "b": SECOND}, "HR@5", "base", "test, strict")
    axes: Any = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.yaxis_inverted()
    zero, *lines = axes.lines
    assert list(zero.get_xdata()) == [0, 0]
    assert [list(line.get_xdata()) for line in lines] == [[0.01, 0.09], [0.05], [-0.15, -0.05], [-0.1]]
    assert [set(line.get_ydata()) for line in lines] == [{0}, {0}, {1}, {1}]
    assert figure.get_suptitle() == "HR@5 against base\ntest, strict"
    assert "difference in HR@5" in axes.get_xlabel()


@pytest.mark.parametrize("num_runs", [1, 3])
def test_the_picture_grows_with_the_runs(tmp_path, num_runs):
    rows = {f"run {i}": FIRST for i in range(num_runs)}
    plot_differences(rows, tmp_path / "compare.png", "HR@5", "base", "title")
    assert imread(tmp_path / "compare.png").shape[:2] == (int(120 * (1.6 + 0.45 * num_runs)), 864)
