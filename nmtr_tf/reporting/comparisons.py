"""Tables and picture of runs compared with a baseline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nmtr_tf.evaluation.significance import CONFIDENCE, PairedComparison
from nmtr_tf.reporting.plots import COLORS
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.texts import in_picture

Comparisons = Mapping[str, Mapping[str, PairedComparison]]
"""{metric: {run: comparison with the baseline}}"""


def means_table(title: str, means: Mapping[str, Mapping[str, tuple[float, float | None]]]) -> str:
    """A row for each metric and a column for each run.

    Args:
        title: Title of the table.
        means: {run: {metric: (mean, standard deviation over seeds or None)}}.
    """
    metrics = next(iter(means.values()))
    rows = [[metric, *[_mean(*run[metric]) for run in means.values()]] for metric in metrics]
    return format_table(title, ["", *means], rows)


def differences_table(title: str, comparisons: Comparisons) -> str:
    """A row for each metric and run; columns of Holm's correction where there are several runs."""
    several = any(len(runs) > 1 for runs in comparisons.values())
    columns = ["", "run", "difference", f"{CONFIDENCE:.0%} interval", "t-test p", "permutation p"]
    rows = []
    for metric, runs in comparisons.items():
        for name, row in runs.items():
            interval = f"[{row.low:+.4f}, {row.high:+.4f}]"
            p_values = [row.t_test_p, row.permutation_p]
            if several:
                p_values += [row.t_test_p_holm, row.permutation_p_holm]
            rows.append([metric, name, f"{row.difference:+.4f}", interval, *map(p_value, p_values)])
    return format_table(title, columns + ["t-test, Holm", "permutation, Holm"] * several, rows)


def plot_differences(
    comparisons: Mapping[str, PairedComparison], path: str | Path, metric: str, baseline: str, title: str
) -> None:
    """Writes the picture that `differences_figure` draws; the suffix of the file chooses the format."""
    differences_figure(comparisons, metric, baseline, title).savefig(path, dpi=120)


def differences_figure(
    comparisons: Mapping[str, PairedComparison], metric: str, baseline: str, title: str
) -> Figure:
    """Differences from the baseline with their intervals, a line for each run, the first on top.

    Args:
        comparisons: {run: comparison with the baseline on `metric`}.
        metric: Name of the metric, for the labels.
        baseline: Name of the baseline, for the labels.
        title: What was evaluated: split, protocol, mask, users.
    """
    figure = Figure(figsize=(7.2, 1.6 + 0.45 * len(comparisons)), layout="constrained")
    axes: Any = figure.subplots()
    axes.axvline(0, color="0.35", linewidth=1.2)
    for position, row in enumerate(comparisons.values()):
        axes.plot([row.low, row.high], [position] * 2, color=COLORS[0], linewidth=2.2)
        axes.plot(row.difference, position, "o", color=COLORS[0], markersize=7)
    axes.set_yticks(range(len(comparisons)), list(map(in_picture, comparisons)))
    axes.set_ylim(len(comparisons) - 0.4, -0.6)
    axes.set_xlabel(f"difference in {metric}, mean over users with {CONFIDENCE:.0%} bootstrap interval")
    axes.grid(axis="x", alpha=0.3)
    axes.margins(x=0.08)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(in_picture(f"{metric} against {baseline}\n{title}"), fontsize="medium")
    return figure


def _mean(mean: float, stddev: float | None) -> str | float:
    return mean if stddev is None else f"{mean:.4f} ± {stddev:.4f}"


def p_value(p: float) -> str:
    """A p-value for people."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"
