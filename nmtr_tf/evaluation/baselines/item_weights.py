"""Scores that are sums of item-to-item weights over what a user has touched."""

from typing import Any

import numpy as np
from scipy import sparse

from nmtr_tf.data.pairs import matrix_keys, matrix_of
from nmtr_tf.data.view import TrainingView


class ItemWeightScorer:
    """Scores x_u B.

    Args:
        matrix: X, binary CSR [num_users, num_items], float32.
        weights: B, float32 [num_items, num_items], an array or a CSR matrix.
    """

    def __init__(self, matrix: sparse.csr_array, weights: Any):
        self.matrix, self.weights = matrix, weights

    def scores(self, user_ids: np.ndarray) -> Any:
        """Scores float32 [num_chunk_users, num_items], as dense or sparse as B."""
        return self.matrix[user_ids] @ self.weights


def all_as_one(view: TrainingView) -> sparse.csr_array:
    """Binary CSR [num_users, num_items] of the pairs that any behavior has in training."""
    keys = [matrix_keys(matrix) for matrix in view.matrices.values()]
    return matrix_of(np.concatenate(keys), view.target.shape)
