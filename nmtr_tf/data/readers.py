"""Reads the logs of every format in `FORMATS` into `Events`, in batches of rows."""

import collections
import contextlib
import csv as text_csv
import dataclasses
import functools
import hashlib
import io
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from nmtr_tf.data.events import Events
from nmtr_tf.data.formats import FORMATS, TIME_UNITS, Decoded, Format, cast_or_null, decode_ids, decode_times
from nmtr_tf.errors import InputError

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".tab": "\t"}
_BLOCK_BYTES = 1 << 23
_PARQUET_ROWS = 1 << 18

Inputs = Sequence[tuple[str | None, str | Path]]


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How to read: the source is a key of `FORMATS`, the rest as in the flags of the same names."""

    source: str
    behaviors: tuple[str, ...] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time_unit: str = "s"
    on_bad_rows: str = "error"
    impossible_times: str = "drop"
    ignore_behaviors: tuple[str, ...] = ()


@dataclasses.dataclass
class ReadReport:
    """What was read and what was left out; a row counts under one heading only.

    Attributes:
        rows_read: Data rows of all files, bad ones too; for adjacency, lines.
        bad_rows: What was expected -> rows dropped.
        ignored_rows: Known behavior that is not selected -> rows.
        impossible_times: Rows of selected behaviors outside the format's time window.
        checksums: File name, with as many folders as tell it from the others -> sha256.
    """

    rows_read: int = 0
    bad_rows: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    ignored_rows: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    impossible_times: int = 0
    checksums: dict[str, str] = dataclasses.field(default_factory=dict)


def parse_inputs(text: str) -> list[tuple[str | None, str]]:
    """Parses "cart:cart.txt,buy:train.txt" or "a.csv,b.csv".

    Raises:
        InputError: An entry has no path.
    """
    parsed: list[tuple[str | None, str]] = []
    for entry in text.split(","):
        match = re.fullmatch(r"(?:(\w+):)?(.+)", entry.strip(), re.ASCII)
        if not match:
            raise InputError(f"inputs: expected path or behavior:path between commas, got {text!r}")
        parsed.append((match[1], match[2]))
    return parsed


def read_events(
    inputs: Inputs,
    heldout: str | Path | None,
    options: ReadOptions,
    progress: Callable[[int], None] | None = None,
) -> tuple[Events, ReadReport]:
    """Reads a log.

    Args:
        inputs: Pairs of a behavior, or None where the files tell, and a path; see `parse_inputs`.
        heldout: File of the held-out rows of the target behavior, for formats that come split.
        options: See `ReadOptions`.
        progress: Called with the number of rows of each batch that was read.

    Returns:
        The events, in the order of the files, and the report.

    Raises:
        InputError: Anything is wrong with the arguments, the files or, unless they are skipped, rows.
    """
    behaviors, files = _plan(inputs, heldout, options)
    reader = _Reader(options, behaviors, progress or (lambda rows: None))
    for file in files:
        reader.read(file)
    events = reader.finish()
    reader.report.checksums = _checksums([file.path for file in files])
    return events, reader.report


@dataclasses.dataclass(frozen=True)
class _File:
    path: Path
    behavior: str | None  # None: a column of the file tells.
    heldout: bool = False


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _plan(
    inputs: Inputs, heldout: str | Path | None, options: ReadOptions
) -> tuple[tuple[str, ...], list[_File]]:
    """Checks the arguments of `read_events` and returns the behaviors and the files to read."""
    _check_choices(options)
    log_format = FORMATS[options.source]
    if log_format.behavior is None and log_format.behaviors:
        inputs, heldout = _expand_prefix(inputs, heldout, log_format, bool(options.behaviors))
    names = dict.fromkeys(name for name, _ in inputs)
    named = None not in names
    by_column, by_file = log_format.behavior is not None, log_format.split
    if not inputs or (named and not by_file) or (not named and (len(names) > 1 or not by_column)):
        allowed = " or all as ".join(["path"] * by_column + ["behavior:path"] * by_file)
        got = ", ".join(str(path) if name is None else f"{name}:{path}" for name, path in inputs)
        raise InputError(f"inputs of source {options.source}: expected all as {allowed}, got {got!r}")
    in_files = tuple(name for name in names if name is not None)
    known = in_files or tuple((log_format.behaviors or {}).values())
    behaviors = options.behaviors or in_files or log_format.default_behaviors
    _check_behaviors(behaviors, known, options)
    if log_format.split != (heldout is not None):
        needs = "comes split: it needs the held-out file" if log_format.split else "has no held-out file"
        raise InputError(f"heldout: source {options.source} {needs}, got {heldout and str(heldout)!r}")
    files = [_File(Path(path), name) for name, path in inputs if name is None or name in behaviors]
    if heldout is not None:
        files.append(_File(Path(heldout), behaviors[-1], heldout=True))
    for file in files:
        if not file.path.is_file():
            raise InputError(f"{file.path}: {'is no file' if file.path.exists() else 'does not exist'}")
    return behaviors, files


def _check_choices(options: ReadOptions) -> None:
    columns = ("user", "item", "behavior", "timestamp")
    choices: list[tuple[str, str, Iterable[str]]] = [
        ("source", options.source, FORMATS),
        ("time_unit", options.time_unit, TIME_UNITS),
        ("on_bad_rows", options.on_bad_rows, ("error", "skip")),
        ("impossible_times", options.impossible_times, ("drop", "keep")),
        *(("columns", column, columns) for column in options.columns),
    ]
    for flag, value, known in choices:
        if value not in known:
            raise InputError(f"{flag}: expected one of {_quoted(known)}, got {value!r}")
    if options.columns and not FORMATS[options.source].free_columns:
        raise InputError(f"columns: those of source {options.source} are fixed, got {dict(options.columns)}")


def _check_behaviors(behaviors: tuple[str, ...], known: tuple[str, ...], options: ReadOptions) -> None:
    if len(behaviors) < 2 or len(set(behaviors)) < len(behaviors):
        expected = "two or more different names, weakest first"
        raise InputError(f"behaviors: expected {expected}, got {_quoted(behaviors) or 'none'}")
    for name in behaviors:
        if known and name not in known:
            raise InputError(
                f"behaviors: source {options.source} has {_quoted(dict.fromkeys(known))} here, got {name!r}"
            )
        if name in options.ignore_behaviors:
            raise InputError(f"ignore_behaviors: {name!r} is among the behaviors too")


def _expand_prefix(
    inputs: Inputs, heldout: str | Path | None, log_format: Format, chosen: bool
) -> tuple[Inputs, str | Path | None]:
    """Replaces a single input without a name, a prefix, by the files that it stands for."""
    if len(inputs) != 1 or inputs[0][0] is not None:
        return inputs, heldout
    prefix = inputs[0][1]
    files = [(name, f"{prefix}-{part}.train.rating") for part, name in (log_format.behaviors or {}).items()]
    # Where none exists, the first is reported as missing.
    existing = [(name, path) for name, path in files if Path(path).exists()] or files
    return (files if chosen else existing), heldout or f"{prefix}.test.rating"


def _checksums(paths: Sequence[Path]) -> dict[str, str]:
    """Returns sha256 by the shortest ends of the paths that are all different."""
    resolved = list(dict.fromkeys(path.resolve() for path in paths))
    depth = 1
    while len({path.parts[-depth:] for path in resolved}) < len(resolved):
        depth += 1
    checksums = {}
    for path in resolved:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
        checksums["/".join(path.parts[-depth:])] = digest.hexdigest()
    return checksums


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns failures to read `path` into `InputError`."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not empty, without their ends, and their numbers from 1."""
    # Latin-1 maps every byte to one character, and splitting text knows all line ends.
    with io.TextIOWrapper(pa.input_stream(str(path), compression="detect"), encoding="latin-1") as text:
        for number, line in enumerate(text, 1):
            content = line.rstrip("\n").encode("latin-1")
            if number == 1:
                content = content.removeprefix(b"\xef\xbb\xbf")
            if content:
                yield number, content


class _TextTable:
    """A delimited text file as batches of raw columns."""

    def __init__(self, path: Path, delimiter: str, names: Sequence[str] | None):
        """Reads the header, or takes `names` for a file without."""
        self.path = path
        self.invalid_rows = 0
        self._delimiter, self._quote = delimiter, '"' if delimiter == "," else False
        self._first_invalid: csv.InvalidRow | None = None
        with _reading(path):
            self._header_line, content = next(_lines(path), (0, b""))
        if names is None:
            try:
                header = content.decode()
            except UnicodeDecodeError as error:
                where = f"{path}, line {self._header_line}"
                raise InputError(f"{where}: expected UTF-8 text, got {content[:20]!r}") from error
            quoted = self._quote and '"' in header
            names = next(text_csv.reader([header])) if quoted else header.split(delimiter)
        else:
            self._header_line = 0
        self.header = f"{path}, line {self._header_line}"
        # Without any line, so that Arrow is not asked to read a file of 0 bytes: it refuses.
        self.names = list(names) if content else []

    def batches(self, positions: Sequence[int]) -> Iterator[list[pa.Array]]:
        """Yields the columns at `positions`, binary [rows] each; rows of another width are left out."""
        if not self.names:
            return
        columns = [str(position) for position in positions]
        with _reading(self.path), pa.input_stream(str(self.path), compression="detect") as stream:
            # Columns go by position, as names may occur twice; they stay bytes, so that text that
            # is not UTF-8 can be told from the rest.
            reader = csv.open_csv(
                stream,
                csv.ReadOptions(
                    column_names=[str(position) for position in range(len(self.names))],
                    skip_rows=self._header_line,
                    block_size=_BLOCK_BYTES,
                ),
                csv.ParseOptions(
                    delimiter=self._delimiter, quote_char=self._quote, invalid_row_handler=self._skip
                ),
                csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.binary()), include_columns=columns),
            )
            yield from ([batch.column(name) for name in columns] for batch in reader)

    def _skip(self, row: csv.InvalidRow) -> str:
        self._first_invalid = self._first_invalid or row
        self.invalid_rows += 1
        return "skip"

    def locate(self, row: int | None) -> tuple[str, str]:
        """Returns where the row is, and what is wrong with its width, or "".

        Args:
            row: Position among the parsed rows, or None for the first row of another width. If that
                one comes before `row`, it is returned instead.
        """
        invalid = self._first_invalid
        lines = ((number, line) for number, line in _lines(self.path) if number > self._header_line)
        for position, (number, line) in enumerate(lines):
            if invalid and line == invalid.text.encode():
                width = f"expected {invalid.expected_columns} fields, got {invalid.actual_columns}"
                return f"{self.path}, line {number}", width
            if position == row:
                return f"{self.path}, line {number}", ""
        return f"{self.path}", "expected the same number of fields in every row"


class _ParquetTable:
    """A Parquet file as batches of raw columns; the interface of `_TextTable`."""

    def __init__(self, path: Path):
        self.path = path
        self.invalid_rows = 0
        self.header = str(path)
        with _reading(path):
            self.names = list(pq.read_schema(path).names)

    def batches(self, positions: Sequence[int]) -> Iterator[list[pa.Array]]:
        """Yields the columns at `positions`, binary [rows] each; nulls are empty."""
        names = [self.names[position] for position in positions]
        with _reading(self.path), pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_PARQUET_ROWS, columns=names):
                yield [self._text(name, batch.column(name)) for name in names]

    def _text(self, name: str, array: pa.Array) -> pa.Array:
        try:
            if pa.types.is_dictionary(array.type):
                array = array.dictionary_decode()
            if pa.types.is_temporal(array.type):
                array = array.cast(pa.timestamp("ms"), safe=False)  # Its text is ISO-8601, in UTC.
            if not pa.types.is_binary(array.type):
                array = array.cast(pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise InputError(
                f"{self.path}, column {name!r}: expected text or numbers, got {array.type}"
            ) from error
        return array.cast(pa.binary()).fill_null(b"")

    def locate(self, row: int | None) -> tuple[str, str]:
        """Returns where the row is."""
        return f"{self.path}, row {(row or 0) + 1}", ""


@dataclasses.dataclass
class _Column:
    """One column of a batch: distinct raw values, `codes` into them [cells], what they decode to."""

    name: str | None  # "": the whole line; None: cells go by number of the field in their line.
    raw: pa.Array
    codes: np.ndarray
    values: pa.Array
    checks: list[tuple[pa.Array, str]]
    rows: np.ndarray  # Row of each cell, ascending.

    @classmethod
    def decode(
        cls,
        name: str | None,
        cells: pa.Array,
        decoder: Callable[[pa.Array], Decoded],
        rows: np.ndarray | None = None,
    ) -> "_Column":
        """Decodes text, binary or string [cells], one cell per row unless `rows` is given."""
        encoded = cells.dictionary_encode()
        text = cast_or_null(encoded.dictionary, pa.string())
        values, checks = decoder(text)
        checks = [(text.is_valid(), "UTF-8 text"), *checks]
        rows = np.arange(len(cells)) if rows is None else rows
        return cls(name, encoded.dictionary, encoded.indices.to_numpy(), values, checks, rows)

    def failed(self) -> Iterator[tuple[np.ndarray, str]]:
        """Yields the cells that fail a check, int64 ascending, and what it expects."""
        for passed, expected in self.checks:
            if not pc.all(passed).as_py():
                yield np.flatnonzero(~passed.to_numpy(zero_copy_only=False)[self.codes]), expected

    def numbers(self) -> np.ndarray:
        """Returns the int64 or int32 values [cells], any number for bad ones."""
        return self.values.fill_null(0).to_numpy()[self.codes]

    def describe(self, cell: int) -> tuple[str, str]:
        """Returns the cell's place in its row, for a message, and its shortened value."""
        place = f", column {self.name!r}" if self.name else ""
        if self.name is None:
            place = f", field {cell - np.searchsorted(self.rows, self.rows[cell]) + 1}"
        raw = self.raw[int(self.codes[cell])].as_py()
        text = raw.decode(errors="surrogateescape") if isinstance(raw, bytes) else raw
        return place, reprlib.repr(text if text.isascii() or text.isprintable() else raw)


_Table = _TextTable | _ParquetTable
_Columns = dict[str, _Column]


class _Ids:
    """Gathers ids of one kind, batch by batch, as codes into the batches' distinct values."""

    def __init__(self) -> None:
        self._values: list[pa.Array] = []
        self._codes: list[np.ndarray] = []
        self._offset = 0

    def add(self, values: pa.Array, codes: np.ndarray) -> None:
        self._codes.append(codes + np.int32(self._offset))
        self._values.append(values)
        self._offset += len(values)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the sorted ids that occur and, int32 [rows], the row of each among them."""
        codes, self._codes = np.concatenate(self._codes), []
        values, self._values = pa.chunked_array(self._values), []
        occurs = np.zeros(len(values), bool)
        occurs[codes] = True
        ids = values.filter(pa.array(occurs)).unique()
        keys = ids
        if pa.types.is_string(ids.type):
            integer = pc.match_substring_regex(ids, r"^(0|-?[1-9][0-9]{0,17})$")
            keys = ids.cast(pa.int64()) if pc.all(integer).as_py() else ids
        order = pc.sort_indices(keys)
        rank = pc.index_in(values, value_set=ids.take(order)).fill_null(-1).to_numpy()
        return keys.take(order).to_numpy(zero_copy_only=False), rank[codes]


class _Reader:
    """Reads one file after the other and gathers the kept rows."""

    def __init__(self, options: ReadOptions, behaviors: tuple[str, ...], progress: Callable[[int], None]):
        self.report = ReadReport()
        self._options, self._behaviors, self._progress = options, behaviors, progress
        self._format = FORMATS[options.source]
        # Name in the files -> name in this project.
        self._labels = dict(self._format.behaviors or zip(behaviors, behaviors, strict=True))
        self._labels.update((name, name) for name in self._format.ignored_behaviors)
        self._labels.update((name, name) for name in options.ignore_behaviors)
        self._users, self._items = _Ids(), _Ids()
        self._behavior: list[np.ndarray] = []
        self._times: list[np.ndarray] = []
        self._heldout: list[np.ndarray] = []

    def read(self, file: _File) -> None:
        """Reads `file` and adds its rows to the events and the report."""
        table = self._open(file.path)
        places = {} if self._format.adjacency else self._find_columns(file, table)
        rows = 0
        for cells in table.batches(list(places.values()) or [0]):
            if self._format.adjacency:
                columns = self._decode_lines(cells[0])
            else:
                columns = self._decode_columns(table.names, places, cells)
            kept = self._check(table, columns, len(cells[0]), rows)
            (self._add_lines if self._format.adjacency else self._add_rows)(file, columns, kept)
            rows += len(cells[0])
            self._progress(len(cells[0]))
        if table.invalid_rows:
            if self._options.on_bad_rows == "error":
                raise self._bad_row(*table.locate(None))
            self.report.bad_rows[f"expected {len(table.names)} fields"] += table.invalid_rows
        if not rows + table.invalid_rows:
            raise InputError(f"{file.path}: no rows")
        self.report.rows_read += rows + table.invalid_rows

    def _open(self, path: Path) -> _Table:
        delimiter = self._format.delimiter
        if delimiter is None:
            suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
            if path.suffix.lower() == ".parquet":
                return _ParquetTable(path)
            if suffix not in _DELIMITERS:
                known = _quoted([*_DELIMITERS, ".parquet"])
                raise InputError(f"{path}: expected a file name that ends with one of {known}")
            delimiter = _DELIMITERS[suffix]
        return _TextTable(path, delimiter, self._format.column_names)

    def _find_columns(self, file: _File, table: _Table) -> dict[str, int]:
        """Returns the positions of the needed columns by role: user, item, behavior, timestamp."""
        log_format, chosen = self._format, self._options.columns
        names = [re.sub(r":\w+$", "", name) if log_format.typed_header else name for name in table.names]
        wanted: dict[str, str | int | None] = {
            "user": log_format.user,
            "item": log_format.item,
            "behavior": log_format.behavior if file.behavior is None else None,
            "timestamp": log_format.timestamp,
            **chosen,
        }
        places = {}
        for role, name in wanted.items():
            optional = role == "timestamp" and log_format.free_columns and role not in chosen
            if name is None or not names or (optional and name not in names):
                continue
            if isinstance(name, int) and name < len(names):
                places[role] = name
            elif names.count(name) == 1:
                places[role] = names.index(name)
            else:
                column = (
                    f"{name!r} for the {role}" if isinstance(name, str) else f"{name + 1} with the {role}"
                )
                hint = " (--columns tells which to take)" if log_format.free_columns else ""
                raise InputError(f"{table.header}: expected one column {column}, got {_quoted(names)}{hint}")
        return places

    def _decode_columns(self, names: list[str], places: dict[str, int], cells: list[pa.Array]) -> _Columns:
        labels = pa.array(self._labels, pa.string())
        hint = ", or one in --ignore_behaviors" if self._format.behaviors is None else ""
        known = f"one of {_quoted(self._labels)}{hint}"

        def behaviors(text: pa.Array) -> Decoded:
            values = pc.index_in(text, value_set=labels)
            return values, [(values.is_valid(), known)]

        ids = functools.partial(decode_ids, id_type=self._format.id_type)
        times = functools.partial(
            decode_times, encoding=self._format.time or "unit", unit=self._options.time_unit
        )
        decoders: dict[str, Callable[[pa.Array], Decoded]]
        decoders = {"user": ids, "item": ids, "behavior": behaviors, "timestamp": times}
        return {
            role: _Column.decode(names[place], column, decoders[role])
            for (role, place), column in zip(places.items(), cells, strict=True)
        }

    def _decode_lines(self, lines: pa.Array) -> _Columns:
        text = cast_or_null(lines, pa.string())
        rows = np.arange(len(lines))
        line = _Column("", lines, rows, text, [(text.is_valid(), "UTF-8 text")], rows)
        split = pc.ascii_split_whitespace(text)
        tokens, parents = split.flatten(), pc.list_parent_indices(split)
        present = pc.not_equal(tokens, "")  # Spaces at the ends of a line give empty ones.
        ids = functools.partial(decode_ids, id_type=self._format.id_type)
        rows = parents.filter(present).to_numpy()
        return {"line": line, "token": _Column.decode(None, tokens.filter(present), ids, rows)}

    def _check(self, table: _Table, columns: _Columns, rows: int, before: int) -> np.ndarray:
        """Returns the good rows, bool [rows], after counting the bad ones or raising for the first."""
        kept = np.ones(rows, bool)
        first: tuple[int, int, _Column, str] | None = None
        for column in columns.values():
            for cells, expected in column.failed():
                bad = np.unique(column.rows[cells])
                if fresh := int(kept[bad].sum()):
                    self.report.bad_rows[f"expected {expected}"] += fresh
                kept[bad] = False
                here = (int(bad[0]), int(cells[0]))
                if first is None or here < first[:2]:
                    first = (*here, column, expected)
        if first and self._options.on_bad_rows == "error":
            row, cell, column, expected = first
            place, got = column.describe(cell)
            line, width = table.locate(before + row)
            raise self._bad_row(line, width or f"expected {expected}, got {got}", "" if width else place)
        return kept

    def _bad_row(self, line: str, problem: str, place: str = "") -> InputError:
        return InputError(f"{line}{place}: {problem} (--on_bad_rows=skip drops such rows)")

    def _add_rows(self, file: _File, columns: _Columns, kept: np.ndarray) -> None:
        behavior = np.full(len(kept), self._code(file.behavior), np.int8)
        if "behavior" in columns:
            names = list(self._labels.values())
            label = columns["behavior"].numbers()
            behavior = np.array([self._code(name) for name in names], np.int8)[label]
            ignored = np.bincount(label[kept & (behavior < 0)], minlength=len(names))
            for name, count in zip(names, ignored.tolist(), strict=True):
                if count:
                    self.report.ignored_rows[name] += count
            kept = kept & (behavior >= 0)
        if "timestamp" in columns:
            times = columns["timestamp"].numbers()
            if self._format.time_window:
                start, end = self._format.time_window
                impossible = kept & ((times < start) | (times >= end))
                self.report.impossible_times += int(impossible.sum())
                if self._options.impossible_times == "drop":
                    kept = kept & ~impossible
            self._times.append(times[kept])
        users, items = columns["user"], columns["item"]
        self._users.add(users.values, users.codes[kept])
        self._items.add(items.values, items.codes[kept])
        self._behavior.append(behavior[kept])
        self._heldout.append(np.full(int(kept.sum()), file.heldout))

    def _add_lines(self, file: _File, columns: _Columns, kept: np.ndarray) -> None:
        tokens = columns["token"]
        first = np.diff(tokens.rows, prepend=-1) > 0
        is_item = kept[tokens.rows] & ~first
        user_of_token = tokens.codes[np.flatnonzero(first)][np.cumsum(first) - 1]
        self._users.add(tokens.values, user_of_token[is_item])
        self._items.add(tokens.values, tokens.codes[is_item])
        count = int(is_item.sum())
        self._behavior.append(np.full(count, self._code(file.behavior), np.int8))
        self._heldout.append(np.full(count, file.heldout))

    def _code(self, behavior: str | None) -> int:
        """Returns the position of `behavior`, -1 where it is not selected."""
        return self._behaviors.index(behavior) if behavior in self._behaviors else -1

    def finish(self) -> Events:
        """Returns the events; raises InputError where a selected behavior has none."""
        behavior = np.concatenate([*self._behavior, np.zeros(0, np.int8)])
        heldout = np.concatenate([*self._heldout, np.zeros(0, bool)])
        if not len(behavior):
            raise InputError(f"source {self._options.source}: no rows left of {self.report.rows_read} read")
        for name, count in zip(
            self._behaviors, np.bincount(behavior[~heldout], minlength=len(self._behaviors)), strict=True
        ):
            if not count:
                raise InputError(f"behavior {name!r}: no rows left of {self.report.rows_read} read")
        if self._format.split and not heldout.any():
            raise InputError("heldout: no rows left")
        if self._times and len(self._times) < len(self._behavior):
            raise InputError(f"source {self._options.source}: only some of the files have times")
        users, user = self._users.finish()
        items, item = self._items.finish()
        return Events(
            users=users,
            items=items,
            behaviors=self._behaviors,
            user=user,
            item=item,
            behavior=behavior,
            timestamp=np.concatenate(self._times) if self._times else None,
            heldout=heldout if self._format.split else None,
        )
