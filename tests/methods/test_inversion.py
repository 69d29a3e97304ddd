"""Inverses of positive definite matrices, against NumPy's in double precision."""

import numpy as np
import pytest

from nmtr_tf.methods.inversion import invert


def positive_definite(size):
    rows = np.random.default_rng(size).normal(size=(size, size + 5))
    return np.asfortranarray(rows @ rows.T / size + np.eye(size), np.float32)


@pytest.mark.parametrize("size", [1, 2, 3, 16, 33, 100])
@pytest.mark.parametrize("at_once", [1, 2, 10, 50, 100])
def test_inverse_in_its_own_memory(size, at_once):
    matrix = positive_definite(size)
    right = np.linalg.inv(matrix.astype(float))
    invert(matrix, at_once)
    np.testing.assert_allclose(matrix, right, atol=2e-6 * abs(right).max())
    if size <= at_once:
        np.testing.assert_array_equal(matrix, matrix.T)


def test_products_in_parts(monkeypatch):
    monkeypatch.setattr("nmtr_tf.methods.inversion._COLUMNS", 7)
    matrix = positive_definite(60)
    right = np.linalg.inv(matrix.astype(float))
    invert(matrix, 20)
    np.testing.assert_allclose(matrix, right, atol=2e-6 * abs(right).max())


@pytest.mark.parametrize("at_once", [3, 100])
@pytest.mark.parametrize("where", [0, 19])
def test_not_positive_definite(at_once, where):
    matrix = positive_definite(20)
    matrix[where, where] = -1
    with pytest.raises(np.linalg.LinAlgError, match="no inverse in float32"):
        invert(matrix, at_once)
