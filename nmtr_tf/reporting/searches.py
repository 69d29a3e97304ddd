"""The picture of a search: what each trial reached, and which option mattered."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nmtr_tf.reporting.plots import COLORS
from nmtr_tf.texts import in_picture

_MARKERS: Mapping[str, Mapping[str, Any]] = {
    "finished": {"marker": "o", "color": COLORS[0]},
    "pruned": {"marker": "o", "color": "0.6"},
    "diverged": {"marker": "x", "color": COLORS[1]},
}


def plot_search(
    path: str | Path,
    values: Mapping[int, tuple[str, float | None]],
    importance: Mapping[str, float],
    title: str,
    monitor: str,
) -> None:
    """Draws a search.

    Args:
        path: File to write; its suffix chooses the format.
        values: Number of a trial, from 1 -> its status and its value, None where there is none.
        importance: Share of each option, in [0, 1]; empty: not known.
        title: Title of the whole.
        monitor: Name of the value, such as "NDCG@100".
    """
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_values(left, values, monitor)
    right.set_title("importance of each option")
    if importance:
        ordered = sorted(importance.items(), key=lambda item: item[1])
        bars = right.barh([name for name, _ in ordered], [share for _, share in ordered], color=COLORS[0])
        right.bar_label(bars, fmt="%.2f", padding=3)
        right.margins(x=0.15)
        right.spines[["top", "right"]].set_visible(False)
    else:
        right.axis("off")
        right.text(0.5, 0.5, "known after ten trials", ha="center", va="center", color="0.4")
    figure.suptitle(in_picture(title))
    figure.savefig(path, dpi=120)


def best_so_far(values: Mapping[int, tuple[str, float | None]]) -> dict[int, float]:
    """Number of a trial -> the best value of the finished ones up to it, from the first finished one on."""
    best: dict[int, float] = {}
    for number, (status, value) in sorted(values.items()):
        known = list(best.values())[-1:]
        if status == "finished" and value is not None:
            known.append(value)
        if known:
            best[number] = max(known)
    return best


def _draw_values(axes: Axes, values: Mapping[int, tuple[str, float | None]], monitor: str) -> None:
    shown = [value for _, value in values.values() if value is not None]
    for status, style in _MARKERS.items():
        points = {number: value for number, (own, value) in values.items() if own == status}
        if points:  # what never had a value stands at the foot
            heights: Sequence[float] = [
                min(shown, default=0.0) if one is None else one for one in points.values()
            ]
            axes.scatter(list(points), heights, s=22, label=f"{len(points)} {status}", **style)
    best = best_so_far(values)
    axes.step(list(best), list(best.values()), where="post", color=COLORS[2], label="best so far", zorder=0)
    axes.set_title(f"validation {monitor}")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small")
