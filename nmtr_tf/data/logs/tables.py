"""Text files as batches of raw columns, and where in the file a row of them is; the tables of all files."""

import csv as text_csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from nmtr_tf.data.logs.files import reading
from nmtr_tf.data.logs.formats import Format
from nmtr_tf.data.logs.sources import is_frame, quoted
from nmtr_tf.data.logs.typed import FrameTable, ParquetTable, TypedTable
from nmtr_tf.errors import InputError

BLOCK_BYTES = 1 << 23
_DELIMITERS = {".csv": ",;", ".tsv": "\t", ".txt": "\t", ".tab": "\t"}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_KEPT: list[object] = []
"""What Arrow's threads call Python through. Who lets go of it last needs Python's lock; where that is a
thread while Python exits, as after a file without rows, the process is aborted. So this list lets go last."""


class TextTable:
    """A delimited text file.

    Attributes:
        name: What is read, for messages.
        header: Where the names are, for messages.
        names: Names of the columns; none where the file has no line.
        invalid_rows: Rows with another number of fields that the batches up to now left out.
    """

    def __init__(self, path: Path, delimiter: str, names: Sequence[str] | None):
        """Reads the header, or takes `names` for a file without.

        Args:
            path: The file.
            delimiter: Between fields; of several characters, the one that the first line has most of.
            names: Of the columns of a file without a header, else None.

        Raises:
            InputError: The file cannot be read, or its header is not UTF-8.
        """
        self.name, self._path = str(path), path
        self.invalid_rows = 0
        self._first_invalid: csv.InvalidRow | None = None
        with reading(path):
            number, line = next(_lines(path), (0, b""))
        self._delimiter = max(delimiter, key=line.decode("latin-1").count)
        self._quote = '"' if self._delimiter in ",;" else False
        self._header_line = number if names is None else 0
        self.header = f"{path}, line {self._header_line}"
        names = self._split_header(line) if names is None else names
        # Without any line, so that Arrow is not asked to read a file of 0 bytes: it refuses.
        self.names = list(names) if line else []

    def _split_header(self, line: bytes) -> list[str]:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{self.header}: expected UTF-8 text, got {line[:20]!r}") from error
        if self._quote and '"' in text:
            return next(text_csv.reader([text], delimiter=self._delimiter))
        return text.split(self._delimiter)

    def batches(self, places: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
        """Reads columns.

        Args:
            places: Name in the batches -> position in the file.

        Yields:
            Batches of binary columns, without the rows that have another number of fields.

        Raises:
            InputError: The file cannot be read.
        """
        if not self.names:
            return
        # Columns go by position, as names may occur twice. They are read as Latin-1, which any bytes
        # are, so that what is not UTF-8 becomes a bad cell, or a bad row, rather than a failure.
        positions = [str(position) for position in range(len(self.names))]
        columns = [str(position) for position in places.values()]
        options = {
            "read_options": csv.ReadOptions(
                column_names=positions,
                skip_rows=self._header_line,
                block_size=BLOCK_BYTES,
            ),
            "parse_options": csv.ParseOptions(
                delimiter=self._delimiter, quote_char=self._quote, invalid_row_handler=self._skip
            ),
            "convert_options": csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), include_columns=list(dict.fromkeys(columns))
            ),
        }
        with (
            reading(self._path),
            _open(self._path) as raw,
            pa.transcoding_input_stream(raw, "latin-1", "utf8") as stream,
        ):
            _KEPT.append((stream, options["parse_options"]))
            for batch in csv.open_csv(stream, **options):
                cells = [_encode_latin1(batch.column(column)) for column in columns]
                yield pa.RecordBatch.from_arrays(cells, names=list(places))

    def _skip(self, row: csv.InvalidRow) -> str:
        self._first_invalid = self._first_invalid or row
        self.invalid_rows += 1
        return "skip"

    def locate(self, row: int | None) -> tuple[str, str]:
        """Finds the line of a row, or of the first row with another number of fields if that comes before.

        Args:
            row: Position among the rows of the batches, or None for none of them.

        Returns:
            Where it is, and what is wrong with its number of fields, or "".
        """
        invalid = self._first_invalid
        lines = ((number, line) for number, line in _lines(self._path) if number > self._header_line)
        for position, (number, line) in enumerate(lines):
            if invalid and line == invalid.text.encode("latin-1"):
                fields = f"expected {invalid.expected_columns} fields, got {invalid.actual_columns}"
                return f"{self._path}, line {number}", fields
            if position == row:
                return f"{self._path}, line {number}", ""
        return f"{self._path}", "expected the same number of fields in every row"


Table = TextTable | TypedTable


def open_table(content: Any, log_format: Format) -> Table:
    """Opens a file or a data frame.

    Args:
        content: Path or pandas DataFrame.
        log_format: How a file looks.

    Raises:
        InputError: The suffix is unknown, or the start of the file cannot be read.
    """
    if is_frame(content):
        return FrameTable(content)
    if log_format.read is not None:
        return _own_table(content, log_format.read)
    path: Path = content
    delimiter = log_format.delimiter
    if delimiter is None and path.suffix.lower() == ".parquet":
        return ParquetTable(path)
    return TextTable(path, delimiter or _delimiter_of(path), log_format.column_names)


def _own_table(path: Path, read: Callable[[Path], Any]) -> FrameTable:
    try:
        frame = read(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read: {(str(error).splitlines() or [''])[0]}") from error
    if not is_frame(frame):
        got = type(frame).__name__
        raise InputError(f"{path}: expected a pandas DataFrame from `read` of its format, got {got}")
    return FrameTable(frame, str(path))


def _delimiter_of(path: Path) -> str:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in _DELIMITERS:
        known = quoted([*_DELIMITERS, ".parquet"])
        raise InputError(f"{path}: expected a file name that ends with one of {known}")
    return _DELIMITERS[suffix]


def _open(path: Path) -> pa.NativeFile:
    """Opens the bytes of a file, unpacked, after the byte order mark if there is one."""
    with pa.input_stream(str(path), compression="detect") as stream:
        marked = stream.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK
    stream = pa.input_stream(str(path), compression="detect")
    if marked:
        stream.read(len(_BYTE_ORDER_MARK))
    return stream


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not empty, without their ends, and their numbers from 1."""
    # Latin-1 maps every byte to one character, and splitting text knows all line ends.
    with io.TextIOWrapper(_open(path), encoding="latin-1") as text:
        for number, line in enumerate(text, 1):
            if content := line.rstrip("\n").encode("latin-1"):
                yield number, content


def _encode_latin1(text: pa.Array) -> pa.Array:
    """Encodes strings as Latin-1, to binary; ASCII is that already."""
    if pc.all(pc.string_is_ascii(text)).as_py():
        return text.cast(pa.binary())
    encoded = text.dictionary_encode()
    distinct = [value.encode("latin-1") for value in encoded.dictionary.to_pylist()]
    return pa.array(distinct, pa.binary()).take(encoded.indices)
