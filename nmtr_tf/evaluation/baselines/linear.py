"""Linear peers: implicit ALS and EASE, on purchases alone or on all behaviors as one matrix.

iALS is Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), as the
package implicit has it: 64 factors, regularization 10, 15 iterations. EASE is Steck, "Embarrassingly
Shallow Autoencoders for Sparse Data" (2019), in closed form.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import sparse
from scipy.linalg import lapack

from nmtr_tf.data.dataset import Interactions
from nmtr_tf.data.pairs import matrix_keys, matrix_of
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.rules import chunk_entries
from nmtr_tf.evaluation.ranking import Scorer

IALS_ALPHA = 10.0
EASE_LAMBDA = 500.0
MAX_EASE_ITEMS = 30_000
"""EASE holds a dense float32 [num_items, num_items]: 3.4 GiB at this size."""


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


def target_only(view: Interactions) -> sparse.csr_array:
    """Binary CSR [num_users, num_items] of the training rows of the target."""
    return view.target


def all_as_one(view: Interactions) -> sparse.csr_array:
    """Binary CSR [num_users, num_items] of the pairs that any behavior has in training."""
    keys = [matrix_keys(matrix) for matrix in view.matrices.values()]
    return matrix_of(np.concatenate(keys), view.target.shape)


def require_implicit() -> tuple[Any, Any]:
    """The modules implicit.cpu.als and threadpoolctl, imported.

    Raises:
        InputError: If they are not installed.
    """
    try:
        return importlib.import_module("implicit.cpu.als"), importlib.import_module("threadpoolctl")
    except ImportError:
        raise InputError("iALS needs the package implicit: pip install implicit") from None


def fit_ials(matrix: sparse.csr_array, alpha: float = IALS_ALPHA) -> FactorScorer:
    """Fits implicit's AlternatingLeastSquares.

    One thread and a fixed seed: the same factors on every run.

    Args:
        matrix: Binary CSR [num_users, num_items].
        alpha: Confidence of an observed pair, where an unobserved one has 1.

    Raises:
        InputError: If implicit is not installed.
    """
    als, threadpoolctl = require_implicit()
    with threadpoolctl.threadpool_limits(1, "blas"):
        model = als.AlternatingLeastSquares(
            factors=64, regularization=10, alpha=alpha, iterations=15, num_threads=1, random_state=0
        )
        model.fit(sparse.csr_matrix(matrix, dtype=np.float32), show_progress=False)
    return FactorScorer(model.user_factors, model.item_factors)


def fit_ease(matrix: sparse.csr_array, ease_lambda: float = EASE_LAMBDA) -> ItemWeightScorer:
    """EASE in closed form: P = (X'X + lambda I)^-1, B_ij = -P_ij / P_jj, B_jj = 0.

    Args:
        matrix: X, binary CSR [num_users, num_items].
        ease_lambda: L2 regularization, positive.

    Raises:
        InputError: If there are more items than a dense items x items matrix allows, or lambda is not
            positive.
    """
    num_items = matrix.shape[1]
    if num_items > MAX_EASE_ITEMS:
        raise InputError(
            f"EASE holds a dense items x items matrix and takes {MAX_EASE_ITEMS:,} items at most. "
            f"Received: {num_items:,}."
        )
    if not ease_lambda > 0:
        raise InputError(f"--ease_lambda should be positive. Received: {ease_lambda}.")
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


@dataclasses.dataclass(frozen=True)
class Peer:
    """A linear peer.

    Attributes:
        matrix: The matrix it learns from, of a training view.
        fit: Scorer of that matrix and the value of `setting`.
        setting: Name of its one option.
    """

    matrix: Callable[[Interactions], sparse.csr_array]
    fit: Callable[[sparse.csr_array, float], Scorer]
    setting: str

    def scorer(self, view: Interactions, setting: float) -> Scorer:
        """Learns from a training view."""
        return self.fit(self.matrix(view), setting)


PEERS = {
    "ials": Peer(target_only, fit_ials, "ials_alpha"),
    "ials_all": Peer(all_as_one, fit_ials, "ials_alpha"),
    "ease": Peer(target_only, fit_ease, "ease_lambda"),
    "ease_all": Peer(all_as_one, fit_ease, "ease_lambda"),
}
