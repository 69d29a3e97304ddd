"""Reads logs of every format, from files or from memory, into `Events`."""

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmtr_tf.data import sql
from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.files import checksums
from nmtr_tf.data.logs.formats import FORMATS
from nmtr_tf.data.logs.inputs import inputs_of, is_frame
from nmtr_tf.data.logs.reading import LogReader
from nmtr_tf.data.logs.sources import ReadOptions, plan
from nmtr_tf.errors import InputError

if typing.TYPE_CHECKING:  # Who passes data frames has imported pandas; files are read without it.
    import pandas as pd

PathLike = str | Path


def read_log(
    source: "PathLike | Sequence[PathLike] | Mapping[str, PathLike | Sequence[PathLike]] | pd.DataFrame",
    *,
    behaviors: Sequence[str] = (),
    format: str = "log",
    heldout: PathLike | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: str = "auto",
    time_format: str = "",
    on_bad_rows: str = "error",
    max_bad_share: float = 0.1,
    impossible_times: str = "drop",
    ignore_behaviors: Sequence[str] = (),
    header: Sequence[str] = (),
    delimiter: str = "",
    encoding: str = "utf-8",
    wide: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    memory_mb: int = 0,
    spill_dir: PathLike | None = None,
    progress: Callable[[int], object] | None = None,
) -> Events:
    """Reads a log of events; `nmtr_tf.prepare` makes a data set of it.

    Args:
        source: A file, a list of files, or {behavior: file or files}; a folder and a pattern such as
            "day-*.csv" stand for their files, and folders such as behavior=view for a behavior;
            or a TOML file that describes the sources, each with options of its own, see data/README.md;
            or a pandas DataFrame with one event a row, in columns "user", "item", "behavior" and, where
            there are times, "timestamp". Ids are text or integers, times datetimes, ISO-8601 text or numbers.
        behaviors: Behaviors to read, weakest first, the one to recommend for last; empty: the format's own.
        format: Name of a format, of this package or registered: see data/README.md.
        heldout: File, folder or pattern of the held-out rows of the last behavior, in the layout of the
            source, but for the column of behaviors. Formats that come split need it; None: `prepare` splits.
        columns: Role ("user", "item", "behavior", "timestamp") -> the log's name of that column, where it
            is another; for the formats "log" and "recbole". "buy.user" is that of the files of a behavior.
            In JSON and Parquet, a.b and items[].id reach into columns; of a list, each element is an event.
        time_unit: Unit of times that are numbers: "s", "ms", "us" or "ns" since 1970, "excel" for days of a
            spreadsheet, "order" for times that only order; "auto": told by their size.
        time_format: Of times that are texts, as of strptime, such as "%d/%m/%Y %H:%M"; "": ISO-8601, or days,
            months and years between dots.
        on_bad_rows: "error" stops at the first bad row, "skip" drops and counts them.
        max_bad_share: Share of the rows that "skip" may drop, of a log of 100 rows or more.
        impossible_times: "drop" or "keep" rows outside of the format's time window; they are counted.
        ignore_behaviors: Further behaviors of the log, whose rows are passed over; "*": all others.
        header: Names of the columns of files that have no header.
        delimiter: Between the fields of text files; "": told by suffix and first line.
        encoding: Of text files, such as "utf-16" or "latin-1".
        wide: Columns that count how often a behavior was shown, in files with a row for each pair.
        thresholds: Behavior -> least number in the column of behaviors, such as a rating, that shows it.
        memory_mb: Memory that the tables on the way may take, in MiB; what is more is on disk. 0: no bound.
        spill_dir: Where on disk; None: the system's directory for temporary files.
        progress: Called with the number of rows of each batch that was read.

    Returns:
        The events, in the order of the source. `origin` says what was read and what was left out:
        source, checksums (file -> sha256), rows_read, bad_rows (what was expected -> rows),
        ignored_rows (behavior -> rows), impossible_times and times, in words.

    Raises:
        InputError: Anything is wrong with the arguments, the files or, unless they are skipped, rows.
    """
    options = ReadOptions(
        name=format,
        format=FORMATS.find(format),
        behaviors=_names("behaviors", behaviors),
        columns=columns or {},
        time_unit=time_unit,
        time_format=time_format,
        on_bad_rows=on_bad_rows,
        max_bad_share=max_bad_share,
        impossible_times=impossible_times,
        ignore_behaviors=_names("ignore_behaviors", ignore_behaviors),
        header=_names("header", header),
        delimiter=delimiter,
        encoding=encoding,
        wide=_names("wide", wide),
        thresholds=thresholds or {},
    )
    chosen, sources = plan(inputs_of(source), heldout, options)
    with sql.session(memory_mb, spill_dir) as connection:
        reader = LogReader(connection, options, chosen, progress or (lambda rows: None))
        for part in sources:
            reader.read(part)
        events = reader.finish()
    report = reader.report
    origin = {
        "source": "data frame" if is_frame(source) else format,
        "checksums": checksums([part.content for part in sources if not is_frame(part.content)]),
        "rows_read": report.rows_read,
        "bad_rows": dict(report.bad_rows),
        "ignored_rows": dict(report.ignored_rows),
        "impossible_times": report.impossible_times,
        "times": report.times,
    }
    if report.first_bad_rows:
        origin["first_bad_rows"] = report.first_bad_rows
    return dataclasses.replace(events, origin=origin)


def _names(option: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"`{option}` should be a list of names. Received: {names!r}.")
    return tuple(names)
