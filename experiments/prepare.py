r"""Turn a raw multi-behavior log into a data set directory.

Examples:
    python -m experiments.prepare --source=synthetic --dataset_dir=out/shop
    python -m experiments.prepare --source=log --input=events.csv --behaviors=view,cart,buy \
        --columns=user:visitor,item:product,behavior:event,timestamp:time --dataset_dir=out/mine
    python -m experiments.prepare --source=adjacency --input=cart:cart.txt,buy:train.txt \
        --heldout=test.txt --dataset_dir=out/beibei
"""

import sys
import time
from pathlib import Path

from absl import flags

from experiments import cli
from nmtr_tf.config import PROTOCOLS
from nmtr_tf.data.events import Events
from nmtr_tf.data.formats import FORMATS, TIME_UNITS
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.leakage import leaks
from nmtr_tf.data.preparation import Prepared, PrepareOptions, prepare
from nmtr_tf.data.readers import ReadOptions, ReadReport, parse_inputs, read_events
from nmtr_tf.data.storage import save
from nmtr_tf.data.synthetic import BEHAVIORS, synthetic_shop
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.tables import format_table

FLAGS = cli.new_flags()
_SOURCES = "; ".join(
    ["synthetic: the built-in shop", *(f"{name}: {row.description}" for name, row in FORMATS.items())]
)
_at = {"flag_values": FLAGS}
flags.DEFINE_enum("source", None, ["synthetic", *FORMATS], f"Format of the input. {_SOURCES}.", **_at)
flags.DEFINE_string(
    "input", "", "File or files, comma-separated; behavior:file where a file is one behavior.", **_at
)
flags.DEFINE_string("heldout", None, "File of held-out target pairs, for formats that come split.", **_at)
flags.DEFINE_string("dataset_dir", None, "Directory to write.", **_at)
flags.DEFINE_bool("overwrite", False, "Replace a data set that stands in --dataset_dir.", **_at)
flags.DEFINE_list("behaviors", [], "Behaviors, weakest first, target last; empty: the format's own.", **_at)
flags.DEFINE_list("ignore_behaviors", [], "Further behaviors of the log, to be passed over.", **_at)
flags.DEFINE_list(
    "columns", [], "For log and recbole: role:column, roles user, item, behavior, timestamp.", **_at
)
flags.DEFINE_enum("time_unit", "s", list(TIME_UNITS), "Unit of numeric times of log and recbole.", **_at)
flags.DEFINE_enum(
    "on_bad_rows", "error", ["error", "skip"], "Stop at a bad row, or drop and count it.", **_at
)
flags.DEFINE_enum(
    "impossible_times",
    "drop",
    ["drop", "keep"],
    "Rows outside userbehavior's nine days, counted either way.",
    **_at,
)
flags.DEFINE_enum(
    "protocol",
    "",
    ["", *PROTOCOLS],
    "'strict' takes held-out pairs out of every behavior when a run trains, 'released' leaves weaker "
    "behaviors as the files have them; empty: released where files come split, else strict.",
    **_at,
)
flags.DEFINE_integer(
    "min_behaviors",
    0,
    "Kinds of behavior a user must show; 0: 2 where this command splits, else 1.",
    **_at,
    lower_bound=0,
)
flags.DEFINE_integer(
    "min_target", 0, "Target rows a user must have, the held-out one included.", **_at, lower_bound=0
)
flags.DEFINE_integer(
    "k_core", 0, "Target rows every user and item must have, iterated.", **_at, lower_bound=0
)
flags.DEFINE_integer("seed", 0, "Seed of held-out choices and of the synthetic shop.", **_at, lower_bound=0)
flags.DEFINE_integer("synthetic_users", 2000, "Users of the synthetic shop.", **_at, lower_bound=10)
flags.DEFINE_integer("synthetic_items", 600, "Items of the synthetic shop.", **_at, lower_bound=10)


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_prepare, FLAGS, __doc__, argv)


def _prepare(values: flags.FlagValues) -> None:
    cli.require(values, "source", "dataset_dir")
    directory = Path(values.dataset_dir)
    _check_destination(directory, values.overwrite)
    started = time.monotonic()
    events, report = _read(values)
    is_split = events.heldout is not None
    options = PrepareOptions(
        min_behaviors=values.min_behaviors or (1 if is_split else 2),
        min_target=values.min_target,
        k_core=values.k_core,
        seed=values.seed,
        on_bad_rows=values.on_bad_rows,
    )
    prepared = prepare(events, options)
    protocol = values.protocol or ("released" if is_split else "strict")
    about = {
        "source": values.source,
        "checksums": report.checksums,
        "rows_read": report.rows_read,
        "bad_rows": report.bad_rows,
        "ignored_rows": report.ignored_rows,
        "impossible_times": report.impossible_times,
        "filters": prepared.filters,
        "seed": values.seed,
        "table_one": prepared.table_one(),
    }
    save(directory, prepared.events, prepared.split, protocol, about)
    _show(values, directory, prepared, report, protocol, time.monotonic() - started)


def _check_destination(directory: Path, overwrite: bool) -> None:
    if not directory.exists():
        return
    if not (directory / "dataset.json").is_file() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"--dataset_dir={directory} exists and is no data set; name another directory.")
    if (directory / "dataset.json").is_file() and not overwrite:
        raise InputError(
            f"--dataset_dir={directory} holds a data set; name another one, or replace it with --overwrite."
        )


def _read(values: flags.FlagValues) -> tuple[Events, ReadReport]:
    if values.source == "synthetic":
        if values.behaviors and tuple(values.behaviors) != BEHAVIORS:
            raise InputError(f"--behaviors of the synthetic shop are {','.join(BEHAVIORS)}.")
        events = synthetic_shop(values.synthetic_users, values.synthetic_items, values.seed)
        return events, ReadReport(rows_read=len(events))
    cli.require(values, "input")
    options = ReadOptions(
        source=values.source,
        behaviors=tuple(values.behaviors),
        columns=_columns(values.columns),
        time_unit=values.time_unit,
        on_bad_rows=values.on_bad_rows,
        impossible_times=values.impossible_times,
        ignore_behaviors=tuple(values.ignore_behaviors),
    )
    with cli.progress_bar(values, None, " rows", desc="reading") as bar:
        return read_events(parse_inputs(values.input), values.heldout, options, bar.update)


def _columns(entries: list[str]) -> dict[str, str]:
    columns = {}
    for entry in entries:
        role, colon, name = entry.partition(":")
        if not colon or not name or role not in ("user", "item", "behavior", "timestamp"):
            raise InputError(
                "--columns should be role:column pairs with roles user, item, behavior, timestamp. "
                f"Received: {entry!r}."
            )
        columns[role] = name
    return columns


def _show(
    values, directory: Path, prepared: Prepared, report: ReadReport, protocol: str, seconds: float
) -> None:
    cli.say(values, f"{report.rows_read:,} rows read from {values.source} in {seconds:.1f} s\n")
    removed: list[list] = [
        [f"bad rows: {reason}", "", "", count] for reason, count in report.bad_rows.items()
    ]
    removed += [[f"behavior {name} not used", "", "", count] for name, count in report.ignored_rows.items()]
    if report.impossible_times:
        done = "dropped" if values.impossible_times == "drop" else "kept"
        removed.append([f"impossible times ({done})", "", "", report.impossible_times])
    removed += [[row["filter"], row["users"], row["items"], row["rows"]] for row in prepared.filters]
    cli.say(values, format_table("Removed", ["step", "users", "items", "rows"], removed) + "\n")
    row = prepared.table_one()
    title = "Data set (Table I; held-out pairs included)"
    cli.say(values, format_table(title, [f"{name}#" for name in row], [list(row.values())]) + "\n")
    held_out = {name: int((prepared.split == code).sum()) for code, name in ((2, "test"), (1, "validation"))}
    parts = ", ".join(f"{count:,} for {name}" for name, count in held_out.items())
    cli.say(values, f"Held out: {parts}. Protocol: {protocol}. Written to {directory}/")
    if protocol == "released":
        _show_leaks(values, Interactions.from_events(prepared.events, prepared.split, protocol))


def _show_leaks(values: flags.FlagValues, interactions: Interactions) -> None:
    """One line on the held-out pairs that weaker behaviors still give away."""
    parts = []
    for split, by_behavior in leaks(interactions.held_out, interactions.matrices).items():
        for name, leaked in by_behavior.items():
            if count := int(leaked.sum()):
                share = f"{100 * leaked.mean():.1f} %"
                parts.append(f"{count:,} of {len(leaked):,} {split} pairs ({share}) in {name!r}")
    if parts:
        cli.say(
            values,
            f"Leak: training rows still hold {'; '.join(parts)}: what is selected or measured on them is "
            "not fair. To train without them: --protocol=strict.",
        )


if __name__ == "__main__":
    sys.exit(main())
