"""Users as what they did: vectors that are sums over histories, and items as places in such sums."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse
from typing_extensions import override

from nmtr_tf.models.entry_weights import EntryWeights, ItemWeights, add_item_weights
from nmtr_tf.models.rows import ItemRows, TableRows


class StoredHistories(TableRows):
    """Base of user vectors that are sums over histories, which are kept as a CSR matrix is.

    Args:
        num_users: Number of users.
        num_entries: Entries of all histories together.
        **kwargs: As those of `TableRows`.
    """

    tells_behaviors = False
    """Whether it matters what was done to an item."""
    weighs_entries = False
    """Whether each stored entry has a weight; an entry that is given has 1."""

    def __init__(self, num_users: int, num_entries: int, **kwargs):
        super().__init__(**kwargs)
        self.num_users, self.num_entries = num_users, num_entries

    def add_histories(self) -> None:
        """Creates the histories and where each begins: zeros."""

        def zeros(name, size, dtype):
            return self.add_weight((size,), "zeros", dtype=dtype, trainable=False, name=name)

        self.starts = zeros("starts", self.num_users + 1, "int64")
        self.entries = zeros("entries", self.num_entries, "int32")
        if self.tells_behaviors:
            self.kinds = zeros("kinds", self.num_entries, "int32")
        if self.weighs_entries:
            self.entry_weight = zeros("entry_weights", self.num_entries, "float32")

    def set_histories(self, matrix: sparse.csr_array, weights: np.ndarray | None = None) -> None:
        """Sets the histories.

        Args:
            matrix: CSR [num_users, num_items] with `num_entries` entries: bit s of an entry says whether the
                user showed behavior s.
            weights: float32 [num_entries], above 0 and at most 1, where it `weighs_entries`.
        """
        self.starts.assign(matrix.indptr.astype(np.int64))
        self.entries.assign(matrix.indices)
        if self.tells_behaviors:
            self.kinds.assign(matrix.data.astype(np.int32))
        if self.weighs_entries:
            self.entry_weight.assign(weights)

    def rows(self, ids, terms: Sequence[int], seed=None) -> list[tf.Tensor]:
        """Sums of some behaviors.

        Args:
            ids: int32 [...], users.
            terms: Behaviors, from 0.
            seed: As for `TableRows.rows`.

        Returns:
            A float32 [..., row_size] for each.
        """
        return self.rows_of(ids, self.starts.value, self.some, terms, seed)

    def rows_of(self, ids, starts, some: Callable, terms: Sequence[int], seed=None) -> list[tf.Tensor]:
        """Sums over histories that need not be the stored ones; what is of a user himself is not in them.

        Args:
            ids: int32 [...], histories.
            starts: int64 [n + 1], where each of n histories begins.
            some: As the method `some`, for their entries.
            terms: Behaviors, from 0.
            seed: As for `TableRows.rows`.

        Returns:
            A float32 [..., row_size] for each.
        """
        users = tf.reshape(ids, [-1])
        first, last = (tf.gather(starts, users + step) for step in (0, 1))
        places = tf.ragged.range(first, last)
        items, kinds, weights = some(places.flat_values)
        found = self.sums(items, places.value_rowids(), tf.size(users), terms, kinds, seed, weights)
        return [
            tf.ensure_shape(tf.reshape(sums, tf.concat([tf.shape(ids), [size]], axis=0)), [*ids.shape, size])
            for sums, size in zip(found, map(self.size_of, terms), strict=True)
        ]

    def size_of(self, r: int) -> int:
        """Length of the sums of behavior r."""
        return self.row_size

    def some(self, places) -> tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None]:
        """Some entries: items int32 [n], what was done to each, bits int32 [n] or None, and their weights.

        The weights are float32 [n]; None: they are 1.
        """
        kinds = tf.gather(self.kinds.value, places) if self.tells_behaviors else None
        weights = tf.gather(self.entry_weight.value, places) if self.weighs_entries else None
        return tf.gather(self.entries.value, places), kinds, weights

    def weights_of(self, user) -> tf.Tensor | None:
        """The weights of the entries of a user, int32 scalar: float32 [n]; None: they are 1."""
        return self.some(tf.range(*(tf.gather(self.starts.value, user + step) for step in (0, 1))))[2]

    def sums(
        self, items, owners, count, terms: Sequence[int], kinds=None, seed=None, weights=None
    ) -> list[tf.Tensor]:
        """Sums of some behaviors over histories that are given.

        Args:
            items: Integers [n], the entries of all histories, ascending in each.
            owners: Integers [n], ascending: the history, from 0, that each is of.
            count: Number of histories, some of which may be empty.
            terms: Behaviors, from 0.
            kinds: int32 [n], bit s of an entry says whether behavior s was shown; None: it is not asked.
            seed: As for `rows`.
            weights: float32 [n], of the entries; None: 1 each.

        Returns:
            A float32 [count, row_size] for each.
        """
        raise NotImplementedError

    def parts(self, items, owners, count, terms: Sequence[int], kinds=None, weights=None) -> list[tf.Tensor]:
        """What each entry adds to the sums; arguments as for `sums`.

        Returns:
            A float32 [n, row_size] for each behavior: its rows of equal owners add up to what `sums` gives.
        """
        raise NotImplementedError

    @override
    def get_config(self):
        return {**super().get_config(), "num_users": self.num_users, "num_entries": self.num_entries}


@keras.saving.register_keras_serializable("nmtr_tf")
class HistoryRows(StoredHistories):
    """User vectors that are sums over histories: of behavior r, x_u B^r.

    B^r is a table with a row for each item, x_u is 1 at the items of user u's history, or as `EntryWeights`
    has it, else 0. Gradients do not change the tables. With `weighs_entries` each item of a history has a
    weight besides, by its age.

    Called on user ids int32 [...] it gives a list with one float32 [..., row_size] per behavior.

    Args:
        gates: As for `EntryWeights`.
        rank: Rank of the tables, which stand as two factors; 0: they stand as they are.
        diagonal: As for `EntryWeights`.
        weighs_entries: Whether the entries of histories have weights.
        **kwargs: As those of `StoredHistories`; `num_rows` is the number of items, and nothing is `shared`.
    """

    def __init__(
        self,
        gates: Sequence[float] = (),
        rank: int = 0,
        diagonal: float = 0.0,
        weighs_entries: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rank, self.weighs_entries = rank, weighs_entries
        self.entry_weights = EntryWeights(gates, diagonal)
        self.tells_behaviors = bool(self.entry_weights.gates)

    def build(self, input_shape=None):
        """Creates the tables, float32 [num_items, row_size], and the histories: zeros."""
        self.add_histories()
        self.solved = [
            add_item_weights(self, self.num_rows, self.rank, f"table_{r}") for r in range(self.num_behaviors)
        ]
        self.distinct_tables = self.tables = [] if self.rank else [one for (one,) in self.solved]
        self.built = True

    @property
    def item_weights(self) -> list[keras.Variable]:
        """B of the target, or its factors."""
        return self.solved[-1]

    def _weights(self, r: int) -> ItemWeights:
        return [one.value for one in self.solved[r]]

    @override
    def sums(self, items, owners, count, terms, kinds=None, seed=None, weights=None):
        return [
            self.entry_weights.sums(self._weights(r), items, owners, count, kinds, weights) for r in terms
        ]

    @override
    def parts(self, items, owners, count, terms, kinds=None, weights=None):
        return [self.entry_weights.parts(self._weights(r), items, kinds, weights) for r in terms]

    @override
    def get_config(self):
        own = {"rank": self.rank, "weighs_entries": self.weighs_entries}
        return {**super().get_config(), **own, **self.entry_weights.config}


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

    def rows(self, ids, terms: Sequence[int], seed=None) -> list[tf.Tensor]:
        """The places of items, the same for every behavior: ids int32 [...] -> int32 [..., 1] each."""
        return [tf.expand_dims(ids, -1)] * len(terms)

    def all_rows(self, terms: Sequence[int]) -> list[tf.Tensor]:
        """The places of all items, int32 [num_items, 1], for each of some behaviors."""
        return self.rows(tf.range(self.num_rows), terms)
