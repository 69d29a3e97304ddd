"""Compute what training costs at sizes that nobody measured here: memory, bytes a step, time of an epoch.

The formulas are those of docs/scale.md, whose tables this writes; the time of a pair is that of the
benchmark's part "workers", the rest are assumptions that flags say.

Examples:
    python -m experiments.scale
    python -m experiments.scale --workers=32 --gb_per_second=12.5
    python -m experiments.scale --write=docs/scale.md
"""

import json
import sys
from pathlib import Path

from absl import flags

from experiments.benchmarks.sizes import Setup, Size, measured_table, sizes_table
from nmtr_tf.cli.console import say
from nmtr_tf.cli.flags import new_flags, run
from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file

INTERACTIONS = (10**8, 10**9, 10**10)
USERS = (10**6, 10**7, 10**8, 10**9)
_BEGIN, _END = "<!-- {}: begin -->", "<!-- {}: end -->"

FLAGS = new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_integer("num_items", 10**6, "Items.", **_at, lower_bound=1)
flags.DEFINE_integer("num_behaviors", 3, "Behaviors.", **_at, lower_bound=1)
flags.DEFINE_integer("embedding_dim", 64, "E.", **_at, lower_bound=1)
flags.DEFINE_integer("workers", 8, "Workers.", **_at, lower_bound=1)
flags.DEFINE_integer("batch_size", 65_536, "Pairs a step, of all workers together.", **_at, lower_bound=1)
flags.DEFINE_float("gb_per_second", 1.25, "Network: 1.25 is 10 Gbit/s.", **_at, lower_bound=1e-3)
flags.DEFINE_float("memory_gb", 512.0, "Memory of a worker.", **_at, lower_bound=1e-3)
flags.DEFINE_string("benchmark", "docs/scale/benchmark.json", "What `experiments.benchmark` wrote.", **_at)
flags.DEFINE_string("write", "", "A page whose tables are to be written; empty: print them.", **_at)
flags.DEFINE_string("check", "", "A page whose tables have to be these.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_scale, FLAGS, __doc__, argv)


def _scale(values: flags.FlagValues) -> None:
    path = Path(values.benchmark)
    try:
        benchmark = json.loads(path.read_text(encoding="utf-8"))
        setup = Setup.of(benchmark, values)
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: expected what `experiments.benchmark --parts=workers` writes.") from None
    sizes = [Size(rows, users, values.num_items) for rows in INTERACTIONS for users in USERS if users <= rows]
    tables = {"measured": measured_table(benchmark), "computed": sizes_table(sizes, setup)}
    if not values.write and not values.check:
        say(values, "\n".join(tables.values()))
        return
    page = Path(values.write or values.check)
    old = new = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        new = _replaced(new, name, table, page)
    if values.check and old != new:
        raise InputError(f"{page}: other tables than these; write them with `write={page}`.")
    if values.write:
        with new_file(page) as path:
            path.write_text(new, encoding="utf-8")


def _replaced(text: str, name: str, table: str, page: Path) -> str:
    """The text with a table between its two marks."""
    begin, end = _BEGIN.format(name), _END.format(name)
    before, found, rest = text.partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise InputError(f"{page}: expected the marks {begin} and {end}.")
    return f"{before}{begin}\n\n{table}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
