"""Measure speed and memory on this machine: a table, and benchmark.json.

Times are medians over many calls (five at least); each stands beside a baseline measured in the same run.

Examples:
    python -m experiments.benchmark --output_dir=out/benchmark
    python -m experiments.benchmark --quick
"""

import os
import platform
import sys
from pathlib import Path
from typing import Any

from absl import flags

from experiments import cli
from nmtr_tf.errors import InputError
from nmtr_tf.files import write_json
from nmtr_tf.models.methods import get_method
from nmtr_tf.reporting.tables import format_table

FLAGS = cli.new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string("output_dir", "", "Where to write benchmark.json; empty: print only.", **_at)
flags.DEFINE_bool("quick", False, "Fewer calls and smaller catalogues, to see that it works.", **_at)
flags.DEFINE_list("methods", ["nmtr_gmf", "nmtr_neumf"], "Methods to serve.", **_at)
flags.DEFINE_list("num_items", [], "Catalogues to serve; empty: 8000 and 1000000.", **_at)
flags.DEFINE_integer("num_users", 20_000, "Users of the served models.", **_at, lower_bound=1)


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_benchmark, FLAGS, __doc__, argv)


def _benchmark(values: flags.FlagValues) -> None:
    sizes = cli.whole_numbers(values, "num_items") or ([2000, 20_000] if values.quick else [8000, 1_000_000])
    if min(sizes) < 1:
        raise InputError(f"--num_items should be positive. Received: {min(sizes)}.")
    for method in values.methods:
        get_method(method)
    cli.import_tensorflow()
    from experiments.serving_benchmark import measure_serving

    rows: list[dict[str, Any]] = []
    with cli.progress_bar(values, len(sizes) * len(values.methods), " measurements") as bar:
        for num_items in sizes:
            for method in values.methods:
                calls = 20 if values.quick else 200 if num_items <= 100_000 else 50
                rows += measure_serving(method, num_items, values.num_users, calls)
                bar.update()
    about = _machine()
    table = [
        [_shown(row[column]) for column in ("work", "value", "unit", "baseline", "ratio")] for row in rows
    ]
    cli.say(values, format_table(about["line"], ["work", "value", "unit", "baseline", "ratio"], table))
    if values.output_dir:
        write_json(Path(values.output_dir) / "benchmark.json", {"machine": about, "rows": rows})
        cli.say(values, f"\nWritten: {values.output_dir}/benchmark.json")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _machine() -> dict[str, Any]:
    import tensorflow as tf

    names = {line.split(":")[1].strip() for line in _cpu_info() if line.startswith("model name")}
    cpu = ", ".join(sorted(names)) or platform.processor() or platform.machine()
    versions = {"tensorflow": tf.__version__, "python": platform.python_version()}
    line = f"{cpu}, {os.cpu_count()} cores, TensorFlow {tf.__version__}, Python {versions['python']}"
    return {"line": line, "cpu": cpu, "cores": os.cpu_count(), "versions": versions}


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
