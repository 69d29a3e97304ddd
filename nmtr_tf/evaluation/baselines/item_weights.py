"""Scores that are sums of item-to-item weights over what a user has touched."""

from typing import Any

import numpy as np
from scipy import sparse


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
