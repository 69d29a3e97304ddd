"""What of the held-out pairs is still in the training data, and how to take it out."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from nmtr_tf.data.matrices import BehaviorMatrices


def pair_keys(users: np.ndarray, items: np.ndarray, num_items: int) -> np.ndarray:
    """One int64 per (user, item) pair, in row-major order of the user-item matrix."""
    return users.astype(np.int64) * num_items + items


def matrix_keys(matrix: sparse.csr_array) -> np.ndarray:
    """`pair_keys` of the nonzero entries of a matrix: int64 [nnz], sorted where its indices are."""
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return pair_keys(users, matrix.indices, matrix.shape[1])


def contained(pairs: np.ndarray, matrix: sparse.csr_array) -> np.ndarray:
    """Which pairs are nonzero in the matrix.

    Args:
        pairs: int32 [num_pairs, 2] of (user, item) rows.
        matrix: [num_users, num_items] with sorted indices.

    Returns:
        bool [num_pairs].
    """
    keys = matrix_keys(matrix)
    wanted = pair_keys(pairs[:, 0], pairs[:, 1], matrix.shape[1])
    positions = np.searchsorted(keys, wanted)
    found = np.zeros(len(wanted), bool)
    inside = positions < len(keys)
    found[inside] = keys[positions[inside]] == wanted[inside]
    return found


def leaks(
    held_out: Mapping[str, np.ndarray], matrices: Mapping[str, sparse.csr_array]
) -> dict[str, dict[str, np.ndarray]]:
    """Which held-out pairs the training rows of each behavior still hold.

    Args:
        held_out: Split name -> int32 [num_pairs, 2].
        matrices: Behavior name -> [num_users, num_items] with sorted indices.

    Returns:
        Split name -> behavior name -> bool [num_pairs].
    """
    return {
        split: {name: contained(pairs, matrix) for name, matrix in matrices.items()}
        for split, pairs in held_out.items()
    }


def without(matrix: sparse.csr_array, pairs: np.ndarray) -> sparse.csr_array:
    """The matrix with the pairs (int32 [num_pairs, 2]) taken out."""
    keys = matrix_keys(matrix)
    return matrix_of(keys[~np.isin(keys, pair_keys(pairs[:, 0], pairs[:, 1], matrix.shape[1]))], matrix.shape)


def distinct(keys: np.ndarray) -> np.ndarray:
    """The distinct values of some integers [n], ascending.

    `np.unique` hashes them, which takes ten times as long where they come in ascending runs, as keys do.
    """
    ascending = np.sort(keys, kind="stable")
    new = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return ascending[new]


def all_as_one(view: BehaviorMatrices) -> sparse.csr_array:
    """Binary CSR [num_users, num_items] of the pairs that any behavior has in training."""
    keys = [matrix_keys(matrix) for matrix in view.matrices.values()]
    return matrix_of(np.concatenate(keys), view.target.shape)


def histories_of(view: BehaviorMatrices) -> sparse.csr_array:
    """What every user did: the entries of `all_as_one`, int32; bit s is 1 where he showed behavior s."""
    found = all_as_one(view).astype(np.int32)
    found.data[:] = 0
    keys = matrix_keys(found)
    for s, matrix in enumerate(view.matrices.values()):
        found.data[np.searchsorted(keys, matrix_keys(matrix))] |= 1 << s
    return found


def united(matrix: sparse.csr_array, other: sparse.csr_array) -> sparse.csr_array:
    """The binary matrix of the entries of either."""
    if not other.nnz:
        return matrix
    return matrix_of(np.concatenate([matrix_keys(matrix), matrix_keys(other)]), matrix.shape)


def matrix_of(keys: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Binary matrix with a one at every distinct pair key; its indices are int32 and sorted."""
    keys = distinct(keys)
    users, items = np.divmod(keys, shape[1])
    # SciPy gives the indices the type of indptr.
    indptr = np.zeros(shape[0] + 1, np.int32 if len(keys) < 2**31 else np.int64)
    np.cumsum(np.bincount(users, minlength=shape[0]), out=indptr[1:])
    return sparse.csr_array((np.ones(len(keys), bool), items.astype(np.int32), indptr), shape=shape)
