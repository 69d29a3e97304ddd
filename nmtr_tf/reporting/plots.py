"""Pictures, drawn without a display."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from nmtr_tf.evaluation.metrics import metric_ks, shown_k

# Okabe and Ito's colours: told apart by colour-blind readers too.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLES = {"validation": "-", "test": "--"}


def plot_curves(history: Sequence[dict[str, float]], path: str | Path, title: str) -> None:
    """Training loss and the metrics at one K against epochs, side by side, like Figures 2 and 3.

    Args:
        history: One dictionary an epoch, as `nmtr_tf.training.trainer.train` gives them.
        path: File to write; its suffix chooses the format.
        title: Title of the whole.
    """
    measured = {name for record in history for name in record if "@" in name}
    k = shown_k(metric_ks(measured)) if measured else None
    panels = ["train/loss", *([f"HR@{k}", f"NDCG@{k}"] if k else [])]
    figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        names = [panel] if panel == "train/loss" else [f"{split}/{panel}" for split in _STYLES]
        for color, name in zip(COLORS, names, strict=False):
            points = [(record["epoch"], record[name]) for record in history if name in record]
            if points:
                split = name.split("/")[0]
                marker = "o" if len(points) == 1 else None
                axes.plot(
                    *zip(*points, strict=True),
                    _STYLES.get(split, "-"),
                    color=color,
                    label=split,
                    marker=marker,
                )
        axes.set_xlabel("epoch")
        axes.set_title("training loss per instance" if panel == "train/loss" else panel)
        axes.grid(alpha=0.3)
        if panel != "train/loss":
            axes.legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
