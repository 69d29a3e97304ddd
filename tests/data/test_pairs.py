"""Held-out pairs in sparse matrices, against dense NumPy."""

import numpy as np
import pytest
from scipy import sparse

from nmtr_tf.data.pairs import contained, distinct, matrix_keys, matrix_of, pair_keys, without

SHAPES = [(1, 1), (1, 9), (7, 1), (5, 8), (12, 6)]
DENSITIES = [0.0, 0.3, 1.0]


def random_dense(shape: tuple[int, int], density: float) -> np.ndarray:
    return np.random.default_rng(shape[0] * 100 + shape[1]).random(shape) < density


def random_pairs(shape: tuple[int, int], count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    return np.stack([rng.integers(0, size, count) for size in shape], axis=1).astype(np.int32)


def check(matrix: sparse.csr_array, dense: np.ndarray) -> None:
    """The matrix is the dense one in the form that `BehaviorMatrices` promises."""
    np.testing.assert_array_equal(matrix.toarray(), dense)
    assert matrix.nnz == dense.sum()
    assert matrix.dtype == np.bool_
    assert matrix.indices.dtype == np.int32
    for start, end in zip(matrix.indptr, matrix.indptr[1:], strict=False):
        assert (np.diff(matrix.indices[start:end]) > 0).all()


def test_pair_keys_exceed_32_bits():
    keys = pair_keys(np.array([0, 2, 100_000], np.int32), np.array([3, 0, 7], np.int32), 100_000)
    assert keys.dtype == np.int64
    assert keys.tolist() == [3, 200_000, 10_000_000_007]


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_matrix_and_keys_are_inverse(shape, density):
    dense = random_dense(shape, density)
    keys = np.flatnonzero(dense)
    shuffled_twice = np.random.default_rng(0).permutation(np.concatenate([keys, keys]))
    matrix = matrix_of(shuffled_twice, shape)
    check(matrix, dense)
    np.testing.assert_array_equal(matrix_keys(matrix), keys)
    assert matrix_keys(matrix).dtype == np.int64


@pytest.mark.parametrize("count", [0, 1, 30])
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_contained(shape, density, count):
    dense, pairs = random_dense(shape, density), random_pairs(shape, count)
    found = contained(pairs, sparse.csr_array(dense))
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, dense[pairs[:, 0], pairs[:, 1]])


@pytest.mark.parametrize("count", [0, 1, 30])
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_without(shape, density, count):
    dense, pairs = random_dense(shape, density), random_pairs(shape, count)
    matrix = sparse.csr_array(dense)
    expected = dense.copy()
    expected[pairs[:, 0], pairs[:, 1]] = False
    check(without(matrix, pairs), expected)
    check(matrix, dense)


@pytest.mark.parametrize("values", [[], [3], [5, 5, 5], [3, -1, 2**40, 3, 7, -1], [1, 4, 9, 2, 4, 9]])
def test_distinct(values):
    np.testing.assert_array_equal(distinct(np.array(values, np.int64)), sorted(set(values)))
