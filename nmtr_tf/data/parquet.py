"""Parquet files whose pages carry checksums, so that a changed bit is found."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file
from nmtr_tf.schema import reason

TEXT, INTEGER, TIME = "text", "whole numbers", "times"
"""Kinds of columns."""


def _is_text(kind: pa.DataType) -> bool:
    own = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(own) or pa.types.is_large_string(own)


_KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    TEXT: _is_text,
    INTEGER: pa.types.is_integer,
    TIME: pa.types.is_timestamp,
}


def write_table(table: pa.Table, path: str | Path) -> None:
    """Writes a Parquet file whole or not at all."""
    with new_file(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def read_table(
    path: str | Path, columns: Mapping[str, Sequence[str]], mend: str = "run prepare again"
) -> pa.Table:
    """Reads a Parquet file; texts in it are checked to be UTF-8.

    Args:
        path: The file.
        columns: Name of a column that there has to be, without empty places -> the kinds it may be of.
        mend: What to do where it is damaged.

    Raises:
        InputError: If it is missing or damaged, no Parquet file, or has other columns.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        table.validate(full=True)
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # Arrow has several
        why = "no such file" if isinstance(error, FileNotFoundError) else reason(error)
        raise InputError(f"{path}: expected a whole Parquet file: {why}; {mend}.") from None
    for name, kinds in columns.items():
        if table.column_names.count(name) != 1:
            raise InputError(
                f"{path}: expected a column {name!r}. Found: {', '.join(table.column_names)}; {mend}."
            )
        kind = table.schema.field(name).type
        if not any(_KINDS[one](kind) for one in kinds) or table[name].null_count:
            found = "empty places" if table[name].null_count else kind
            raise InputError(
                f"{path}: the column {name!r} should be {' or '.join(kinds)}. Found: {found}; {mend}."
            )
    return table
