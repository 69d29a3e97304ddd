"""Item-based nearest neighbours, on the target alone or on all behaviors as one matrix.

Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms" (2004): a user's score of an item is
the sum of its similarities to what the user has, over its nearest items alone.
"""

import numpy as np
from scipy import sparse

from nmtr_tf.data.pairs import all_as_one
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.item_weights import ItemWeightScorer

_CHUNK = 512  # items whose similarities to all are held at once


def fit_item_knn(matrix: sparse.csr_array, knn_neighbors: int, knn_shrinkage: float) -> ItemWeightScorer:
    """Cosines c_ij / (sqrt(c_ii c_jj) + shrinkage), c_ij the users who have both, and of each j the largest.

    Args:
        matrix: Binary CSR [num_users, num_items].
        knn_neighbors: Items i != j that count for an item j; among equals the first ones.
        knn_shrinkage: Makes less of what few users have.

    Raises:
        InputError: If an option is out of its range.
    """
    if knn_neighbors < 1:
        raise InputError(f"`knn_neighbors` should be at least 1. Received: {knn_neighbors}.")
    if not 0 <= knn_shrinkage < np.inf:
        raise InputError(f"`knn_shrinkage` should be at least 0. Received: {knn_shrinkage}.")
    binary = matrix.astype(np.float32)
    items, norms = binary.T.tocsr(), np.sqrt(binary.sum(axis=0))
    chunks = []
    for first in range(0, items.shape[0], _CHUNK):
        shared = (items[first : first + _CHUNK] @ binary).tocoo()
        own = shared.row + first
        cosines = shared.data / (norms[own] * norms[shared.col] + np.float32(knn_shrinkage))
        others = own != shared.col
        entries = cosines[others], (shared.row[others], shared.col[others])
        chunks.append(_largest(sparse.csr_array(entries, shared.shape), knn_neighbors))
    return ItemWeightScorer(binary, sparse.vstack(chunks).T.tocsr())


def _largest(matrix: sparse.csr_array, count: int) -> sparse.csr_array:
    """The largest entries of each row."""
    matrix.sort_indices()
    bounds = zip(matrix.indptr, matrix.indptr[1:], strict=False)
    kept = [low + np.argsort(-matrix.data[low:high], kind="stable")[:count] for low, high in bounds]
    indptr = np.cumsum([0, *map(len, kept)])
    places = np.concatenate(kept)
    return sparse.csr_array((matrix.data[places], matrix.indices[places], indptr), matrix.shape)


def item_knn(view: TrainingView, knn_neighbors: int, knn_shrinkage: float) -> ItemWeightScorer:
    """Nearest neighbours of the target."""
    return fit_item_knn(view.target, knn_neighbors, knn_shrinkage)


def item_knn_all(view: TrainingView, knn_neighbors: int, knn_shrinkage: float) -> ItemWeightScorer:
    """Nearest neighbours of all behaviors as one."""
    return fit_item_knn(all_as_one(view), knn_neighbors, knn_shrinkage)
