"""Pictures, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nmtr_tf.evaluation.metrics import metric_ks
from nmtr_tf.evaluation_section import shown_k
from nmtr_tf.texts import in_picture

# Okabe and Ito's colours: told apart by colour-blind readers too.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LOSS = "train/loss"
_STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": COLORS[2]},
    "validation": {"color": COLORS[0]},
    "test": {"color": COLORS[1], "linestyle": "--"},
}
_PANELS_IN_A_ROW = 3


def plot_curves(
    history: Sequence[Mapping[str, float]],
    path: str | Path,
    title: str,
    monitor: str = "",
    best_epoch: int | None = None,
) -> None:
    """Writes the picture that `curves_figure` draws.

    Args:
        history: As for `curves_figure`.
        path: File to write; its suffix chooses the format.
        title: As for `curves_figure`.
        monitor: As for `curves_figure`.
        best_epoch: As for `curves_figure`.
    """
    curves_figure(history, title, monitor, best_epoch).savefig(path, dpi=120)


def curves_figure(
    history: Sequence[Mapping[str, float]],
    title: str,
    monitor: str = "",
    best_epoch: int | None = None,
) -> Figure:
    """Training loss and the metrics at one K against epochs, side by side, like Figures 2 and 3.

    Args:
        history: One record an epoch: its number under "epoch", "train/loss", "validation/HR@50", ...
        title: Title of the whole.
        monitor: The metric that chose the epoch, such as "NDCG@100": its K is drawn. "": the K of
            `nmtr_tf.evaluation_section.shown_k`.
        best_epoch: The epoch (from 1) that was chosen, marked on every panel; None: none was.
    """
    panels = [_LOSS, *_metrics_at_one_k(history, monitor)]
    columns = min(len(panels), _PANELS_IN_A_ROW)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    labelled: dict[str, Any] = {}
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        labelled |= _draw_panel(axes, history, panel, best_epoch)
        if best_epoch is not None and panel == monitor:
            axes.set_title(f"{panel}, which chose epoch {best_epoch}")
    labels = sorted(labelled, key=[*_STYLES, *labelled].index)
    handles = [labelled[label] for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(in_picture(title))
    return figure


def panel_figures(
    history: Sequence[Mapping[str, float]],
    monitor: str,
    best_epoch: int | None,
    size: tuple[float, float],
) -> dict[str, Figure]:
    """The panels of `curves_figure`, a figure each.

    Args:
        history: As for `curves_figure`.
        monitor: As for `curves_figure`.
        best_epoch: As for `curves_figure`.
        size: Width and height of each, in inches.

    Returns:
        "training loss" or name of the metric -> its figure.
    """
    figures = {}
    for panel in [_LOSS, *_metrics_at_one_k(history, monitor)]:
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        drawn = _draw_panel(axes, history, panel, best_epoch)
        axes.legend(list(drawn.values()), list(drawn), frameon=False)
        figures["training loss" if panel == _LOSS else panel] = figure
    return figures


def _metrics_at_one_k(history: Sequence[Mapping[str, float]], monitor: str) -> list[str]:
    """The metrics that were measured at the K of the monitored one, in the order in which they come."""
    splits = ("validation/", "test/")
    measured = dict.fromkeys(
        name.partition("/")[2] for record in history for name in record if name.startswith(splits)
    )
    if not measured:
        return []
    k = metric_ks([monitor]) if monitor else {shown_k(metric_ks(measured))}
    return [name for name in measured if metric_ks([name]) == k]


def _draw_panel(
    axes: Axes, history: Sequence[Mapping[str, float]], panel: str, best_epoch: int | None
) -> dict[str, Any]:
    """Draws the curves of one panel; gives the legend's entries, label -> what is drawn."""
    is_loss = panel == _LOSS
    curves = {"train": _LOSS} if is_loss else {split: f"{split}/{panel}" for split in ("validation", "test")}
    drawn: dict[str, Any] = {}
    if best_epoch is not None:
        drawn[f"best epoch {best_epoch}"] = axes.axvline(best_epoch, color="0.4", linewidth=1, linestyle=":")
    for split, name in curves.items():
        points = {record["epoch"]: record[name] for record in history if name in record}
        if not points:
            continue
        marker = "o" if len(points) == 1 else None
        (drawn[split],) = axes.plot(list(points), list(points.values()), marker=marker, **_STYLES[split])
        if best_epoch in points:
            axes.plot(best_epoch, points[best_epoch], "o", color=_STYLES[split]["color"])
    axes.set_title("training loss per instance" if is_loss else panel)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    return drawn
