"""Scale: what an interaction costs in time and memory as the data grows; scale.png."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from experiments.benchmarks.processes import ask
from experiments.benchmarks.rows import Rows, Target, measured
from experiments.benchmarks.setting import Setting
from nmtr_tf.files import new_file
from nmtr_tf.reporting.plots import COLORS

_METHOD = "nmtr_gmf"
_PAIRS_PER_USER = 50
_FLAT = Target("<=", 2)  # times the smallest data's


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of an interaction.

    Attributes:
        microseconds: Training time.
        num_bytes: Memory while training, above that of the same model on five pairs a user.
    """

    microseconds: float
    num_bytes: float


def measure(setting: Setting) -> Rows:
    """Costs at growing numbers of interactions (with their users) and of items, beside the smallest."""
    num_users, num_items = (2000, 2000) if setting.quick else (20_000, 10_000)
    grown = {
        "interactions": (4,) if setting.quick else (4, 16),
        "items": (10,) if setting.quick else (10, 100),
    }
    smallest = _cost(num_users, num_items, setting.block)
    what = f"scale {_METHOD}, from {num_users * _PAIRS_PER_USER:,} pairs and {num_items:,} items"
    lines = {}
    for name, factors in grown.items():
        lines[name] = {1: smallest}
        for factor in factors:
            users, items = (factor, 1) if name == "interactions" else (1, factor)
            cost = _cost(users * num_users, items * num_items, setting.block)
            lines[name][factor] = cost
            time = "smallest", smallest.microseconds
            yield measured(
                f"{what}: {name} x {factor}, time", cost.microseconds, "us/interaction", time, _FLAT
            )
            memory = "smallest", smallest.num_bytes
            yield measured(
                f"{what}: {name} x {factor}, memory", cost.num_bytes, "B/interaction", memory, _FLAT
            )
    if setting.output_dir:
        with new_file(Path(setting.output_dir) / "scale.png") as path:
            plot_costs(lines, path, what)


def _cost(num_users: int, num_items: int, block: int) -> Cost:
    result = ask("sized_run", _METHOD, num_users, num_items, _PAIRS_PER_USER, block)
    return Cost(
        1e6 * result["seconds_per_step"] / result["interactions_per_step"],
        1024 * result["added_kib"] / result["added_interactions"],
    )


def plot_costs(lines: Mapping[str, Mapping[int, Cost]], path: Path, title: str) -> None:
    """Time and memory of an interaction against the growth of the data, side by side.

    Args:
        lines: What grows -> factor -> cost.
        path: File to write; its suffix chooses the format.
        title: Title of the whole.
    """
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    panels = {
        "training time (us an interaction)": "microseconds",
        "memory (bytes an interaction)": "num_bytes",
    }
    for axes, (label, field) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for color, marker, (name, costs) in zip(COLORS, "os", lines.items(), strict=False):
            values = [getattr(cost, field) for cost in costs.values()]
            axes.plot(list(costs), values, marker=marker, color=color, label=name)
        axes.set(xscale="log", xlabel="times the smallest data", ylim=(0, None), title=label)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
