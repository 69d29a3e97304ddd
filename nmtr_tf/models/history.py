"""Users as what they did: vectors that are sums over histories, and items as places in such sums."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse
from typing_extensions import override

from nmtr_tf.models.rows import ItemRows, TableRows


@keras.saving.register_keras_serializable("nmtr_tf")
class HistoryRows(TableRows):
    """User vectors that are sums over histories: of behavior r, x_u B^r.

    B^r is a table with a row for each item, x_u is 1 at the items of user u's history, else 0. The histories
    are kept as those of a CSR matrix are. Gradients do not change the tables.

    Called on user ids int32 [...] it gives a list with one float32 [..., row_size] per behavior.

    Args:
        num_users: Number of users.
        num_entries: Entries of all histories together.
        **kwargs: As those of `TableRows`; `num_rows` is the number of items, and nothing is `shared`.
    """

    def __init__(self, num_users: int, num_entries: int, **kwargs):
        super().__init__(**kwargs)
        self.num_users, self.num_entries = num_users, num_entries

    def build(self, input_shape=None):
        """Creates the tables, float32 [num_items, row_size], the histories and where each begins: zeros."""

        def zeros(name, *shape, dtype="float32"):
            return self.add_weight(shape, "zeros", dtype=dtype, trainable=False, name=name)

        self.starts = zeros("starts", self.num_users + 1, dtype="int64")
        self.entries = zeros("entries", self.num_entries, dtype="int32")
        tables = [zeros(f"table_{r}", self.num_rows, self.row_size) for r in range(self.num_behaviors)]
        self.distinct_tables = self.tables = tables
        self.built = True

    def set_histories(self, matrix: sparse.csr_array) -> None:
        """Sets the histories.

        Args:
            matrix: Binary CSR [num_users, num_items] with `num_entries` entries.
        """
        self.starts.assign(matrix.indptr.astype(np.int64))
        self.entries.assign(matrix.indices)

    def rows(self, ids, terms: Sequence[int]) -> list[tf.Tensor]:
        """Sums of some behaviors.

        Args:
            ids: int32 [...], users.
            terms: Behaviors, from 0.

        Returns:
            A float32 [..., row_size] for each.
        """
        users = tf.reshape(ids, [-1])
        first, last = (tf.gather(self.starts.value, users + step) for step in (0, 1))
        places = tf.ragged.range(first, last)
        items = tf.gather(self.entries.value, places.flat_values)
        shape = tf.concat([tf.shape(ids), [self.row_size]], axis=0)
        return [
            tf.ensure_shape(tf.reshape(sums, shape), [*ids.shape, self.row_size])
            for sums in self.sums(items, places.value_rowids(), tf.size(users), terms)
        ]

    def sums(self, items, owners, count, terms: Sequence[int]) -> list[tf.Tensor]:
        """Sums of some behaviors over histories that are given.

        Args:
            items: Integers [n], the entries of all histories.
            owners: Integers [n], ascending: the history, from 0, that each is of.
            count: Number of histories, some of which may be empty.
            terms: Behaviors, from 0.

        Returns:
            A float32 [count, row_size] for each.
        """
        return [tf.sparse.segment_sum(self.tables[r].value, items, owners, count) for r in terms]

    @override
    def get_config(self):
        return {**super().get_config(), "num_users": self.num_users, "num_entries": self.num_entries}


@keras.saving.register_keras_serializable("nmtr_tf")
class PlaceRows(ItemRows):
    """Items as one-hot vectors, each written as the place of its one, and their biases.

    Called on ids int32 [...] it gives a list with one int32 [..., 1] per behavior, and the biases as
    `ItemRows` does.

    Args:
        *args: As those of `ItemRows`; `row_size` is 1.
        **kwargs: Likewise.
    """

    def build(self, input_shape=None):
        """Creates the biases alone."""
        self.distinct_tables = self.tables = []
        self.add_biases()
        self.built = True

    def rows(self, ids, terms: Sequence[int]) -> list[tf.Tensor]:
        """The places of items, the same for every behavior: ids int32 [...] -> int32 [..., 1] each."""
        return [tf.expand_dims(ids, -1)] * len(terms)

    def all_rows(self, terms: Sequence[int]) -> list[tf.Tensor]:
        """The places of all items, int32 [num_items, 1], for each of some behaviors."""
        return self.rows(tf.range(self.num_rows), terms)
