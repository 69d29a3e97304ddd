"""Puts the columns of a file or a data frame, of any kind, into a table of texts."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.data import sql
from nmtr_tf.data.logs.files import reading
from nmtr_tf.data.logs.sources import Nested, ReadOptions, Source, find_columns, is_frame, quoted
from nmtr_tf.data.logs.text import TextTable
from nmtr_tf.errors import InputError

_DELIMITERS = {".csv": ",;|", ".tsv": "\t", ".txt": "\t|", ".tab": "\t", ".psv": "|"}
_JSON = (".jsonl", ".ndjson", ".json")
_PACKED = (".gz", ".zst", ".bz2")


@dataclasses.dataclass
class Staged:
    """The table `raw`: "row", int64, and a text for each role; null: it is not what is expected.

    Attributes:
        name: What was read, for messages.
        columns: Role -> name of its column.
        expected: What a null is not.
        time_unit: Of times that were typed; "": they are texts.
        invalid_rows: Rows with another number of fields, which are not in the table.
        num_fields: How many it should be.
        other_columns: Names of the columns that are not read.
        rows: Rows of the table, before several are made of one.
        locate: Row, or None, -> where it is, and what is wrong with its number of fields.
        raw_cell: Row and role -> what is there for a null.
    """

    name: str
    columns: Mapping[str, str]
    locate: Callable[[int | None], tuple[str, str]]
    raw_cell: Callable[[int, str], bytes | str]
    expected: str = "UTF-8 text"
    time_unit: str = ""
    invalid_rows: int = 0
    num_fields: int = 0
    other_columns: Sequence[str] = ()
    rows: int = 0


def stage(
    connection: sql.Connection, source: Source, options: ReadOptions, progress: Callable[[int], object]
) -> Staged:
    """Stages a source as the table `raw`.

    Raises:
        InputError: It cannot be read, or lacks a column.
    """
    content, log_format = source.content, options.format
    own = log_format.read is None and (log_format.delimiter or options.delimiter)
    suffix = "" if is_frame(content) else _suffix(content)
    if is_frame(content):
        staged = _stage_frame(connection, content, "data frame", source, options, progress)
    elif log_format.read is not None:
        frame = _own_frame(content, log_format.read)
        staged = _stage_frame(connection, frame, str(content), source, options, progress)
    elif suffix == ".parquet" and not own:
        with reading(content):
            schema = pq.read_schema(content)
        table = f"read_parquet({sql.literal(str(content))}, file_row_number=true)"
        staged = _stage_typed(connection, table, schema, str(content), source, options, progress)
    elif suffix in _JSON and not own:
        staged = _stage_json(connection, content, source, options, progress)
    else:
        staged = _stage_text(connection, content, suffix, source, options, progress)
    staged.rows = sql.value(connection, "SELECT count(*) FROM raw")
    if options.wide or options.thresholds:
        _make_tall(connection, options)
        staged.columns = {**staged.columns, "behavior": "behavior", "count": "count"}
    return staged


def _stage_text(connection, path: Path, suffix: str, source, options: ReadOptions, progress) -> Staged:
    log_format = options.format
    delimiter = options.delimiter or log_format.delimiter or _delimiter_of(path, suffix)
    table = TextTable(path, delimiter, options.header or log_format.column_names, options.encoding)
    if log_format.adjacency:
        places = {"line": 0}
    else:
        places = find_columns(table.header, table.names, options, source)
    _insert_batches(connection, table, places, places, "SELECT * FROM batch", progress)
    return Staged(
        table.name,
        {role: table.names[place] for role, place in places.items() if table.names},
        table.locate,
        lambda row, role: table.raw_cell(row, places[role]),
        invalid_rows=table.invalid_rows,
        num_fields=len(table.names),
        other_columns=[name for place, name in enumerate(table.names) if place not in places.values()],
    )


def _insert_batches(connection, table: TextTable, places, roles: Sequence[str], query: str, progress) -> None:
    columns = "".join(f", {sql.name(role)} VARCHAR" for role in roles)
    connection.execute(f"CREATE OR REPLACE TABLE raw (row BIGINT{columns})")
    for batch in table.batches(places):
        connection.register("batch", batch)
        connection.execute(f"INSERT INTO raw {query}")
        connection.unregister("batch")
        progress(batch.num_rows)


def _stage_json(connection, path: Path, source: Source, options: ReadOptions, progress) -> Staged:
    """Lines of JSON objects: each is read as a text of one field, of which DuckDB takes the values."""
    table = TextTable(path, "\x01", ("line",), options.encoding)
    names = Nested(dict.fromkeys(key for line in table.start(100) for key in _keys(line)))
    found = find_columns(str(path), names, options, source)
    columns = {role: names[place] for role, place in found.items()}
    values = "".join(f", {_of_json('line', name, names, 'is_object')}" for name in columns.values())
    valid = "coalesce(json_valid(line), false)"
    is_object = f"CASE WHEN {valid} THEN json_type(line) = 'OBJECT' ELSE false END"
    query = f"SELECT row{values} FROM (SELECT *, {is_object} AS is_object FROM batch)"
    _insert_batches(connection, table, {"line": 0} if table.names else {}, tuple(columns), query, progress)

    def raw_line(row: int, role: str) -> bytes:
        return table.raw_cell(row, 0)

    others = [name for name in names if name not in columns.values()]
    return Staged(str(path), columns, table.locate, raw_line, "a JSON object in a line", other_columns=others)


def _keys(line: str) -> list[str]:
    try:
        found = json.loads(line)
    except ValueError:
        return []
    return list(found) if isinstance(found, dict) else []


def _of_json(json_column: str, name: str, names: Sequence[str], is_good: str) -> str:
    """The text at a path such as a.b or items[].id in JSON, one row for each of a list's."""
    parts = name.split(".") if "[]" in name or "." in name else [name]
    path = "$" + "".join(f'."{part.removesuffix("[]")}"{"[*]" * part.endswith("[]")}' for part in parts)
    found = f"json_extract_string({json_column}, {sql.literal(path)})"
    if "[]" not in name:
        return f"CASE WHEN {is_good} THEN coalesce({found}, '') END"
    # An empty list is a missing value, not a missing row.
    some = f"CASE WHEN {is_good} THEN {found} END"
    return f"unnest(CASE WHEN len({some}) > 0 THEN {some} WHEN {is_good} THEN [''] ELSE [NULL] END)"


def _stage_frame(connection, frame: Any, name: str, source, options, progress) -> Staged:
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


def _own_frame(path: Path, read: Callable[[Path], Any]) -> Any:
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
        kinds = ", ".join(sorted({type(value).__name__ for value in series.dropna()}))
        raise InputError(f"{where}: expected text, numbers or times, all of one kind, got {kinds}") from error
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return pa.chunked_array(chunks, column.type)


def _stage_typed(
    connection, table: str, schema: pa.Schema, name: str, source, options, progress, names=None
) -> Staged:
    names = Nested(names or schema.names)
    columns = {role: names[place] for role, place in find_columns(name, names, options, source).items()}
    kinds = {role: _kind(schema, column) for role, column in columns.items()}
    for role in ("user", "item"):
        if role in columns and kinds[role] is not None:
            _check_ids(connection, table, columns[role], kinds[role], f"{name}, column {columns[role]!r}")
    unit = _unit(kinds.get("timestamp"))
    texts = []
    for role, column in columns.items():
        where = f"{name}, column {column!r}"
        texts.append(f"{_text(column, kinds[role], schema.names, unit, role, where)} AS {sql.name(role)}")
    query = (
        f"SELECT file_row_number AS row, {', '.join(texts)} FROM {table}"
        if texts
        else "SELECT 0 AS row LIMIT 0"
    )
    try:
        connection.execute(f"CREATE OR REPLACE TABLE raw AS {query}")
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.SerializationException) as error:
        raise InputError(f"{name}: cannot be read: {str(error).splitlines()[0]}") from error
    progress(sql.value(connection, "SELECT count(*) FROM raw"))
    others = [column for column in schema.names if column not in columns.values()]

    def locate(row: int | None) -> tuple[str, str]:
        return f"{name}, row {(row or 0) + 1}", ""

    return Staged(name, columns, locate, lambda row, role: b"", time_unit=unit, other_columns=others)


def _kind(schema: pa.Schema, column: str) -> pa.DataType | None:
    """The type of a column's values; None for a path into a column."""
    if column not in schema.names:
        return None
    kind = schema.field(column).type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _unit(kind: pa.DataType | None) -> str:
    if kind is None or not pa.types.is_temporal(kind) or pa.types.is_time(kind):
        return ""
    return "ns" if pa.types.is_timestamp(kind) and kind.unit == "ns" else "us"


def _text(
    column: str, kind: pa.DataType | None, names: Sequence[str], unit: str, role: str, where: str
) -> str:
    """An expression of SQL: the column as text, nulls as empty."""
    if kind is None:
        root = sql.name(column.split(".")[0].removesuffix("[]"))
        first, _, rest = column.partition(".")
        path = f"x[].{rest}" if first.endswith("[]") else f"x.{rest}"
        return _of_json(f"json_object('x', {root})", path, names, "true")
    cell = sql.name(column)
    if role == "timestamp" and unit:
        typed = cell if pa.types.is_timestamp(kind) else f"{cell}::TIMESTAMP"
        return f"coalesce(epoch_{unit}({typed})::VARCHAR, '')"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return f"CASE WHEN {cell} IS NULL THEN '' ELSE TRY(decode({cell})) END"
    if pa.types.is_nested(kind):
        raise InputError(f"{where}: expected text or numbers, got {kind}")
    if pa.types.is_floating(kind):
        missing = f"{cell} IS NULL OR isnan({cell})"
        number = f"{cell}::BIGINT" if role in ("user", "item") else cell
        return f"CASE WHEN {missing} THEN '' ELSE {number}::VARCHAR END"
    return f"coalesce({cell}::VARCHAR, '')"


def _check_ids(connection, table: str, column: str, kind: pa.DataType, where: str) -> None:
    """Checks that ids are text or whole numbers, which floats may be."""
    is_float, cell = pa.types.is_floating(kind), sql.name(column)
    whole = f"isnan({cell}) OR ({cell} = trunc({cell}) AND abs({cell}) < 2::DOUBLE ** 53)"
    fits = not is_float or sql.value(connection, f"SELECT coalesce(bool_and({whole}), true) FROM {table}")
    if pa.types.is_boolean(kind) or not fits:
        raise InputError(f"{where}: expected ids as text or integers, got {kind}")


def _make_tall(connection, options: ReadOptions) -> None:
    """Makes of a row a row for each behavior, with a "count" that says how often it was shown."""
    names = options.wide or tuple(options.thresholds)
    if options.wide:
        counts = [sql.name(f"wide {column}") for column in options.wide]
    else:
        number = "try_cast(behavior AS DOUBLE)"
        reached = [f"({number} >= {least!r})::INT::VARCHAR" for least in options.thresholds.values()]
        counts = [f"coalesce({text}, behavior)" for text in reached]
    left_out = ", ".join(
        [*(f'"wide {column}"' for column in options.wide), *(["behavior"] if not options.wide else [])]
    )
    connection.execute(f"""
        CREATE OR REPLACE TABLE raw AS
        SELECT * EXCLUDE ({left_out}), unnest([{", ".join(map(sql.literal, names))}]) AS behavior,
            unnest([{", ".join(counts)}]) AS count
        FROM raw""")
    connection.execute("DELETE FROM raw WHERE count IN ('', '0') OR try_cast(count AS DOUBLE) = 0")


def _suffix(path: Path) -> str:
    name = Path(path.name.lower())
    return Path(name.stem).suffix if name.suffix in _PACKED else name.suffix


def _delimiter_of(path: Path, suffix: str) -> str:
    if suffix not in _DELIMITERS:
        known = quoted([*_DELIMITERS, ".parquet", *_JSON])
        raise InputError(f"{path}: expected a file name that ends with one of {known}")
    return _DELIMITERS[suffix]
