"""Delimited text files as batches of text with row numbers, and where in the file a row is.

Arrow reads them, not DuckDB, whose reader cannot say on which line a row is, ends at mixed line ends, and
takes twice the processor time.
"""

import codecs
import csv as text_csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from nmtr_tf.data.logs.cells import as_utf8, latin_as_utf8
from nmtr_tf.data.logs.files import reading
from nmtr_tf.errors import InputError

BLOCK_BYTES = 1 << 23
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

    def __init__(self, path: Path, delimiter: str, names: Sequence[str] | None, encoding: str = "utf-8"):
        """Reads the header, or takes `names` for a file without.

        Args:
            path: The file, perhaps compressed.
            delimiter: Between fields; of several characters, the one that the first line has most of.
            names: Of the columns of a file without a header, else None.
            encoding: "utf-8", or what else the bytes are.

        Raises:
            InputError: The file cannot be read, or its header is not of the encoding.
        """
        self.name, self._path = str(path), path
        self.invalid_rows = 0
        self._first_invalid: csv.InvalidRow | None = None
        # UTF-8 is read as Latin-1, which any bytes are, so that what is not UTF-8 becomes a bad cell, or a
        # bad row, rather than a failure.
        self._is_utf8 = codecs.lookup(encoding).name == "utf-8"  # "utf8", "UTF-8", ...
        self._encoding = "latin-1" if self._is_utf8 else encoding
        with reading(path):
            number, line = next(self._lines(), (0, ""))
        self._delimiter = max(delimiter, key=line.count)
        self._quote = '"' if self._delimiter in ",;|" else False
        self._header_line = number if names is None else 0
        self.header = f"{path}, line {self._header_line}"
        names = self._split_header(line) if names is None else names
        # Without any line, so that Arrow is not asked to read a file of 0 bytes: it refuses.
        self.names = list(names) if line else []

    def _split_header(self, line: str) -> list[str]:
        if self._is_utf8:
            raw = line.encode("latin-1")
            try:
                line = raw.decode()
            except UnicodeDecodeError as error:
                encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
                hint = f"(`encoding={encoding}` may be what it is)"
                raise InputError(f"{self.header}: expected UTF-8 text, got {raw[:20]!r} {hint}") from error
        if self._quote and '"' in line:
            return next(text_csv.reader([line], delimiter=self._delimiter))
        return line.split(self._delimiter)

    def batches(self, places: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
        """Reads columns.

        Args:
            places: Name in the batches -> position in the file.

        Yields:
            Batches of "row", int64 from 0, and text columns, null where a cell is not UTF-8; without the
            rows that have another number of fields.

        Raises:
            InputError: The file cannot be read.
        """
        row = 0
        for cells in self._cells(list(places.values())):
            texts = [as_utf8(column) if self._is_utf8 else column for column in cells]
            numbers = pa.array(np.arange(row, row + len(texts[0])))
            yield pa.RecordBatch.from_arrays([numbers, *texts], names=["row", *places])
            row += len(texts[0])

    def _cells(self, places: list[int]) -> Iterator[list[pa.Array]]:
        if not self.names:
            return
        # Columns go by position, as names may occur twice.
        positions = [str(position) for position in range(len(self.names))]
        columns = [str(place) for place in places]
        options = {
            "read_options": csv.ReadOptions(
                column_names=positions, skip_rows=self._header_line, block_size=BLOCK_BYTES
            ),
            "parse_options": csv.ParseOptions(
                delimiter=self._delimiter,
                quote_char=self._quote,
                invalid_row_handler=self._skip,
                newlines_in_values=self._has_long_cells(),
            ),
            "convert_options": csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), include_columns=list(dict.fromkeys(columns))
            ),
        }
        with (
            reading(self._path),
            self._open() as raw,
            self._transcoded(raw) as stream,
        ):
            _KEPT.append((stream, options["parse_options"]))
            for batch in csv.open_csv(stream, **options):
                yield [batch.column(column) for column in columns]

    def _transcoded(self, raw: pa.NativeFile) -> pa.NativeFile:
        """The bytes of the file as UTF-8."""
        if self._is_utf8:
            return pa.TransformInputStream(raw, latin_as_utf8)
        return pa.transcoding_input_stream(raw, self._encoding, "utf8")

    def _has_long_cells(self) -> bool:
        """Whether quoted cells near the start go over lines."""
        if not self._quote:
            return False
        with reading(self._path), self._open() as raw:
            start = raw.read(1 << 24).decode(self._encoding, errors="replace")
        if '"' not in start:
            return False
        lines = start.splitlines(keepends=True)[:-1]
        reader = text_csv.reader(lines, delimiter=self._delimiter)
        wide = len(self.names)
        before = 0
        for fields in reader:
            if reader.line_num > before + 1:
                return len(fields) == wide
            before = reader.line_num
        return False

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
        for position, (number, line) in enumerate(self._records()):
            if invalid and line == invalid.text:
                fields = f"expected {invalid.expected_columns} fields, got {invalid.actual_columns}"
                return f"{self._path}, line {number}", fields
            if position == row:
                return f"{self._path}, line {number}", ""
        return f"{self._path}", "expected the same number of fields in every row"

    def raw_cell(self, row: int, place: int) -> bytes:
        """The bytes of a cell that is not UTF-8."""
        for (cells,) in self._cells([place]):
            if row < len(cells):
                return cells[row].as_py().encode("latin-1")
            row -= len(cells)
        raise IndexError(row)

    def _records(self) -> Iterator[tuple[int, str]]:
        """Yields rows as they stand in the file, and the number of their first line."""
        lines = ((number, line) for number, line in self._lines() if number > self._header_line)
        if not self._has_long_cells():
            yield from lines
            return
        number, text = 0, ""
        for place, line in lines:
            number, text = (number, f"{text}\n{line}") if text else (place, line)
            if text.count('"') % 2 == 0:
                yield number, text
                text = ""

    def _open(self) -> pa.NativeFile:
        """Opens the bytes of the file, unpacked, after the byte order mark of UTF-8 if there is one."""
        mark = b"\xef\xbb\xbf"
        with pa.input_stream(str(self._path), compression="detect") as stream:
            marked = self._is_utf8 and stream.read(len(mark)) == mark
        stream = pa.input_stream(str(self._path), compression="detect")
        if marked:
            stream.read(len(mark))
        return stream

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Yields the lines that are not empty, without their ends, and their numbers from 1."""
        with io.TextIOWrapper(self._open(), encoding=self._encoding) as text:
            for number, line in enumerate(text, 1):
                if content := line.rstrip("\n"):
                    yield number, content

    def start(self, count: int) -> list[str]:
        """The first lines that are not empty."""
        with reading(self._path):
            return [line for _, line in itertools.islice(self._lines(), count)]
