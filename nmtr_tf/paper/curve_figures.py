"""Figures 2, 3 and 5 of the paper: methods side by side, over epochs and over groups of users."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nmtr_tf.methods.table import get_method
from nmtr_tf.paper.packing import History
from nmtr_tf.paper.styles import STYLES, clean, legend_below, title_above


def draw_curves(
    histories: Mapping[str, History],
    losses: Mapping[str, str],
    k: int,
    title: str,
    chosen: Mapping[str, int | None],
) -> Figure:
    """Training loss and test HR@K and NDCG@K in each epoch (Figures 2 and 3).

    Different losses are of different scales, so each has a panel of its own.

    Args:
        histories: {method: one record an epoch}, as `nmtr_tf.runs.Run.history` has them.
        losses: {method: the name of the loss that it minimises}.
        k: K of the metrics.
        title: Title of the whole.
        chosen: {method: the epoch (from 1) that validation chose}, marked on its curves; None: unmarked.
    """
    panels = [
        (
            f"training: {loss} loss per instance",
            "train/loss",
            [name for name in histories if losses[name] == loss],
        )
        for loss in dict.fromkeys(losses[name] for name in histories)
    ]
    panels += [(f"test {metric}@{k}", f"test/{metric}@{k}", list(histories)) for metric in ("HR", "NDCG")]
    figure = Figure(figsize=(4.2 * len(panels), 4.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels))
    for axes, (label, entry, methods) in zip(all_axes, panels, strict=True):
        for method in methods:
            points = {int(record["epoch"]): record[entry] for record in histories[method] if entry in record}
            _draw_curve(axes, method, points, chosen.get(method))
        axes.set_xlabel("epoch")
        axes.set_title(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        clean(axes)
    title_above(figure, title)
    legend_below(figure, all_axes[-1])  # it has all methods
    return figure


def _draw_curve(axes: Any, method: str, points: Mapping[int, float], chosen: int | None) -> None:
    style = STYLES[method]
    options = {"color": style.color, "marker": style.marker}
    marked = [place for place, epoch in enumerate(points) if epoch == chosen]
    axes.plot(
        list(points),
        list(points.values()),
        style.line,
        label=get_method(method).label,
        markevery=marked,
        markersize=8,
        markeredgecolor="white",
        **options,
    )


def draw_groups(
    groups: Mapping[str, Mapping[str, Mapping[str, float]]], k: int, title: str, counted: str
) -> Figure:
    """Test HR@K and NDCG@K for groups of users (Figure 5).

    Args:
        groups: {method: {group: {"num_users": ..., "HR@K": ..., "NDCG@K": ...}}}, the same groups for
            all methods.
        k: K of the metrics.
        title: Title of the whole.
        counted: What the groups are made by, for the axis.
    """
    sizes = {name: int(row["num_users"]) for name, row in next(iter(groups.values())).items()}
    figure = Figure(figsize=(12.6, 4.6), layout="constrained")
    all_axes = figure.subplots(1, 2)
    for axes, metric in zip(all_axes, (f"HR@{k}", f"NDCG@{k}"), strict=True):
        for method, rows in groups.items():
            style, values = STYLES[method], [row[metric] for row in rows.values()]
            label = get_method(method).label
            axes.plot(values, style.line, color=style.color, marker=style.marker, markersize=7, label=label)
        ticks = [f"{name}\n{count:,} users" for name, count in sizes.items()]
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlabel(counted)
        axes.set_title(f"test {metric}")
        axes.margins(x=0.08)
        clean(axes, "y")
    title_above(figure, title)
    legend_below(figure, all_axes[0])
    return figure
