"""What an item of a history weighs, by what was done to it."""

from collections.abc import Sequence

import tensorflow as tf


class EntryWeights:
    """The weights of the entries of histories in sums of rows of a table, by what was done.

    Args:
        gates: Weight of each behavior, weakest first; an entry has that of the strongest one shown. Empty: 1.
    """

    def __init__(self, gates: Sequence[float] = ()):
        self.gates = tuple(map(float, gates))

    def sums(self, table, items, owners, count, kinds):
        """Sums of the rows of entries: arguments as for `StoredHistories.sums`, float32 [count, D]."""
        if not self.gates:
            return tf.sparse.segment_sum(table, items, owners, count)
        strongest, found = self._strongest(kinds), []
        for s, gate in enumerate(self.gates):
            chosen = tf.where(strongest == s)[:, 0]
            own = tf.gather(items, chosen), tf.gather(owners, chosen)
            found.append(gate * tf.sparse.segment_sum(table, *own, count))
        return tf.add_n(found)

    def parts(self, table, items, kinds):
        """The rows of entries as they go into the sums: float32 [n, D]."""
        rows = tf.gather(table, items)
        return rows * tf.gather(self.gates, self._strongest(kinds))[:, None] if self.gates else rows

    def _strongest(self, kinds):
        """The strongest behavior of each entry, int32 [n]."""
        found = tf.zeros_like(kinds)
        for s in range(1, len(self.gates)):
            found = tf.where(tf.bitwise.bitwise_and(kinds, 1 << s) != 0, s, found)
        return found
