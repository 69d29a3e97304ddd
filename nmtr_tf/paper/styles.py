"""How the figures of the paper look here: a colour, dash and marker for each method, and the files."""

import dataclasses
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from nmtr_tf.files import new_file
from nmtr_tf.reporting.plots import COLORS
from nmtr_tf.texts import in_picture

_BLUE, _RED, _GREEN, _PURPLE, _ORANGE, _SKY = COLORS
_BLACK = "#000000"


@dataclasses.dataclass(frozen=True)
class Style:
    """How a method is drawn in every figure."""

    color: str
    line: str
    marker: str


# The methods that the paper draws together have seven colours; the others repeat some, dashed.
STYLES = {
    "bpr": Style(_ORANGE, "--", "<"),
    "gmf": Style(_SKY, "--", "d"),
    "mlp": Style(_BLACK, "--", "p"),
    "neumf": Style(_GREEN, "-", "^"),
    "cmf": Style(_PURPLE, "-", "v"),
    "mc_bpr": Style(_ORANGE, "-", "X"),
    "mc_gmf": Style(_PURPLE, "--", "h"),
    "mc_mlp": Style(_RED, "--", ">"),
    "mc_neumf": Style(_RED, "-", "s"),
    "nmtr_gmf": Style(_SKY, "-", "D"),
    "nmtr_mlp": Style(_BLACK, "-", "P"),
    "nmtr_neumf": Style(_BLUE, "-", "o"),
}


def clean(axes: Any, grid: str = "both") -> None:
    """A light grid and no box around the data."""
    axes.grid(axis=grid, alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def title_above(figure: Figure, title: str) -> None:
    """A title in as many lines as the width of the figure asks for."""
    lines = [textwrap.fill(line, int(10 * figure.get_figwidth())) for line in title.splitlines()]
    figure.suptitle(in_picture("\n".join(lines)))


def legend_below(figure: Figure, axes: Any) -> None:
    """One legend for all panels, of the lines of one of them, outside the data."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(len(labels), int(figure.get_figwidth() / 1.7))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Writes a figure as PNG and as SVG, the same bytes for the same figure.

    Args:
        figure: The figure.
        path: The files' path without their suffix.

    Returns:
        The two files.
    """
    files = [path.with_name(path.name + suffix) for suffix in (".png", ".svg")]
    # Text stays text, and names inside the file are not drawn by lot.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "nmtr_tf"}):
        for file in files:
            with new_file(file) as temporary:
                metadata = {"Date": None} if file.suffix == ".svg" else None
                figure.savefig(temporary, dpi=150, metadata=metadata)
    return files
