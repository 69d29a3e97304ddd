"""The inverse of a large positive definite matrix in its own memory, and whether float32 solved equations."""

import numpy as np
from scipy.linalg import lapack

_AT_ONCE = 16_384
"""Rows that LAPACK gets at once: OpenBLAS 0.3.30 inverts 23,500 and crashes at 29,858, in its `spotrf`."""

_COLUMNS = 2048
"""Columns of a product that are held at once."""

TOLERANCE = 1e-3
"""Share of the right side that a solution may miss: more, and lambda is too small for float32."""
ROUNDING = 1e-6
"""Share of a float32 number that several roundings take."""


def invert(matrix: np.ndarray, at_once: int = _AT_ONCE) -> None:
    """Puts the inverse in place of a matrix.

    A larger one, [A, C'; C, D], is halved: with Y = C A^-1 and the Schur complement S = D - Y C' its inverse
    is [A^-1 + Y' S^-1 Y, -Y' S^-1; -S^-1 Y, S^-1], symmetric but for rounding.

    Args:
        matrix: float32 [n, n], symmetric and positive definite, column by column (order "F").
        at_once: Rows of a matrix that is not halved.

    Raises:
        np.linalg.LinAlgError: If it is not positive definite in float32.
    """
    size = len(matrix)
    if size <= at_once:
        _invert_at_once(matrix)
        return
    half = size // 2
    first, across, rest = matrix[:half, :half], matrix[half:, :half], matrix[half:, half:]
    invert(first, at_once)
    product = across @ first
    for own in _parts(size - half):
        rest[:, own] -= product @ across[own].T
    invert(rest, at_once)
    for own in _parts(half):
        across[:, own] = -(rest @ product[:, own])
    for own in _parts(half):
        first[:, own] -= product.T @ across[:, own]
    matrix[:half, half:] = across.T


def _parts(size: int) -> list[slice]:
    return [slice(start, start + _COLUMNS) for start in range(0, size, _COLUMNS)]


def _invert_at_once(matrix: np.ndarray) -> None:
    factor, failed = lapack.spotrf(matrix, lower=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("The matrix has no inverse in float32.")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    for j in range(len(inverse)):  # LAPACK leaves the other triangle alone
        inverse[j, j + 1 :] = inverse[j + 1 :, j]
    if not np.may_share_memory(inverse, matrix):  # of a part of a larger one
        matrix[:] = inverse


def check_solved(found: np.ndarray, wanted: np.ndarray, rounding: float = 0.0) -> None:
    """Refuses a left side of equations that misses the right side by more than the tolerance.

    Args:
        found: The left side.
        wanted: The right side.
        rounding: How far the right side itself may be off.

    Raises:
        np.linalg.LinAlgError: If it does.
    """
    allowed = TOLERANCE * np.linalg.norm(wanted) + rounding
    if not np.linalg.norm(found - wanted) <= allowed:  # nor is NaN allowed
        raise np.linalg.LinAlgError("The least squares have no solution in float32.")
