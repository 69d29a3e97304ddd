"""Figure 4 of the paper: what the weights of the loss, lambda of Eq. 12, do to a metric."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nmtr_tf.methods.table import get_method
from nmtr_tf.paper.styles import STYLES, clean, legend_below, title_above
from nmtr_tf.reporting.plots import COLORS
from nmtr_tf.texts import in_picture

Weights = tuple[float, ...]
_MAP = "Blues"


def draw_heat_maps(
    values: Mapping[str, Mapping[Weights, float]], behaviors: Sequence[str], metric: str, title: str
) -> Figure:
    """A triangle of blocks for each method, on the weights of three behaviors; darker is better.

    The scale of colours is each map's own: what is compared is where the best block is.

    Args:
        values: {method: {weights of the three behaviors: value}}.
        behaviors: Names of the behaviors, weakest first.
        metric: Name of the metric.
        title: Title of the whole.
    """
    figure = Figure(figsize=(5.2 * len(values), 5.4), layout="constrained")
    all_axes = figure.subplots(1, len(values), squeeze=False)[0]
    for axes, (method, points) in zip(all_axes, values.items(), strict=True):
        image = _draw_blocks(axes, points)
        axes.set_title(f"{get_method(method).label}: {metric}")
        axes.set_xlabel(in_picture(f"weight of {behaviors[0]}; the rest, to 1, is {behaviors[2]}'s"))
        axes.set_ylabel(in_picture(f"weight of {behaviors[1]}"))
        figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    title_above(figure, f"{title}; best block framed")
    return figure


def _draw_blocks(axes: Any, points: Mapping[Weights, float]) -> Any:
    """Draws one map and gives its image."""
    steps = sorted({weights[0] for weights in points} | {weights[1] for weights in points})
    table = np.full((len(steps), len(steps)), np.nan)
    for (first, second, _), value in points.items():
        table[steps.index(second), steps.index(first)] = value
    low, high = np.nanmin(table), np.nanmax(table)
    # A little below the worst, so that no block is white as the page.
    scale = Normalize(low - 0.15 * (high - low or 1), high)
    image = axes.imshow(table, cmap=_MAP, norm=scale, origin="lower")
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            color = "white" if scale(value) > 0.6 else "black"
            axes.text(column, row, _short(value), ha="center", va="center", color=color, fontsize=9)
    row, column = np.unravel_index(np.nanargmax(table), table.shape)
    frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLORS[1], linewidth=2.5)
    axes.add_patch(frame)
    labels = [str(Fraction(step).limit_denominator(100)) for step in steps]
    axes.set_xticks(range(len(steps)), labels)
    axes.set_yticks(range(len(steps)), labels)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image


def _short(value: float) -> str:
    """0.1234 as .123: a block has room for three digits."""
    return f"{value:.3f}".lstrip("0") if value < 1 else f"{value:.2f}"


def draw_lines(
    values: Mapping[str, Mapping[Weights, float]], behaviors: Sequence[str], metric: str, title: str
) -> Figure:
    """A line for each method over the first of two weights; the best point of each is larger.

    Args:
        values: {method: {weights of the two behaviors: value}}.
        behaviors: Names of the behaviors, weakest first.
        metric: Name of the metric.
        title: Title of the whole.
    """
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes: Any = figure.subplots()
    for method, points in values.items():
        style, places = STYLES[method], sorted(points)
        heights = [points[place] for place in places]
        options = {"color": style.color, "marker": style.marker}
        axes.plot([w[0] for w in places], heights, style.line, label=get_method(method).label, **options)
        best = max(places, key=points.__getitem__)
        # The edge in the page's color sets it apart from the line and from the small marker under it.
        axes.plot(best[0], points[best], markersize=14, markeredgecolor="white", zorder=3, **options)
    axes.set_xticks([step / 10 for step in range(11)])
    axes.set_xlabel(in_picture(f"weight of {behaviors[0]}; the rest, to 1, is {behaviors[1]}'s"))
    axes.set_ylabel(f"test {metric}")
    clean(axes)
    title_above(figure, f"{title}; best point enlarged")
    legend_below(figure, axes)
    return figure
