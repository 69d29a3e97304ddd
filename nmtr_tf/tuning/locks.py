"""Locks between processes and threads, which end with whoever has them, however that ends."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from nmtr_tf.errors import InputError

_REFUSALS = {"disk is full": errno.ENOSPC, "disk I/O error": errno.EIO, "readonly database": errno.EROFS}
"""What SQLite says where it cannot write, in words alone."""


@contextlib.contextmanager
def held(path: Path, wait: float = 0) -> Iterator[None]:
    """Holds a lock: that of SQLite on an empty file, which is the same on every system.

    Raises:
        InputError: If somebody else has had it for `wait` seconds.
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, wait, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if code := refusal(str(error)):
                raise OSError(code, os.strerror(code), str(path)) from error
            raise InputError(f"{path}: locked by another process for more than {wait} seconds.") from None
        yield


def is_free(path: Path) -> bool:
    """Whether nobody has a lock."""
    try:
        with held(path):
            return True
    except InputError:
        return False


def refusal(text: str) -> int | None:
    """The system's number of what SQLite says it could not write for; None: it says something else."""
    return next((code for words, code in _REFUSALS.items() if words in text), None)
