"""Reads logs of every format, from files or from memory, into `Events`."""

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.batches import LogReader
from nmtr_tf.data.logs.files import checksums
from nmtr_tf.data.logs.formats import FORMATS
from nmtr_tf.data.logs.sources import ReadOptions, inputs_of, is_frame, plan
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
    time_unit: str = "s",
    on_bad_rows: str = "error",
    impossible_times: str = "drop",
    ignore_behaviors: Sequence[str] = (),
    progress: Callable[[int], object] | None = None,
) -> Events:
    """Reads a log of events; `nmtr_tf.prepare` makes a data set of it.

    Args:
        source: A file, a list of files, or {behavior: file or files} for formats with a file per behavior;
            or a pandas DataFrame with one event a row, in columns "user", "item", "behavior" and, where
            there are times, "timestamp". Ids are text or integers, times datetimes, ISO-8601 text or numbers.
        behaviors: Behaviors to read, weakest first, the one to recommend for last; empty: the format's own.
        format: Name of a format, of this package or registered: see data/README.md.
        heldout: File of the held-out rows of the last behavior, for formats that come split.
        columns: Role ("user", "item", "behavior", "timestamp") -> the log's name of that column, where it
            is another; for the formats "log" and "recbole".
        time_unit: Unit of times that are numbers: "s", "ms", "us" or "ns" since 1970.
        on_bad_rows: "error" stops at the first bad row, "skip" drops and counts them.
        impossible_times: "drop" or "keep" rows outside of the format's time window; they are counted.
        ignore_behaviors: Further behaviors of the log, whose rows are passed over.
        progress: Called with the number of rows of each batch that was read.

    Returns:
        The events, in the order of the source. `origin` says what was read and what was left out:
        source, checksums (file -> sha256), rows_read, bad_rows (what was expected -> rows),
        ignored_rows (behavior -> rows) and impossible_times.

    Raises:
        InputError: Anything is wrong with the arguments, the files or, unless they are skipped, rows.
    """
    options = ReadOptions(
        name=format,
        format=FORMATS.find(format),
        behaviors=_names("behaviors", behaviors),
        columns=columns or {},
        time_unit=time_unit,
        on_bad_rows=on_bad_rows,
        impossible_times=impossible_times,
        ignore_behaviors=_names("ignore_behaviors", ignore_behaviors),
    )
    chosen, sources = plan(inputs_of(source), heldout, options)
    reader = LogReader(options, chosen, progress or (lambda rows: None))
    for part in sources:
        reader.read(part)
    events = reader.finish()
    origin = {
        "source": "data frame" if is_frame(source) else format,
        "checksums": checksums([part.content for part in sources if not is_frame(part.content)]),
        "rows_read": reader.report.rows_read,
        "bad_rows": dict(reader.report.bad_rows),
        "ignored_rows": dict(reader.report.ignored_rows),
        "impossible_times": reader.report.impossible_times,
    }
    return dataclasses.replace(events, origin=origin)


def _names(option: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"`{option}` should be a list of names. Received: {names!r}.")
    return tuple(names)
