"""Parquet files as batches of raw columns."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.data.sources import reading
from nmtr_tf.errors import InputError

_ROWS = 1 << 18


class ParquetTable:
    """A Parquet file; the interface of `nmtr_tf.data.tables.TextTable`."""

    def __init__(self, path: Path):
        """Reads the schema.

        Raises:
            InputError: The file cannot be read.
        """
        self.path = path
        self.header = str(path)
        self.invalid_rows = 0
        with reading(path):
            self._schema = pq.read_schema(path)
        self.names: list[str] = list(self._schema.names)

    def batches(self, places: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
        """Reads columns as text, nulls as empty; see `TextTable.batches`.

        Raises:
            InputError: The file cannot be read, or a column holds something else than text, numbers
                or times, or ids that are not whole numbers.
        """
        for role in ("user", "item"):
            if role in places:
                self._check_ids(places[role])
        names = [self.names[position] for position in places.values()]
        with reading(self.path), pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_ROWS, columns=names):
                cells = [self._text(name, batch.column(name)) for name in names]
                yield pa.RecordBatch.from_arrays(cells, names=list(places))

    def _check_ids(self, position: int) -> None:
        kind = self._schema.field(position).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            where = f"{self.path}, column {self.names[position]!r}"
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
                f"{self.path}, column {name!r}: expected text or numbers, got {array.type}"
            ) from error
        return array.cast(pa.binary()).fill_null(b"")

    def locate(self, row: int | None) -> tuple[str, str]:
        """Finds a row; see `TextTable.locate`."""
        return f"{self.path}, row {(row or 0) + 1}", ""
