"""Rows of a sum of two parts: vectors, and a linear part with a weight for every two items."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.entry_weights import EntryWeights, ItemWeights, add_item_weights
from nmtr_tf.models.history import StoredHistories
from nmtr_tf.models.pooled import PooledRows, as_layer
from nmtr_tf.models.rows import ItemRows


@keras.saving.register_keras_serializable("nmtr_tf")
class SummedRows(StoredHistories):
    """User vectors; the target's have the sums x_u B behind them, num_items more numbers.

    B [num_items, num_items] is the linear part, x_u is 1 at the items of user u's history, or as
    `EntryWeights` has it, else 0. Gradients do not change B.

    Args:
        pooled: The vectors, and the histories.
        num_items: Number of items.
        gates: As for `EntryWeights`.
        rank: As for `HistoryRows`, of B.
        diagonal: As for `EntryWeights`.
        **kwargs: As those of `StoredHistories`.
    """

    tells_behaviors = True

    def __init__(
        self,
        pooled: PooledRows,
        num_items: int,
        gates: Sequence[float] = (),
        rank: int = 0,
        diagonal: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.pooled, self.num_items, self.rank = pooled, num_items, rank
        self.entry_weights = EntryWeights(gates, diagonal)

    def build(self, input_shape=None):
        """Creates B, zeros, and what is not there yet of the vectors."""
        if not self.pooled.built:
            self.pooled.build()
        self.item_weights = add_item_weights(self, self.num_items, self.rank, "item_weights")
        self.distinct_tables, self.tables = [], []
        self.built = True

    @property
    def starts(self) -> keras.Variable:
        """Where each history begins, int64 [num_users + 1]."""
        return self.pooled.starts

    @override
    def set_histories(self, matrix, weights=None):
        self.pooled.set_histories(matrix, weights)

    @override
    def rows(self, ids, terms, seed=None):
        rows = super().rows(ids, terms, seed)
        own, size = self.pooled.own, self.row_size
        if own is None:
            return rows
        return [
            tf.concat([p[..., :size] + more, p[..., size:]], axis=-1)
            for p, more in zip(rows, own.rows(ids, terms), strict=True)
        ]

    @override
    def some(self, places):
        return self.pooled.some(places)

    @override
    def sums(self, items, owners, count, terms, kinds=None, seed=None, weights=None):
        rows = self.pooled.sums(items, owners, count, terms, kinds, seed, weights)
        target = self.num_behaviors - 1
        if target not in terms:
            return rows
        linear = self.entry_weights.sums(self._weights(), items, owners, count, kinds, weights)
        return [
            tf.concat([p, linear], axis=1) if r == target else p for r, p in zip(terms, rows, strict=True)
        ]

    @override
    def parts(self, items, owners, count, terms, kinds=None, weights=None):
        parts = self.pooled.parts(items, owners, count, terms, kinds, weights)
        linear = self.entry_weights.parts(self._weights(), items, kinds, weights)
        target = self.num_behaviors - 1
        return [
            tf.concat([p, linear], axis=1) if r == target else p for r, p in zip(terms, parts, strict=True)
        ]

    def _weights(self) -> ItemWeights:
        """B of the linear part, or its factors."""
        return [one.value for one in self.item_weights]

    @override
    def all_rows(self, terms):
        return self.rows(tf.range(self.num_users), terms)

    @override
    def size_of(self, r):
        return self.row_size + (self.num_items if r == self.num_behaviors - 1 else 0)

    @override
    def get_config(self):
        own = {"pooled": self.pooled, "num_items": self.num_items, "rank": self.rank}
        return {**super().get_config(), **own, **self.entry_weights.config}

    @classmethod
    @override
    def from_config(cls, config):
        return cls(**{**config, "pooled": as_layer(config["pooled"])})


@keras.saving.register_keras_serializable("nmtr_tf")
class SummedItems(ItemRows):
    """Item vectors and biases; the target's vectors have the place of the item behind them, one more number.

    The places are whole numbers, exact below 2^24 items.

    Args:
        embedded: The vectors and the biases.
        **kwargs: As those of `ItemRows`.
    """

    def __init__(self, embedded: ItemRows, **kwargs):
        super().__init__(**kwargs)
        self.embedded = embedded

    def build(self, input_shape=None):
        """Creates what is not there yet of the vectors."""
        if not self.embedded.built:
            self.embedded.build()
        self.distinct_tables, self.tables = list(self.embedded.distinct_tables), list(self.embedded.tables)
        self.biases = list(self.embedded.biases)
        self.built = True

    @override
    def rows(self, ids, terms, seed=None):
        places = tf.cast(tf.expand_dims(ids, -1), tf.float32)
        target = self.num_behaviors - 1
        rows = self.embedded.rows(ids, terms, seed)
        return [
            tf.concat([q, places], axis=-1) if r == target else q for r, q in zip(terms, rows, strict=True)
        ]

    @override
    def all_rows(self, terms):
        return self.rows(tf.range(self.num_rows), terms)

    @override
    def get_config(self):
        return {**super().get_config(), "embedded": self.embedded}

    @classmethod
    @override
    def from_config(cls, config):
        return cls(**{**config, "embedded": as_layer(config["embedded"])})
