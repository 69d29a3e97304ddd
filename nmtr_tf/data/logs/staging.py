"""Puts the columns of a file or a data frame, of any kind, into a table of texts."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from nmtr_tf.data import sql
from nmtr_tf.data.logs.cells import whole_numbers
from nmtr_tf.data.logs.columns import Nested, find_columns
from nmtr_tf.data.logs.inputs import is_frame
from nmtr_tf.data.logs.nested import place_of, texts_at
from nmtr_tf.data.logs.sources import ReadOptions, Source, quoted
from nmtr_tf.data.logs.staged import Staged
from nmtr_tf.data.logs.text import TextTable
from nmtr_tf.data.logs.typed import own_frame, stage_frame, stage_parquet
from nmtr_tf.errors import InputError

_DELIMITERS = {".csv": ",;|", ".tsv": "\t", ".txt": "\t|", ".tab": "\t", ".psv": "|"}
_JSON = (".jsonl", ".ndjson", ".json")
_PACKED = (".gz", ".zst", ".bz2")


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
        staged = stage_frame(connection, content, "data frame", source, options, progress)
    elif log_format.read is not None:
        frame = own_frame(content, log_format.read)
        staged = stage_frame(connection, frame, str(content), source, options, progress)
    elif suffix == ".parquet" and not own:
        staged = stage_parquet(connection, content, source, options, progress)
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
    places = {"line": 0} if log_format.adjacency else find_columns(table.header, table.names, options, source)
    whole = _insert_columns(connection, table, places, progress)
    return Staged(
        table.name,
        {role: table.names[place] for role, place in places.items() if table.names},
        table.locate,
        lambda row, role: table.raw_cell(row, places[role]) if role in places else "\ufffd",
        invalid_rows=table.invalid_rows,
        num_fields=len(table.names),
        other_columns=[name for place, name in enumerate(table.names) if place not in places.values()],
        whole=whole,
    )


def _insert_columns(connection, table: TextTable, places, progress) -> set[str]:
    """Fills `raw` with columns of a file; returns the roles of those that are whole numbers there."""
    whole = {"user", "item", "timestamp"} & set(places)
    kinds = "".join(f", {sql.name(role)} {'BIGINT' if role in whole else 'VARCHAR'}" for role in places)
    connection.execute(f"CREATE OR REPLACE TABLE raw (row BIGINT{kinds})")
    for batch in table.batches(places):
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for role in sorted(whole):
            if (numbers := whole_numbers(columns[role])) is not None:
                columns[role] = numbers
            else:
                whole.remove(role)
                connection.execute(f"ALTER TABLE raw ALTER {sql.name(role)} TYPE VARCHAR")
        _insert(connection, pa.table(columns), "SELECT * FROM batch", progress)
    return whole


def _insert(connection, batch: pa.Table | pa.RecordBatch, query: str, progress) -> None:
    connection.register("batch", batch)
    connection.execute(f"INSERT INTO raw {query}")
    connection.unregister("batch")
    progress(batch.num_rows)


def _insert_batches(connection, table: TextTable, places, roles: Sequence[str], query: str, progress) -> None:
    columns = "".join(f", {sql.name(role)} VARCHAR" for role in roles)
    connection.execute(f"CREATE OR REPLACE TABLE raw (row BIGINT{columns})")
    for batch in table.batches(places):
        _insert(connection, batch, query, progress)


def _stage_json(connection, path: Path, source: Source, options: ReadOptions, progress) -> Staged:
    """Lines of JSON objects: each is read as a text of one field, of which DuckDB takes the values."""
    table = TextTable(path, "\x01", ("line",), options.encoding)
    lines = table.start(100)
    names = Nested(dict.fromkeys(key for line in lines for key in _keys(line)))
    if lines and not names:
        raise InputError(f"{path}: expected a JSON object with names in a line. Received: {lines[0][:60]!r}.")
    keys = frozenset(names)  # before paths are added
    found = find_columns(str(path), names, options, source)
    columns = {role: names[place] for role, place in found.items()}
    # Nothing may be asked of what is not JSON.
    parsed = "(SELECT row, CASE WHEN json_valid(line) THEN line::JSON END AS json FROM batch)"
    places = [place_of(name, keys) for name in columns.values()]
    rows, texts = texts_at(places, parsed, "json")
    values = "".join(f", CASE WHEN json_type(json) = 'OBJECT' THEN {text} END" for text in texts)
    query = f"SELECT row{values} FROM {rows}"
    _insert_batches(connection, table, {"line": 0} if table.names else {}, tuple(columns), query, progress)

    def raw_line(row: int, role: str) -> bytes:
        return table.raw_cell(row, 0)

    others = [name for name in names if name not in columns.values()]
    expected = "text or a number in a JSON object"
    return Staged(str(path), columns, table.locate, raw_line, expected, other_columns=others)


def _keys(line: str) -> list[str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return list(found) if isinstance(found, dict) else []


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
