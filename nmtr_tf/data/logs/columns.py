"""Decoded columns of one batch, which know their bad cells and how to show them."""

import dataclasses
import reprlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.data.logs.decoding import Decoder, cast_or_null, id_decoder


@dataclasses.dataclass(frozen=True)
class Column:
    """One decoded column of a batch.

    Attributes:
        name: Name for messages; "": the cells are whole lines; None: they are the fields of lines.
        raw: Binary or string [distinct], the distinct texts.
        codes: int32 or int64 [cells], positions in `raw`.
        values: What `raw` decodes to [distinct], null where it does not.
        checks: Pairs of a mask, bool [distinct], of the texts that pass, and what is expected.
        rows: int64 [cells], ascending: the row of each cell.
    """

    name: str | None
    raw: pa.Array
    codes: np.ndarray
    values: pa.Array
    checks: list[tuple[pa.Array, str]]
    rows: np.ndarray

    @classmethod
    def decode(
        cls, name: str | None, cells: pa.Array, decoder: Decoder, rows: np.ndarray | None = None
    ) -> "Column":
        """Decodes text, binary or string [cells], one cell per row unless `rows` is given."""
        encoded = cells.dictionary_encode()
        text = cast_or_null(encoded.dictionary, pa.string())
        values, checks = decoder(text)
        checks = [(text.is_valid(), "UTF-8 text"), *checks]
        rows = np.arange(len(cells)) if rows is None else rows
        return cls(name, encoded.dictionary, encoded.indices.to_numpy(), values, checks, rows)

    def failed(self) -> Iterator[tuple[np.ndarray, str]]:
        """Yields, per check that fails, the cells that fail it, int64 ascending, and what it expects."""
        for passed, expected in self.checks:
            if not pc.all(passed, min_count=0).as_py():
                yield np.flatnonzero(~passed.to_numpy(zero_copy_only=False)[self.codes]), expected

    def numbers(self) -> np.ndarray:
        """Returns the int64 or int32 values [cells], any number for bad ones."""
        return self.values.fill_null(0).to_numpy()[self.codes]

    def place(self, cell: int) -> str:
        """Returns where the cell is in its row, for a message that names the row."""
        if self.name is None:
            return f", field {cell - np.searchsorted(self.rows, self.rows[cell]) + 1}"
        return f", column {self.name!r}" if self.name else ""

    def shown(self, cell: int) -> str:
        """Returns the text of the cell, shortened, for a message."""
        raw = self.raw[int(self.codes[cell])].as_py()
        text = raw.decode(errors="surrogateescape") if isinstance(raw, bytes) else raw
        return reprlib.repr(text if text.isascii() or text.isprintable() else raw)


def decode_lines(lines: pa.Array, id_type: str) -> tuple[Column, Column]:
    """Decodes lines of ids between spaces.

    Args:
        lines: Binary [rows].
        id_type: See `Format.id_type`.

    Returns:
        The lines and their ids.
    """
    line = Column.decode("", lines, lambda text: (text, []))
    split = pc.ascii_split_whitespace(line.values.take(pa.array(line.codes)))
    ids, rows = split.flatten(), pc.list_parent_indices(split)
    present = pc.not_equal(ids, "")  # Spaces at the ends of a line give empty ones.
    rows = rows.filter(present).to_numpy()
    return line, Column.decode(None, ids.filter(present), id_decoder(id_type), rows)
