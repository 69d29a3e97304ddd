"""The pictures of the page about a run, each small enough for a phone."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nmtr_tf.reporting.page import Picture, percent
from nmtr_tf.reporting.plots import COLORS, panel_figures
from nmtr_tf.texts import counted, in_picture

_SIZE = (4.6, 3.3)  # inches


def curve_pictures(
    history: Sequence[Mapping[str, float]], monitor: str, best_epoch: int | None
) -> list[Picture]:
    """Training loss and the metrics at one K against epochs, a picture each.

    Args:
        history: One record an epoch.
        monitor: The metric that chose the epoch.
        best_epoch: The epoch that was chosen, which is marked; None: none was.
    """
    marked = "" if best_epoch is None else f"; epoch {best_epoch}, the best one, is marked"
    epochs = counted(len(history), "epoch")
    return [
        Picture.of(figure, f"Curve of {name} over {epochs}{marked}. The table has the numbers.")
        for name, figure in panel_figures(history, monitor, best_epoch, _SIZE).items()
    ]


def interval_picture(metric: str, found: Mapping[str, tuple[float, float, float]]) -> Picture:
    """A metric of a run and of baselines with its intervals, a line each, the run on top.

    Args:
        metric: Name of the metric.
        found: Label -> (mean, lower end, upper end).
    """
    figure = Figure(figsize=(_SIZE[0], 1.1 + 0.42 * len(found)), layout="constrained")
    axes: Any = figure.subplots()
    for place, (mean, low, high) in enumerate(found.values()):
        color = COLORS[0] if not place else "0.45"
        axes.plot([low, high], [place] * 2, color=color, linewidth=2.4, solid_capstyle="round")
        axes.plot(mean, place, "o", color=color, markersize=7)
    axes.set_yticks(range(len(found)), [in_picture(name) for name in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_title(metric)
    _clean(axes, "x")
    said = ", ".join(
        f"{name} {mean:.4f} ({low:.4f} to {high:.4f})" for name, (mean, low, high) in found.items()
    )
    return Picture.of(figure, f"{metric} with 95 % intervals: {said}.")


def popularity_picture(recommended: Sequence[float], target: Sequence[float], behavior: str) -> Picture:
    """How recommendations and training rows of the target spread over the items, by popularity.

    Args:
        recommended: Share of each tenth of the items, the most popular first.
        target: Likewise, of the training rows.
        behavior: Name of the target.
    """
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes: Any = figure.subplots()
    tenths = range(1, len(recommended) + 1)
    axes.bar([x - 0.2 for x in tenths], recommended, 0.38, color=COLORS[0], label="recommendations")
    label = in_picture(f"training rows of {behavior}")
    axes.bar([x + 0.2 for x in tenths], target, 0.38, color="0.6", label=label)
    axes.set_xticks(list(tenths))
    axes.set_xlabel("tenth of the items, the most popular first")
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.legend(frameon=False)
    axes.set_title("share by popularity")
    _clean(axes, "y")
    shares = ", ".join(percent(share) for share in recommended)
    return Picture.of(
        figure, f"Share of the recommendations by tenths of the items, the most popular first: {shares}."
    )


def _clean(axes: Any, grid: str) -> None:
    axes.grid(axis=grid, alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
