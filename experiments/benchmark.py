"""Measure speed and memory on this machine: a table, and benchmark.json and .md.

Times are medians of five measurements at least, taken in turns with those of the baseline; what the machine
can do at most is measured in the same run. Without --dataset_dirs it draws stand-ins with the sizes of the
public Beibei and Taobao data sets.

Parts: training (beside stock Keras), ranking (beside pairwise prediction and the bare matrix product),
sampler, startup, memory, scale, workers (one and two processes), serving, preparation, other_packages,
quality (how long until as good as EASE and iALS).

Examples:
    python -m experiments.benchmark --output_dir=out/benchmark
    python -m experiments.benchmark --quick
    python -m experiments.benchmark --parts=preparation --num_rows=2000000,20000000,200000000
    python -m experiments.benchmark --parts=training,ranking --dataset_dirs=out/beibei,out/taobao
    python -m experiments.benchmark --parts=quality --dataset_dirs=out/taobao --seconds=600
"""

import dataclasses
import importlib
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from experiments.benchmarks.contenders import BASELINES, CONTENDERS
from experiments.benchmarks.data import load_prepared
from experiments.benchmarks.rows import DIFFERENCE, Row
from nmtr_tf.cli.baseline_flags import define_baseline_options, given_baseline_options
from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import new_flags, run, whole_numbers
from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file, write_json
from nmtr_tf.machine import hardware, peak_kib
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.reporting.benchmarks import benchmark_page
from nmtr_tf.reporting.tables import format_table

PARTS = (
    "training",
    "ranking",
    "sampler",
    "startup",
    "memory",
    "scale",
    "workers",
    "serving",
    "new_users",
    "preparation",
    "other_packages",
    "quality",
)
UNITS = ("gmf", "mlp", "neumf")
PACKAGES = ("recbole", "implicit")

FLAGS = new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string(
    "output_dir", "", "Where to write benchmark.json, benchmark.md and pictures; empty: print only.", **_at
)
flags.DEFINE_bool("quick", False, "Smaller data and fewer steps, to see that it works.", **_at)
flags.DEFINE_list("parts", list(PARTS), "What to measure.", **_at)
flags.DEFINE_list("dataset_dirs", [], "Prepared data sets to train and rank; empty: stand-ins.", **_at)
flags.DEFINE_list(
    "units", [], "Interaction units to train and rank with; empty: all, or neumf with --quick.", **_at
)
flags.DEFINE_list("packages", list(PACKAGES), "Other packages to compare with.", **_at)
flags.DEFINE_list(
    "methods", [], "Methods to serve; empty: nmtr_gmf and nmtr_neumf, or nmtr_gmf with --quick.", **_at
)
flags.DEFINE_list(
    "num_items", [], "Catalogues to serve; empty: 8000 and 1000000, or 2000 with --quick.", **_at
)
flags.DEFINE_list(
    "num_rows",
    [],
    "Sizes of the logs to prepare, at some 40 bytes a row in the folder for temporary files; empty: 2 and "
    "20 million, or 20000 with --quick.",
    **_at,
)
flags.DEFINE_integer("num_users", 20_000, "Users of the served models.", **_at, lower_bound=1)


flags.DEFINE_list("contenders", list(CONTENDERS), "What to train for the part quality.", **_at)
flags.DEFINE_integer(
    "num_epochs", None, "Epochs at most of each of them; empty: 60, or 3 with --quick.", **_at, lower_bound=1
)
flags.DEFINE_float(
    "seconds", 600.0, "Seconds of training after which each of them ends.", **_at, lower_bound=0
)
_BASELINE_OPTIONS = define_baseline_options(FLAGS)


def main(argv=None) -> int:
    """Entry point."""
    return run(_benchmark, FLAGS, __doc__, argv)


def _benchmark(values: flags.FlagValues) -> None:
    options = _options(values)
    import_tensorflow()
    from experiments.benchmarks.limits import measure_limits
    from experiments.benchmarks.setting import Setting
    from nmtr_tf.training.device import set_device

    device = set_device("auto")
    limits = measure_limits(values.quick)
    setting = Setting(limits=limits, **options)
    parts = {"limits": limits.rows()}
    with progress_bar(values, len(values.parts), " parts") as bar:
        for part in values.parts:
            parts[part] = []
            for row in importlib.import_module(f"experiments.benchmarks.{part}").measure(setting):
                parts[part].append(_judged(row, values.quick))
                bar.set_description_str(row.work[:60])
            bar.update()
    parts["this benchmark"] = [Row("this benchmark: peak memory", peak_kib() / 1024, "MiB")]
    rows, about = [row for own in parts.values() for row in own], _machine(device)
    say(values, _table(about["line"], rows))
    if values.output_dir:
        directory = Path(values.output_dir)
        written = [{"part": part, **dataclasses.asdict(row)} for part, own in parts.items() for row in own]
        write_json(directory / "benchmark.json", {"machine": about, "rows": written})
        with new_file(directory / "benchmark.md") as path:
            path.write_text(benchmark_page(about["line"], written), encoding="utf-8")
        say(values, f"\nWritten: {directory}/benchmark.json, .md")


def _judged(row: Row, quick: bool) -> Row:
    """The row without a verdict where the data is too small for its target; equal is equal at any size."""
    return dataclasses.replace(row, met=None) if quick and row.unit != DIFFERENCE else row


def _options(values: flags.FlagValues) -> dict[str, Any]:
    """The fields of `Setting` that flags give; whatever is wrong with them fails here."""
    quick = values.quick
    sizes = whole_numbers(values, "num_items") or ([2000] if quick else [8000, 1_000_000])
    if min(sizes) < 1:
        raise InputError(f"--num_items should be positive. Received: {min(sizes)}.")
    rows = whole_numbers(values, "num_rows") or ([20_000] if quick else [2_000_000, 20_000_000])
    if min(rows) < 1:
        raise InputError(f"--num_rows should be positive. Received: {min(rows)}.")
    methods = values.methods or (["nmtr_gmf"] if quick else ["nmtr_gmf", "nmtr_neumf"])
    if Path(values.output_dir).is_file():
        raise InputError(f"--output_dir={values.output_dir} should be a directory; it is a file.")
    _require_known("parts", values.parts, PARTS)
    return {
        "quick": quick,
        "units": _require_known("units", values.units or (["neumf"] if quick else UNITS), UNITS),
        "packages": _require_known("packages", values.packages, PACKAGES),
        "prepared": tuple(load_prepared(path) for path in values.dataset_dirs),
        "methods": _require_known("methods", methods, tuple(PAPER_METHODS)),
        "num_items": tuple(sizes),
        "num_users": values.num_users,
        "num_rows": tuple(sorted(rows)),
        "output_dir": values.output_dir,
        "contenders": _require_known("contenders", values.contenders, tuple(CONTENDERS)),
        "num_epochs": values.num_epochs or (3 if quick else 60),
        "seconds": values.seconds,
        "baseline_options": given_baseline_options(values, _BASELINE_OPTIONS, BASELINES),
    }


def _require_known(name: str, given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    if unknown := [one for one in given if one not in known]:
        raise InputError(f"--{name} should name some of {', '.join(known)}. Received: {unknown[0]!r}.")
    return tuple(given)


def _table(title: str, rows: Sequence[Row]) -> str:
    columns = [field.name for field in dataclasses.fields(Row)]
    return format_table(title, columns, [[_shown(getattr(row, name)) for name in columns] for row in rows])


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.2g}"
    return str(value)


def _machine(device: str) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    versions = {"tensorflow": tf.__version__, "keras": keras.__version__, "python": platform.python_version()}
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    return {"line": f"{hardware(device)}; {named}", "cores": os.cpu_count(), "versions": versions}


if __name__ == "__main__":
    sys.exit(main())
