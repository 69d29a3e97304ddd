"""Typed columns, of a Parquet file or a data frame, as batches of raw columns."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nmtr_tf.data.logs.files import reading
from nmtr_tf.errors import InputError

_ROWS = 1 << 18


class TypedTable:
    """A table whose columns have types; the interface of `nmtr_tf.data.logs.tables.TextTable`.

    A subclass says what the types are (`_type`) and gives the columns (`_batches`).

    Attributes:
        name: What is read, for messages.
        header: Where the names of the columns are, for messages.
        names: Names of the columns.
        invalid_rows: Rows with another number of fields, which there are none of.
    """

    def __init__(self, name: str, names: Sequence[str]):
        self.name = self.header = name
        self.names = list(names)
        self.invalid_rows = 0

    def batches(self, places: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
        """Reads columns as text, nulls as empty; see `TextTable.batches`.

        Raises:
            InputError: The table cannot be read, or a column holds something else than text, numbers
                or times, or ids that are not whole numbers.
        """
        for role in ("user", "item"):
            if role in places:
                self._check_ids(places[role])
        for columns in self._batches(list(places.values())):
            cells = [
                self._text(self.names[place], column)
                for place, column in zip(places.values(), columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(cells, names=list(places))

    def locate(self, row: int | None) -> tuple[str, str]:
        """Finds a row; see `TextTable.locate`."""
        return f"{self.name}, row {(row or 0) + 1}", ""

    def _type(self, position: int) -> pa.DataType:
        raise NotImplementedError

    def _batches(self, positions: list[int]) -> Iterator[list[pa.Array]]:
        raise NotImplementedError

    def _check_ids(self, position: int) -> None:
        kind = self._type(position)
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            where = f"{self.name}, column {self.names[position]!r}"
            raise InputError(f"{where}: expected ids as text or integers, got {kind}")

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
                f"{self.name}, column {name!r}: expected text or numbers, got {array.type}"
            ) from error
        return array.cast(pa.binary()).fill_null(b"")


class ParquetTable(TypedTable):
    """A Parquet file."""

    def __init__(self, path: Path):
        """Reads the schema.

        Raises:
            InputError: The file cannot be read.
        """
        with reading(path):
            self._schema = pq.read_schema(path)
        super().__init__(str(path), self._schema.names)
        self._path = path

    def _type(self, position: int) -> pa.DataType:
        return self._schema.field(position).type

    def _batches(self, positions: list[int]) -> Iterator[list[pa.Array]]:
        names = [self.names[position] for position in positions]
        with reading(self._path), pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(_ROWS, columns=names):
                yield [batch.column(name) for name in names]


class FrameTable(TypedTable):
    """A pandas data frame; only the columns that are asked for are looked at."""

    def __init__(self, frame: Any, name: str = "data frame"):
        super().__init__(name, [str(column) for column in frame.columns])
        self._frame = frame
        self._columns: dict[int, pa.ChunkedArray] = {}

    def _type(self, position: int) -> pa.DataType:
        return self._column(position).type

    def _check_ids(self, position: int) -> None:
        self._columns[position] = _whole_where_missing(self._column(position))
        super()._check_ids(position)

    def _column(self, position: int) -> pa.ChunkedArray:
        if position not in self._columns:
            series = self._frame.iloc[:, position]
            try:
                column = pa.array(series, from_pandas=True)
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                kinds = ", ".join(sorted({type(value).__name__ for value in series.dropna()}))
                raise InputError(
                    f"{self.name}, column {self.names[position]!r}: expected text, numbers or times, all of "
                    f"one kind, got {kinds}"
                ) from error
            chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
            self._columns[position] = pa.chunked_array(chunks, column.type)
        return self._columns[position]

    def _batches(self, positions: list[int]) -> Iterator[list[pa.Array]]:
        table = pa.table([self._column(position) for position in positions], [str(p) for p in positions])
        for batch in table.to_batches(_ROWS):
            yield batch.columns


def _whole_where_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Integers that pandas turned into floats because some are missing, as integers and nulls."""
    if not (pa.types.is_floating(column.type) and column.null_count):
        return column
    exact = pc.all(pc.less(pc.abs(column.cast(pa.float64())), 2.0**53), min_count=0).as_py()
    try:
        return column.cast(pa.int64()) if exact else column
    except pa.ArrowInvalid:  # fractions
        return column
