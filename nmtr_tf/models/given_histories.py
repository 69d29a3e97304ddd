"""Users that a model does not store, known by the histories that come with a call."""

from collections.abc import Sequence

import tensorflow as tf
from scipy import sparse

from nmtr_tf.models.history import StoredHistories


class GivenHistories:
    """Vectors of users that a model does not store: its sums over histories that are given.

    Args:
        rows: The rows of the model's users.
        matrix: CSR int32 [n, num_items], as for `StoredHistories.set_histories`: user u is its row u.
    """

    def __init__(self, rows: StoredHistories, matrix: sparse.csr_array):
        self._rows, self._starts = rows, tf.constant(matrix.indptr, tf.int64)
        self._entries, self._kinds = tf.constant(matrix.indices, tf.int32), tf.constant(matrix.data, tf.int32)

    def rows(self, ids, terms: Sequence[int], seed=None) -> list[tf.Tensor]:
        """As `StoredHistories.rows`, without what is of a user himself."""
        return self._rows.rows_of(ids, self._starts, self._some, terms, seed)

    def _some(self, places) -> tuple[tf.Tensor, tf.Tensor, None]:
        return tf.gather(self._entries, places), tf.gather(self._kinds, places), None
