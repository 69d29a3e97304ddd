"""Memory: a million users, a million items and 50 million pairs on a machine with 24 GiB."""

from pathlib import Path

from experiments.benchmarks.processes import ask
from experiments.benchmarks.rows import Rows, Target, measured, skipped
from experiments.benchmarks.setting import Setting

_METHOD = "nmtr_neumf"
_PEAK = Target("<=", 10, "GiB")
_NEEDED = 11  # GiB that should be free before it starts


def measure(setting: Setting) -> Rows:
    """Peak memory of a fresh process that trains, its synthetic data included."""
    num_users = num_items = 20_000 if setting.quick else 1_000_000
    work = f"train {_METHOD}, {num_users:,} users, {num_items:,} items, {50 * num_users:,} pairs"
    free = _free_gib()
    if not setting.quick and free is not None and free < _NEEDED:
        yield skipped(work, f"it needs {_NEEDED} GiB of memory and {free:.1f} are free", _PEAK)
        return
    result = ask("sized_run", _METHOD, num_users, num_items, 50, setting.block)
    yield measured(f"{work}: peak memory", result["peak_kib"] / 2**20, "GiB", target=_PEAK)
    yield measured(f"{work}: a step", 1e3 * result["seconds_per_step"], "ms")


def _free_gib() -> float | None:
    """Memory that processes can have; None where the system does not say."""
    path = Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.exists() else []
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(sizes[0]) / 2**20 if sizes else None
