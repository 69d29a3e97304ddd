"""Users as sums of item vectors over what they did: new ones need no training, and there need be no table."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.history import StoredHistories
from nmtr_tf.models.rows import TableRows


@keras.saving.register_keras_serializable("nmtr_tf")
class PooledRows(StoredHistories):
    """User vectors that are sums over histories, the same for every behavior that is predicted.

        p_u = |N(u)|^-alpha sum over behaviors s and items i in N_s(u) of g_s z_i  [+ P_u].

    N_s(u) are the items that user u showed behavior s, |N(u)| is their number for all behaviors together; an
    empty history has a vector of zeros. The gates g_s are learned, one for each behavior of the histories, 1
    at the start; z_i are the item embeddings, or vectors of their own (after Koren, "Factorization Meets the
    Neighborhood", 2008).

    With `weighs_entries` each item of a history has a weight w_ui besides, by its age: the summands are
    w_ui g_s z_i, and |N(u)| is the sum of the weights, or 1 where that is less.

    Called on user ids int32 [...] it gives a list with one float32 [..., row_size] per behavior.

    Args:
        num_kinds: Behaviors in the histories.
        alpha: alpha.
        dropout: Share of the items of a history that are left out at random where there is a seed.
        items: Has the vectors z_i in one table; `ItemRows` of the model are shared with it.
        own: Has the vectors P_u in one table; None: there are none.
        weighs_entries: Whether the entries of histories have weights.
        **kwargs: As those of `StoredHistories`.
    """

    tells_behaviors = True

    def __init__(
        self,
        num_kinds: int,
        alpha: float,
        dropout: float,
        items: TableRows,
        own: TableRows | None = None,
        weighs_entries: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.weighs_entries = weighs_entries
        self.num_kinds, self.alpha, self.dropout = num_kinds, alpha, dropout
        self.items, self.own = items, own

    def build(self, input_shape=None):
        """Creates the gates, the histories (zeros), and what is not there yet of the tables."""
        for rows in (self.items, self.own):
            if rows is not None and not rows.built:
                rows.build()
        self.gate = self.add_weight((self.num_kinds,), "ones", name="gates")
        self.add_histories()
        self.distinct_tables, self.tables = [], []
        if self.own is not None:
            self.distinct_tables, self.tables = list(self.own.distinct_tables), list(self.own.tables)
        self.built = True

    @override
    def rows(self, ids, terms, seed=None):
        rows = super().rows(ids, terms, seed)
        if self.own is None:
            return rows
        return [p + own for p, own in zip(rows, self.own.rows(ids, terms), strict=True)]

    @override
    def sums(self, items, owners, count, terms, kinds=None, seed=None, weights=None):
        if seed is not None and self.dropout:
            own_seed = tf.random.experimental.stateless_fold_in(seed, 1)
            kept = tf.random.stateless_uniform(tf.shape(items), own_seed) >= self.dropout
            items, owners, kinds, weights = masked((items, owners, kinds, weights), kept)
        sums, numbers = self.gated_sums(items, owners, count, kinds, weights)
        return [self.scale(numbers)[:, None] * sums] * len(terms)

    def gated_sums(self, items, owners, count, kinds, weights=None) -> tuple[tf.Tensor, tf.Tensor]:
        """The sums of w_i g_s z_i alone, float32 [count, row_size], and |N|, float32 [count].

        Arguments as those of `sums`.
        """
        found = [tf.where(tf.bitwise.bitwise_and(kinds, 1 << s) != 0)[:, 0] for s in range(self.num_kinds)]
        count = tf.cast(count, tf.int64)
        rows = [tf.gather(tf.cast(owners, tf.int64), one) + s * count for s, one in enumerate(found)]
        columns = tf.cast(tf.gather(items, tf.concat(found, axis=0)), tf.int64)
        own = None if weights is None else tf.gather(weights, tf.concat(found, axis=0))
        table, number = self.items.tables[0].value, self.num_kinds * count
        sums = row_sums(table, tf.concat(rows, axis=0), columns, number, own)
        sums = tf.reshape(sums, [self.num_kinds, count, self.row_size])
        numbers = tf.math.unsorted_segment_sum(
            tf.ones([tf.size(columns)]) if own is None else own,
            tf.concat(rows, axis=0) % tf.maximum(count, 1),
            count,
        )
        return tf.tensordot(self.gate.value, sums, axes=1), numbers

    def scale(self, numbers: tf.Tensor) -> tf.Tensor:
        """|N|^-alpha of numbers |N|, float32, where what is below 1 counts as 1; 0 of an empty history."""
        return tf.where(numbers > 0, tf.maximum(numbers, 1.0) ** -self.alpha, 0.0)

    def gated(self, kinds: tf.Tensor, weights: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Of entries, bits int32 [n]: the sum of the gates and the number of what was done, float32 [n].

        Both are times the weights of the entries, float32 [n]; None: 1 each.
        """
        shown = tf.stack([tf.bitwise.bitwise_and(kinds, 1 << s) != 0 for s in range(self.num_kinds)], axis=1)
        shown = tf.cast(shown, tf.float32)
        found = tf.linalg.matvec(shown, self.gate.value), tf.reduce_sum(shown, axis=1)
        return found if weights is None else (found[0] * weights, found[1] * weights)

    @override
    def parts(self, items, owners, count, terms, kinds=None, weights=None):
        gates, done = self.gated(kinds, weights)
        numbers = tf.math.unsorted_segment_sum(done, owners, count)
        gates = gates * tf.gather(self.scale(numbers), owners)
        return [gates[:, None] * tf.gather(self.items.tables[0].value, items)] * len(terms)

    @override
    def all_rows(self, terms):
        return self.rows(tf.range(self.num_users), terms)

    @override
    def tables_of(self, terms):
        return [] if self.own is None else self.own.tables_of(terms)

    @property
    @override
    def item_tables(self):
        return list(self.items.tables[:1])

    @property
    @override
    def gates(self):
        return [self.gate]

    @override
    def get_config(self):
        # As objects: Keras writes them down, and one that the model has as well is one again when loaded.
        names = "items", "own", "num_kinds", "alpha", "dropout", "weighs_entries"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    @override
    def from_config(cls, config):
        return cls(**{**config, **{name: as_layer(config[name]) for name in ("items", "own")}})


def row_sums(
    table: tf.Tensor,
    rows: tf.Tensor,
    columns: tf.Tensor,
    count: tf.Tensor,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Sums of rows of a table: the product of a sparse matrix with it.

    The gradient is the product with the transposed matrix, which is faster than adding row by row.

    Args:
        table: float32 [n, D].
        rows: int64 [m], ascending: the sum, from 0, that each summand goes into.
        columns: int64 [m], rows of the table, ascending where `rows` are equal, no pair twice.
        count: int64 scalar, number of sums.
        weights: float32 [m], what each summand is times; it has no gradient. None: 1 each.

    Returns:
        float32 [count, D], zeros where nothing is summed.
    """
    places = tf.stack([rows, columns], axis=1)
    shape = tf.stack([count, tf.shape(table, tf.int64)[0]])

    def matrix() -> tf.Tensor:
        return tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=places,
            values=tf.ones([tf.size(rows)]) if weights is None else weights,
            dense_shape=shape,
        )

    @tf.custom_gradient
    def sums(table: tf.Tensor):
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            transposed = tf.raw_ops.SparseMatrixTranspose(input=matrix(), type=tf.float32)
            return tf.raw_ops.SparseMatrixMatMul(a=transposed, b=upstream)

        if weights is None:
            return tf.sparse.segment_sum(table, columns, rows, count), gradient
        # Not the product of the gradient: without any sum, as in a batch of nobody, that crashes the process.
        summands = tf.SparseTensor(places, weights, shape)
        return tf.sparse.sparse_dense_matmul(summands, table), gradient

    return sums(table)


def masked(parts: Sequence[tf.Tensor | None], kept: tf.Tensor) -> list[tf.Tensor | None]:
    """Those of the parts of entries, [n] each or None, that are kept, bool [n]."""
    return [None if part is None else tf.boolean_mask(part, kept) for part in parts]


def as_layer(part):
    """A layer that a config has as an object, or as Keras writes one down."""
    return keras.saving.deserialize_keras_object(part) if isinstance(part, dict) else part
