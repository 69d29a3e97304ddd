"""Locks between processes and threads, which end with whoever has them, however that ends."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from nmtr_tf.errors import InputError

DISK_FULL = "disk is full"
"""What SQLite says, in words alone."""


@contextlib.contextmanager
def held(path: Path, wait: float = 0) -> Iterator[None]:
    """Holds a lock: that of SQLite on an empty file, which is the same on every system.

    Raises:
        InputError: If somebody else has had it for `wait` seconds.
        OSError: If the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, wait, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if DISK_FULL in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise InputError(f"{path}: locked by another process for more than {wait} seconds.") from None
        yield


def is_free(path: Path) -> bool:
    """Whether nobody has a lock."""
    try:
        with held(path):
            return True
    except InputError:
        return False
