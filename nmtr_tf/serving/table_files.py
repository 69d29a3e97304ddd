"""Tables written in parts to CSV, Parquet or JSON lines; the file's suffix chooses."""

import contextlib
import csv
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file
from nmtr_tf.texts import SPREADSHEET_COMMANDS

_ROWS_AT_ONCE = 2**17  # small parts are gathered: Parquet makes a row group of every part


def check_table_path(path: str | Path) -> None:
    """Checks that a table can be written under this name.

    Raises:
        InputError: If the suffix is none of .csv, .parquet, .jsonl, or a directory stands there.
    """
    if Path(path).suffix.lower() not in _FORMATS:
        raise InputError(f"{path}: expected a file name that ends in {', '.join(_FORMATS)}.")
    if Path(path).is_dir():
        raise InputError(f"{path}: expected a file, but it is a directory.")


def write_table(path: str | Path, parts: Iterable[pa.Table], csv_safe: bool = False) -> int:
    """Writes a table whole or not at all, its parts as they come.

    Args:
        path: File to write or replace: .csv (with a header), .parquet or .jsonl (an object a line).
            Without rows it is the header, a table of no rows, or empty.
        parts: At least one, all of one schema.
        csv_safe: Whether texts in a .csv that spreadsheets take for formulas get a `'` before them.

    Returns:
        The number of rows.

    Raises:
        InputError: As `check_table_path` does.
    """
    check_table_path(path)
    parts = iter(parts)
    first = next(parts)
    num_rows, is_csv = 0, Path(path).suffix.lower() == ".csv"
    with new_file(path) as temporary, _FORMATS[Path(path).suffix.lower()](temporary, first.schema) as write:
        for part in _gathered(itertools.chain([first], parts)):
            if len(part):  # of no rows pandas writes a blank line, which is no JSON
                write(_safe(part) if is_csv and csv_safe else part)
            num_rows += len(part)
    return num_rows


def _safe(table: pa.Table) -> pa.Table:
    """The table with `'` before texts that a spreadsheet would take for a formula, which then shows them."""
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(place)
            marked = pc.binary_join_element_wise("'", column, "")
            safe = pc.if_else(pc.match_substring_regex(column, SPREADSHEET_COMMANDS), marked, column)
            table = table.set_column(place, field, safe)
    return table


def _gathered(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        if sum(len(one) for one in waiting) >= _ROWS_AT_ONCE:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:  # combined, as pyarrow 16 writes some rows of sliced chunks twice
        yield pa.concat_tables(waiting).combine_chunks()


@contextlib.contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[Callable]:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(schema.names)  # pyarrow would quote every name
    options = pyarrow.csv.WriteOptions(include_header=False)
    # It quotes all text, and doubles the quotes in it.
    with path.open("ab") as rows, pyarrow.csv.CSVWriter(rows, schema, write_options=options) as writer:
        yield writer.write_table


@contextlib.contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Callable]:
    with pq.ParquetWriter(path, schema) as writer:
        yield writer.write_table


@contextlib.contextmanager
def _jsonl(path: Path, schema: pa.Schema) -> Iterator[Callable]:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        options = {"orient": "records", "lines": True, "force_ascii": False, "double_precision": 15}
        yield lambda part: part.to_pandas().to_json(file, **options)


_FORMATS = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}
