"""Rows of vocabularies that occur in columns, counted and numbered without gaps.

Columns are worked on piece by piece: NumPy makes int64 of what it indexes with, which for a whole column is
twice its memory.
"""

from collections.abc import Iterator

import numpy as np

_PIECE = 1 << 20


def _pieces(count: int) -> Iterator[slice]:
    return (slice(start, start + _PIECE) for start in range(0, count, _PIECE))


def present(rows: np.ndarray, size: int) -> np.ndarray:
    """Which of `size` numbers occur in `rows` (integers [n]): bool [size]."""
    found = np.zeros(size, bool)
    for piece in _pieces(len(rows)):
        found[rows[piece]] = True
    return found


def counts(rows: np.ndarray, size: int) -> np.ndarray:
    """How often each of `size` numbers occurs in `rows` (integers [n]): int64 [size]."""
    found = np.zeros(size, np.int64)
    for piece in _pieces(len(rows)):
        found += np.bincount(rows[piece], minlength=size)
    return found


def of_rows(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The entries of a table at `rows` (integers [n]): [n]."""
    found = np.empty(len(rows), table.dtype)
    for piece in _pieces(len(rows)):
        np.take(table, rows[piece], out=found[piece])
    return found


def close_gaps(rows: np.ndarray, size: int) -> np.ndarray:
    """Numbers in place what occurs in `rows`, int32 [n] below `size`, from 0 on in the same order.

    Returns:
        What had the numbers before: int64 [num_present].
    """
    found = present(rows, size)
    numbers = np.cumsum(found, dtype=np.int32) - np.int32(1)
    for piece in _pieces(len(rows)):
        rows[piece] = numbers[rows[piece]]
    return np.flatnonzero(found)
