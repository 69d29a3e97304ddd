"""DuckDB sessions: bounded in memory, with a place to spill that is removed, and arrays in and out."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from nmtr_tf.errors import InputError
from nmtr_tf.folders import passing_directory

Connection = duckdb.DuckDBPyConnection


@contextlib.contextmanager
def session(memory_mb: int = 0, spill_dir: str | Path | None = None) -> Iterator[Connection]:
    """Yields a database in memory.

    Args:
        memory_mb: Memory that its tables may take, in MiB; what is more spills. 0: DuckDB's own limit.
        spill_dir: Directory in which a temporary one takes what spills; None: that of the system.

    Raises:
        InputError: If `memory_mb` is too little, or the disk is full.
        OSError: If `spill_dir` cannot be written.
    """
    with passing_directory(spill_dir or tempfile.gettempdir(), "spill") as folder:
        config: dict = {"temp_directory": str(folder), "autoinstall_known_extensions": "false"}
        if memory_mb:
            config["memory_limit"] = f"{memory_mb}MiB"
        with duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")  # it would draw over a command's own
            try:
                yield connection
            except duckdb.OutOfMemoryException as error:
                first = str(error).splitlines()[0]
                raise InputError(
                    f"`memory_mb={memory_mb}` does not do here, with {folder}: {first}"
                ) from error
            except duckdb.IOException as error:
                raise InputError(f"{folder}: {str(error).splitlines()[0]}") from error


def literal(text: str) -> str:
    """Text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """A name as SQL quotes it."""
    return '"' + text.replace('"', '""') + '"'


def arrays(connection: Connection, query: str) -> dict[str, np.ndarray]:
    """The columns of a query without nulls; text as str (object)."""
    columns = connection.execute(query).fetchnumpy()
    return {key: np.asarray(column) for key, column in columns.items()}


def batches(connection: Connection, query: str) -> pa.RecordBatchReader:
    """The rows of a query, some at a time."""
    # By the C interface, as DuckDB's own method has another name in each of the versions that are allowed.
    return pa.RecordBatchReader.from_stream(connection.sql(query))


def large_arrays(connection: Connection, query: str, count: int) -> dict[str, np.ndarray]:
    """The columns of a query of numbers without nulls that has `count` rows, in memory but once.

    `arrays` has the parts of a column beside the whole, which is twice the memory.
    """
    found = batches(connection, query)
    kinds = [field.type.to_pandas_dtype() for field in found.schema]
    columns = {key: np.empty(count, kind) for key, kind in zip(found.schema.names, kinds, strict=True)}
    start = 0
    for batch in found:
        for key, column in columns.items():
            column[start : start + len(batch)] = batch[key].to_numpy(zero_copy_only=False)
        start += len(batch)
    assert start == count
    return columns


def rows(connection: Connection, query: str) -> list[tuple]:
    """The rows of a query."""
    return connection.execute(query).fetchall()


def value(connection: Connection, query: str):
    """The first column of the one row of a query."""
    return rows(connection, query)[0][0]
