"""Scores that are sums of item-to-item weights over what a user has touched."""

import numpy as np
from scipy import sparse

from nmtr_tf.data.pairs import matrix_keys, matrix_of
from nmtr_tf.data.view import TrainingView


class ItemWeightScorer:
    """Scores x_u B.

    Args:
        matrix: X, binary CSR [num_users, num_items], float32.
        weights: B, float32 [num_items, num_items], dense or sparse.
    """

    def __init__(self, matrix: sparse.csr_array, weights: np.ndarray | sparse.csr_array):
        self.matrix, self.weights = matrix, weights

    def scores(self, user_ids: np.ndarray) -> np.ndarray | sparse.csr_array:
        """Scores float32 [num_chunk_users, num_items]."""
        return self.matrix[user_ids] @ self.weights


def all_as_one(view: TrainingView) -> sparse.csr_array:
    """Binary CSR [num_users, num_items] of the pairs that any behavior has in training."""
    keys = [matrix_keys(matrix) for matrix in view.matrices.values()]
    return matrix_of(np.concatenate(keys), view.target.shape)
