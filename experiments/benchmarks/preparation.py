"""Preparation: time and memory of `prepare` as the log grows; preparation.png."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from experiments.benchmarks.log_files import write_log
from experiments.benchmarks.processes import ask
from experiments.benchmarks.rows import Rows, Target, measured
from experiments.benchmarks.setting import Setting
from nmtr_tf.files import new_file
from nmtr_tf.reporting.plots import COLORS

_MEMORY_MB = 4000
_TARGETS = {20_000_000: Target("<=", 30, "s"), 200_000_000: Target("<=", 8, "GiB")}


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of preparing a log.

    Attributes:
        num_rows: Its rows.
        seconds: Of the command.
        cpu_seconds: Of all cores.
        peak_gib: The most memory that its process held.
    """

    num_rows: int
    seconds: float
    cpu_seconds: float
    peak_gib: float


def measure(setting: Setting) -> Rows:
    """The command in a fresh process for each size, on files that are drawn for it and removed."""
    costs = []
    for num_rows in setting.num_rows:
        costs.append(cost := _cost(num_rows))
        work, target = f"prepare {num_rows:,} rows, --memory_mb={_MEMORY_MB}", _TARGETS.get(num_rows)
        of_time, of_peak = (target if target and target.unit == unit else None for unit in ("s", "GiB"))
        yield measured(f"{work}: time", cost.seconds, "s", target=of_time)
        yield measured(f"{work}: processor", cost.cpu_seconds, "s")
        yield measured(f"{work}: peak memory", cost.peak_gib, "GiB", target=of_peak)
    if setting.output_dir:
        with new_file(Path(setting.output_dir) / "preparation.png") as path:
            plot_costs(costs, path)


def _cost(num_rows: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder), num_rows)
        found = ask("prepared_log", folder, _MEMORY_MB)
    return Cost(num_rows, found["seconds"], found["cpu_seconds"], found["peak_kib"] / 2**20)


def plot_costs(costs: Sequence[Cost], path: Path) -> None:
    """Time and peak memory against rows, both on logarithmic scales, beside what grows as the rows do.

    Args:
        costs: One a size, ascending.
        path: File to write; its suffix chooses the format.
    """
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    rows = [cost.num_rows for cost in costs]
    panels = {
        "time (s)": {"wall": "seconds", "processor": "cpu_seconds"},
        "peak memory (GiB)": {"peak": "peak_gib"},
    }
    for axes, (label, lines) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for color, marker, (name, field) in zip(COLORS, "os", lines.items(), strict=False):
            values = [getattr(cost, field) for cost in costs]
            axes.plot(rows, values, marker=marker, color=color, label=name)
        first = getattr(costs[0], next(iter(lines.values())))
        as_rows = [first * count / rows[0] for count in rows]
        axes.plot(rows, as_rows, color="gray", linestyle="--", label="in proportion to rows")
        axes.set(xscale="log", yscale="log", xlabel="rows of the log", title=label)
        axes.set_xticks(rows, [f"{count / 1e6:g} M" for count in rows])
        axes.set_xticks([], minor=True)  # Their labels would cover each other.
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.suptitle(f"nmtr prepare --memory_mb={_MEMORY_MB}")
    figure.savefig(path, dpi=120)
