"""Locks between processes and threads, which end with whoever has them, however that ends."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from nmtr_tf.errors import InputError


@contextlib.contextmanager
def held(path: Path, wait: float = 0) -> Iterator[None]:
    """Holds a lock: that of SQLite on an empty file, which is the same on every system.

    Raises:
        InputError: If somebody else has had it for `wait` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, wait, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise InputError(f"{path}: locked by another process for more than {wait} seconds.") from None
        yield


def is_free(path: Path) -> bool:
    """Whether nobody has a lock."""
    try:
        with held(path):
            return True
    except InputError:
        return False
