"""Item-to-item weights B in sums over histories, and what an item of a history weighs there."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

ItemWeights = Sequence[tf.Tensor]
"""B float32 [m, D] alone; or its factors, float32 [m, k] each: B is left right' but for its diagonal."""


def add_item_weights(layer: keras.layers.Layer, num_items: int, rank: int, name: str) -> list[keras.Variable]:
    """Creates B, zeros, which gradients do not change, as a variable of a layer; rank > 0: its factors."""
    shape = (num_items, rank or num_items)
    names = [f"{name}_left", f"{name}_right"] if rank else [name]
    return [layer.add_weight(shape, "zeros", trainable=False, name=one) for one in names]


class EntryWeights:
    """The weights of the entries of histories in x_u B: by what was done, times those of the entries' own.

    Args:
        gates: Weight of each behavior, weakest first; an entry has that of the strongest one shown. Empty: 1.
        diagonal: The diagonal of a B of two factors; one that stands as it is has its own.
    """

    def __init__(self, gates: Sequence[float] = (), diagonal: float = 0.0):
        self.gates, self.diagonal = tuple(map(float, gates)), diagonal

    @property
    def config(self) -> dict[str, Any]:
        """Its arguments."""
        return {"gates": self.gates, "diagonal": self.diagonal}

    def sums(self, weights: ItemWeights, items, owners, count, kinds, own=None):
        """Sums of the rows of entries: arguments as for `StoredHistories.sums`, float32 [count, D].

        `own` are the weights of the entries' own, float32 [n]; None: 1 each.
        """
        if len(weights) == 1:
            return self._sums(weights[0], items, owners, count, kinds, own)
        left, right = weights
        found = tf.matmul(self._sums(left, items, owners, count, kinds, own), right, transpose_b=True)
        more, of = self._more(left, right, items), self._of(kinds, own)
        more = more if of is None else more * of
        return tf.tensor_scatter_nd_add(found, _places(owners, items), more)

    def parts(self, weights: ItemWeights, items, kinds, own=None):
        """The rows of entries as they go into the sums: float32 [n, D]."""
        if len(weights) == 1:
            rows = tf.gather(weights[0], items)
        else:
            left, right = weights
            rows = tf.matmul(tf.gather(left, items), right, transpose_b=True)
            places = _places(tf.range(tf.size(items)), items)
            rows = tf.tensor_scatter_nd_add(rows, places, self._more(left, right, items))
        of = self._of(kinds, own)
        return rows if of is None else rows * of[:, None]

    def _sums(self, table, items, owners, count, kinds, own):
        """Sums of rows of one table."""
        if own is not None:
            shape = tf.stack([tf.cast(count, tf.int64), tf.shape(table, tf.int64)[0]])
            entries = tf.SparseTensor(_places(owners, items), self._of(kinds, own), shape)
            return tf.sparse.sparse_dense_matmul(entries, table)
        if not self.gates:
            return tf.sparse.segment_sum(table, items, owners, count)
        strongest, found = self._strongest(kinds), []
        for s, gate in enumerate(self.gates):
            chosen = tf.where(strongest == s)[:, 0]
            those = tf.gather(items, chosen), tf.gather(owners, chosen)
            found.append(gate * tf.sparse.segment_sum(table, *those, count))
        return tf.add_n(found)

    def _more(self, left, right, items):
        """What the diagonal of B has more than that of left right', for some items, float32 [n]."""
        return self.diagonal - tf.reduce_sum(tf.gather(left, items) * tf.gather(right, items), axis=1)

    def _of(self, kinds, own):
        """The weight of each entry, float32 [n]; None: all are 1."""
        if not self.gates:
            return own
        gates = tf.gather(self.gates, self._strongest(kinds))
        return gates if own is None else gates * own

    def _strongest(self, kinds):
        """The strongest behavior of each entry, int32 [n]."""
        found = tf.zeros_like(kinds)
        for s in range(1, len(self.gates)):
            found = tf.where(tf.bitwise.bitwise_and(kinds, 1 << s) != 0, s, found)
        return found


def _places(rows, columns):
    return tf.stack([tf.cast(rows, tf.int64), tf.cast(columns, tf.int64)], axis=1)
