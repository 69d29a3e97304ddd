r"""Turn a raw multi-behavior log into a data set directory.

Examples:
    nmtr prepare --source=synthetic --dataset_dir=out/shop
    nmtr prepare --source=log --input=events.csv --behaviors=view,cart,buy \
        --columns=user:visitor,item:product,behavior:event,timestamp:time --dataset_dir=out/mine
    nmtr prepare --source=adjacency --input=cart:cart.txt,buy:train.txt \
        --heldout=test.txt --dataset_dir=out/beibei
    nmtr prepare --source=log --input=events.csv --behaviors=view,cart,buy \
        --split=time --split_time=2015-08-15 --dataset_dir=out/autumn
    nmtr prepare --source=log --input=events.csv --behaviors=view,cart,buy \
        --split=time --split_time=2015-07-15,2015-08-01,2015-08-15 --dataset_dir=out/cuts
"""

import time
from pathlib import Path

from absl import flags

from nmtr_tf.cli.console import progress_bar
from nmtr_tf.cli.flags import new_flags, require, run
from nmtr_tf.cli.log_flags import columns_of, source_of, thresholds_of
from nmtr_tf.cli.prepared import show_cuts, show_prepared
from nmtr_tf.cli.split_flags import define_split_flags, given_split
from nmtr_tf.config import PROTOCOLS
from nmtr_tf.data.destination import check_destination
from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.formats import FORMATS, TIME_UNITS
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.several_cuts import save_cuts
from nmtr_tf.data.synthetic import BEHAVIORS, synthetic_shop
from nmtr_tf.errors import InputError

FLAGS = new_flags()
_SOURCES = "; ".join(
    ["synthetic: the built-in shop", *(f"{name}: {row.description}" for name, row in FORMATS.items())]
).replace("`columns`", "--columns")
_at = {"flag_values": FLAGS}
flags.DEFINE_string("source", None, f"Format of the input. {_SOURCES}; or a registered one.", **_at)
flags.DEFINE_string(
    "input",
    "",
    "Files, folders or patterns such as day-*.csv, between commas; behavior:file where each is one behavior; "
    "or a .toml file that describes the sources, see data/README.md.",
    **_at,
)
flags.DEFINE_string(
    "heldout",
    None,
    "File of held-out rows of the target; needed where "
    "a format comes split, else empty: the last of each user is held out.",
    **_at,
)
flags.DEFINE_string("dataset_dir", None, "Directory to write.", **_at)
flags.DEFINE_bool(
    "overwrite",
    False,
    "Replace a data set that stands in --dataset_dir, once the new one is complete.",
    **_at,
)
flags.DEFINE_list("behaviors", [], "Behaviors, weakest first, target last; empty: the format's own.", **_at)
flags.DEFINE_list(
    "after",
    [],
    "What each behavior comes after in a cascade, behavior:others, such as cart:view,buy:share+cart; empty: "
    "each after the one before it.",
    **_at,
)
flags.DEFINE_list(
    "ignore_behaviors", [], "Further behaviors of the log, to be passed over; *: all others.", **_at
)
flags.DEFINE_list(
    "columns",
    [],
    "For log and recbole: role:column, roles user, item, behavior, timestamp; buy.user:column for the files "
    "of a behavior; in JSON and Parquet, a.b and items[].id reach into columns.",
    **_at,
)
flags.DEFINE_enum(
    "time_unit",
    "auto",
    list(TIME_UNITS),
    "Unit of times that are numbers, of log and recbole; auto: told by size; order: they only order.",
    **_at,
)
flags.DEFINE_string("time_format", "", "Of times that are texts, as of strptime: %d/%m/%Y %H:%M.", **_at)
flags.DEFINE_list("header", [], "Names of the columns of files that have no header.", **_at)
flags.DEFINE_string("delimiter", "", "Between fields; empty: told by suffix and first line.", **_at)
flags.DEFINE_string("encoding", "utf-8", "Of text files: utf-8, utf-16, latin-1, ...", **_at)
flags.DEFINE_list(
    "wide", [], "Columns of counts, one per behavior, of files with a row for each pair.", **_at
)
flags.DEFINE_list(
    "thresholds", [], "behavior:number, the least number in the behavior column that shows it.", **_at
)
flags.DEFINE_enum(
    "on_bad_rows", "error", ["error", "skip"], "Stop at a bad row, or drop and count it.", **_at
)
flags.DEFINE_float(
    "max_bad_share",
    0.1,
    "Share of the rows that --on_bad_rows=skip may drop.",
    **_at,
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_integer(
    "memory_mb",
    0,
    "Memory for tables on the way, in MiB; what is more is on disk beside --dataset_dir. 0: no bound.",
    **_at,
    lower_bound=0,
)
flags.DEFINE_enum(
    "impossible_times",
    "drop",
    ["drop", "keep"],
    "Rows outside userbehavior's nine days, counted either way.",
    **_at,
)
define_split_flags(FLAGS)
flags.DEFINE_enum(
    "protocol",
    "",
    ["", *PROTOCOLS],
    "'strict' takes held-out pairs out of every behavior when a run trains, 'released' leaves "
    "auxiliary behaviors as the files have them; empty: time with --split=time, released where files come "
    "split, else strict.",
    **_at,
)
flags.DEFINE_integer(
    "min_behaviors",
    0,
    "Kinds of behavior a user must show; 0: 2 where this command leaves one out and there are two, else 1. "
    "With --split=time all filters count what comes before the cut.",
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
    return run(_prepare, FLAGS, __doc__, argv)


def _prepare(values: flags.FlagValues) -> None:
    require(values, "source", "dataset_dir")
    if values.source != "synthetic" and values.source not in FORMATS:
        known = ", ".join(["synthetic", *FORMATS])
        raise InputError(f"`source` should be one of {known}. Received: {values.source!r}.")
    check_destination(values.dataset_dir, values.overwrite)
    started = time.monotonic()
    events, split = _read(values), given_split(values)
    options = {
        "protocol": values.protocol,
        "min_behaviors": values.min_behaviors or None,
        "min_target": values.min_target,
        "k_core": values.k_core,
        "seed": values.seed,
        "on_bad_rows": values.on_bad_rows,
        "memory_mb": values.memory_mb,
        "spill_dir": Path(values.dataset_dir).parent,
        "after": values.after,
    }
    if split["split"] == "time" and len(cuts := split["split_time"].split(",")) > 1:
        show_cuts(values, save_cuts(events, cuts, values.dataset_dir, values.overwrite, **options))
        return
    dataset = prepare(events, release=True, **options, **split).save(values.dataset_dir, values.overwrite)
    show_prepared(values, dataset, time.monotonic() - started)


def _read(values: flags.FlagValues) -> Events:
    if values.source == "synthetic":
        if values.behaviors and tuple(values.behaviors) != BEHAVIORS:
            raise InputError(f"`behaviors` of the synthetic shop are {','.join(BEHAVIORS)}.")
        return synthetic_shop(values.synthetic_users, values.synthetic_items, values.seed)
    require(values, "input")
    source, columns = source_of(values.input), columns_of(values.columns)
    with progress_bar(values, None, " rows", desc="reading") as bar:
        return read_log(
            source,
            behaviors=values.behaviors,
            format=values.source,
            heldout=values.heldout,
            columns=columns,
            time_unit=values.time_unit,
            time_format=values.time_format,
            header=values.header,
            delimiter=values.delimiter.replace("\\t", "\t"),
            encoding=values.encoding,
            wide=values.wide,
            thresholds=thresholds_of(values.thresholds),
            memory_mb=values.memory_mb,
            spill_dir=Path(values.dataset_dir).parent,
            on_bad_rows=values.on_bad_rows,
            max_bad_share=values.max_bad_share,
            impossible_times=values.impossible_times,
            ignore_behaviors=values.ignore_behaviors,
            progress=bar.update,
        )
