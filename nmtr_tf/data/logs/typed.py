"""Puts typed columns, of Parquet files and data frames, into a table of texts."""

import contextlib
import glob
import numbers
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.data import sql
from nmtr_tf.data.logs.columns import Nested, find_columns
from nmtr_tf.data.logs.files import reading
from nmtr_tf.data.logs.inputs import is_frame
from nmtr_tf.data.logs.nested import place_of, texts_at
from nmtr_tf.data.logs.staged import Staged
from nmtr_tf.errors import InputError


def stage_parquet(connection, path: Path, source, options, progress) -> Staged:
    """Stages a Parquet file; raises InputError where it cannot be read, or a column holds something else."""
    with reading(path):
        schema = pq.read_schema(path)
    one = sql.literal(glob.escape(str(path)))  # DuckDB takes names for patterns
    table = f"read_parquet({one}, file_row_number=true, hive_partitioning=false)"
    return _stage_typed(connection, table, schema, str(path), source, options, progress)


def stage_frame(connection, frame: Any, name: str, source, options, progress) -> Staged:
    """Stages a data frame, of which only the columns that are needed are looked at."""
    names = [str(column) for column in frame.columns]
    places = find_columns(name, names, options, source)
    used = list(dict.fromkeys(places.values()))
    columns = [_arrow(frame.iloc[:, place], f"{name}, column {names[place]!r}") for place in used]
    table = pa.table(columns, [names[place] for place in used])
    schema = table.schema
    for position, kind in enumerate(schema.types):
        if pa.types.is_float16(kind):  # DuckDB has none.
            table = table.set_column(position, schema.names[position], columns[position].cast(pa.float32()))
    connection.register("frame", table.append_column("file_row_number", pa.array(np.arange(len(frame)))))
    staged = _stage_typed(connection, "frame", schema, name, source, options, progress, names)
    connection.unregister("frame")
    return staged


def own_frame(path: Path, read: Callable[[Path], Any]) -> Any:
    """What the reader of a format makes of a file; raises InputError where it fails or makes no frame."""
    try:
        frame = read(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read: {(str(error).splitlines() or [''])[0]}") from error
    if not is_frame(frame):
        got = type(frame).__name__
        raise InputError(f"{path}: expected a pandas DataFrame from `read` of its format, got {got}")
    return frame


def _arrow(series: Any, where: str) -> pa.ChunkedArray:
    try:
        column = pa.array(series, from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        kinds = {type(value) for value in series.dropna()}
        if not all(kind is not bool and issubclass(kind, str | numbers.Integral) for kind in kinds):
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            expected = "text, numbers or times, all of one kind"
            raise InputError(f"{where}: expected {expected}, got {names}") from error
        column = pa.array(series.map(str, na_action="ignore"), pa.string(), from_pandas=True)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return pa.chunked_array(chunks, column.type)


def _stage_typed(
    connection, table: str, schema: pa.Schema, name: str, source, options, progress, names=None
) -> Staged:
    names = Nested(names or schema.names)
    columns = {role: names[place] for role, place in find_columns(name, names, options, source).items()}
    # DuckDB's names do not tell upper from lower case, so that it gives twins other ones.
    with _readable(name):
        described = sql.rows(connection, f"DESCRIBE SELECT * FROM {table}")
    cells = {column: sql.name(row[0]) for column, row in zip(schema.names, described, strict=False)}
    rows, paths = _paths([column for column in columns.values() if column not in cells], cells, table)
    unit, texts = "", ["file_row_number AS row"]
    for role, column in columns.items():
        where, kind = f"{name}, column {column!r}", _kind(schema, column)
        if column in paths:
            _check_flat(kind, where)
            text = paths[column]
        else:
            if role in ("user", "item"):
                with _readable(name):
                    _check_ids(connection, table, cells[column], kind, where)
            unit = _unit(kind) if role == "timestamp" else unit
            text = _text(cells[column], kind, unit if role == "timestamp" else "", role, where)
        texts.append(f"{text} AS {sql.name(role)}")
    with _readable(name):
        connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT {', '.join(texts)} FROM {rows}")
    progress(sql.value(connection, "SELECT count(*) FROM raw"))
    others = [column for column in schema.names if column not in columns.values()]

    def locate(row: int | None) -> tuple[str, str]:
        return f"{name}, row {(row or 0) + 1}", ""

    return Staged(name, columns, locate, lambda row, role: b"", time_unit=unit, other_columns=others)


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    """Raises InputError where DuckDB cannot read the table of this name."""
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in str(error):
            raise  # The session says where.
        raise InputError(f"{name}: cannot be read: {str(error).splitlines()[0]}") from error


def _kind(schema: pa.Schema, column: str) -> pa.DataType:
    """The type of the values of a column, or at a path into one; null: there are none."""
    if column in schema.names:
        return _values(schema.field(column).type)
    kind = pa.struct(list(schema))
    for part in re.findall(r"\[\]|[^.\[\]]+", column):
        if part == "[]":
            kind = _values(getattr(kind, "value_type", pa.null()))
        elif pa.types.is_map(kind):
            kind = _values(kind.item_type)
        else:
            is_there = pa.types.is_struct(kind) and kind.get_field_index(part) >= 0
            kind = _values(kind.field(part).type) if is_there else pa.null()
    return kind


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _unit(kind: pa.DataType | None) -> str:
    if kind is None or not pa.types.is_temporal(kind) or pa.types.is_time(kind):
        return ""
    return "ns" if pa.types.is_timestamp(kind) and kind.unit == "ns" else "us"


def _paths(names: Sequence[str], cells: Mapping[str, str], table: str) -> tuple[str, dict[str, str]]:
    """The table with a row for each element of lists, and path -> an expression of its text."""
    if not names:
        return table, {}
    roots = dict.fromkeys(re.split(r"\[\]|\.", name)[0] for name in names)
    pairs = ", ".join(f"{sql.literal(root)}, {cells[root]}" for root in roots)
    places = [place_of(name) for name in names]
    json = sql.name("nmtr json")  # beside columns of any names
    rows, texts = texts_at(places, f"(SELECT *, json_object({pairs}) AS {json} FROM {table})", json)
    return rows, dict(zip(names, texts, strict=True))


def _text(cell: str, kind: pa.DataType, unit: str, role: str, where: str) -> str:
    """A column as text, nulls as empty."""
    if unit:
        typed = cell if pa.types.is_timestamp(kind) else f"{cell}::TIMESTAMP"
        return f"coalesce(epoch_{unit}({typed})::VARCHAR, '')"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return f"CASE WHEN {cell} IS NULL THEN '' ELSE TRY(decode({cell})) END"
    _check_flat(kind, where)
    if pa.types.is_floating(kind):
        missing = f"{cell} IS NULL OR isnan({cell})"
        number = f"{cell}::BIGINT" if role in ("user", "item") else cell
        return f"CASE WHEN {missing} THEN '' ELSE {number}::VARCHAR END"
    return f"coalesce({cell}::VARCHAR, '')"


def _check_flat(kind: pa.DataType, where: str) -> None:
    if pa.types.is_nested(kind):
        raise InputError(f"{where}: expected text or numbers, got {kind}")


def _check_ids(connection, table: str, cell: str, kind: pa.DataType, where: str) -> None:
    """Checks that ids are text or whole numbers, which floats may be."""
    is_float = pa.types.is_floating(kind)
    whole = f"isnan({cell}) OR ({cell} = trunc({cell}) AND abs({cell}) < 2::DOUBLE ** 53)"
    fits = not is_float or sql.value(connection, f"SELECT coalesce(bool_and({whole}), true) FROM {table}")
    if pa.types.is_boolean(kind) or not fits:
        raise InputError(f"{where}: expected ids as text or integers, got {kind}")
