"""Linear models: implicit ALS and EASE, on purchases alone or on all behaviors as one matrix.

iALS is Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), as the
package implicit has it: 64 factors, regularization 10, 15 iterations. EASE is Steck, "Embarrassingly
Shallow Autoencoders for Sparse Data" (2019), in closed form.
"""

import importlib

import numpy as np
import tensorflow as tf
from scipy import sparse
from scipy.linalg import lapack

from nmtr_tf.data.pairs import matrix_keys, matrix_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.rules import chunk_entries
from nmtr_tf.evaluation.scorers import Scorer


class FactorScorer(Scorer):
    """Inner products of user and item factors.

    Args:
        user_factors: float32 [num_users, num_factors].
        item_factors: float32 [num_items, num_factors].
    """

    def __init__(self, user_factors: np.ndarray, item_factors: np.ndarray):
        self.user_factors, self.item_factors = tf.constant(user_factors), tf.constant(item_factors)

    def item_side(self) -> tf.Tensor:
        """Item factors float32 [num_items, num_factors]."""
        return self.item_factors

    def scores(self, user_ids: tf.Tensor, item_side: tf.Tensor) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items]."""
        return tf.matmul(tf.gather(self.user_factors, user_ids), item_side, transpose_b=True)


class ItemWeightScorer(Scorer):
    """Sums of item-to-item weights over a user's items: x_u B.

    Args:
        matrix: X, binary CSR [num_users, num_items].
        weights: B, float32 [num_items, num_items].
    """

    def __init__(self, matrix: sparse.csr_array, weights: np.ndarray):
        self._side = tf.constant(weights), tf.constant(matrix.indptr), tf.constant(matrix.indices)

    def item_side(self) -> tuple:
        """B, and the CSR rows of X: indptr, items int32 [nnz]."""
        return self._side

    def scores(self, user_ids: tf.Tensor, item_side: tuple) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items]."""
        weights, indptr, items = item_side
        rows, positions = chunk_entries(indptr, user_ids)
        where = tf.cast(tf.stack([rows, tf.gather(items, positions)], axis=1), tf.int64)
        shape = tf.cast(tf.stack([tf.size(user_ids), tf.shape(weights)[0]]), tf.int64)
        chunk = tf.SparseTensor(where, tf.ones_like(positions, tf.float32), shape)
        return tf.sparse.sparse_dense_matmul(chunk, weights)


def all_as_one(view: TrainingView) -> sparse.csr_array:
    """Binary CSR [num_users, num_items] of the pairs that any behavior has in training."""
    keys = [matrix_keys(matrix) for matrix in view.matrices.values()]
    return matrix_of(np.concatenate(keys), view.target.shape)


def fit_ials(matrix: sparse.csr_array, ials_alpha: float) -> FactorScorer:
    """Fits implicit's AlternatingLeastSquares.

    One thread and a fixed seed: the same factors on every run.

    Args:
        matrix: Binary CSR [num_users, num_items].
        ials_alpha: Confidence of an observed pair, where an unobserved one has 1.

    Raises:
        InputError: If alpha is negative.
    """
    if not ials_alpha >= 0:
        raise InputError(f"`ials_alpha` should be at least 0. Received: {ials_alpha}.")
    als, threadpoolctl = map(importlib.import_module, ("implicit.cpu.als", "threadpoolctl"))
    with threadpoolctl.threadpool_limits(1, "blas"):
        model = als.AlternatingLeastSquares(
            factors=64, regularization=10, alpha=ials_alpha, iterations=15, num_threads=1, random_state=0
        )
        model.fit(sparse.csr_matrix(matrix, dtype=np.float32), show_progress=False)
    return FactorScorer(model.user_factors, model.item_factors)


def fit_ease(matrix: sparse.csr_array, ease_lambda: float) -> ItemWeightScorer:
    """EASE in closed form: P = (X'X + lambda I)^-1, B_ij = -P_ij / P_jj, B_jj = 0.

    Args:
        matrix: X, binary CSR [num_users, num_items].
        ease_lambda: L2 regularization, positive.

    Raises:
        InputError: If lambda is not positive.
    """
    if not ease_lambda > 0:
        raise InputError(f"`ease_lambda` should be positive. Received: {ease_lambda}.")
    num_items = matrix.shape[1]
    binary = matrix.astype(np.float32)
    gram = np.asfortranarray((binary.T @ binary).toarray())
    gram[np.diag_indices(num_items)] += ease_lambda
    factor, _ = lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    return ItemWeightScorer(matrix, _weights_from(inverse))


def _weights_from(lower: np.ndarray) -> np.ndarray:
    """B of the lower triangle of P, in the memory of P: float32 [num_items, num_items]."""
    for j in range(len(lower)):  # the upper triangle still holds what was there before the inversion
        lower[j, j + 1 :] = lower[j + 1 :, j]
    weights = lower
    weights /= -np.diag(lower).copy()
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights)


def ials(view: TrainingView, ials_alpha: float) -> Scorer:
    """Implicit ALS of the target."""
    return fit_ials(view.target, ials_alpha)


def ials_all(view: TrainingView, ials_alpha: float) -> Scorer:
    """Implicit ALS of all behaviors as one."""
    return fit_ials(all_as_one(view), ials_alpha)


def ease(view: TrainingView, ease_lambda: float) -> Scorer:
    """EASE of the target."""
    return fit_ease(view.target, ease_lambda)


def ease_all(view: TrainingView, ease_lambda: float) -> Scorer:
    """EASE of all behaviors as one."""
    return fit_ease(all_as_one(view), ease_lambda)
