"""Histories of a batch of users, without the pair that is predicted."""

import tensorflow as tf

from nmtr_tf.models.pooled import PooledRows, masked


class PairsLeftOut:
    """Vectors of users from their histories, of which any one item can be left out.

    Of user u without item j, which is in his history by the behaviors T (none, one or several), it is

        p_uj = (|N(u)| - |T|)^-alpha (sum over all of his history - sum over s in T of g_s z_j)  [+ P_u]:

    exactly what it would be if he had never touched j, in training for positives and negatives alike. Else
    a viewed item that is a negative of buying is told from others by its own term. Where entries have
    weights, terms are times that of their entry, and |N(u)| and |T| are sums of them, as in `PooledRows`.

    Args:
        rows: The rows of the model's users.
        user_ids: int32 [n].
        seed: int64 [2]: `dropout` of the entries are left out of the histories at random, the same for equal
            users; None: none is.
    """

    def __init__(self, rows: PooledRows, user_ids: tf.Tensor, seed: tf.Tensor | None = None):
        self._rows, self._num_items = rows, rows.items.num_rows
        first, last = (tf.gather(rows.starts.value, user_ids + step) for step in (0, 1))
        places = tf.ragged.range(first, last)
        entries, owners = places.flat_values, places.value_rowids()
        if seed is not None and rows.dropout:
            kept = _kept(entries, rows.dropout, rows.num_entries, seed)
            entries, owners = (tf.boolean_mask(part, kept) for part in (entries, owners))
        self._items, self._kinds, self._weights = rows.some(entries)
        self._owners = owners
        count = tf.size(user_ids)
        self._sums, self._numbers = rows.gated_sums(self._items, owners, count, self._kinds, self._weights)
        self._own = None if rows.own is None else rows.own.rows(user_ids, [0])[0]

    def vectors(self) -> tf.Tensor:
        """The vectors with everything: float32 [n, E]."""
        return self._plus_own(self._rows.scale(self._numbers)[:, None] * self._sums)

    def among(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Which of some different items, int32 [c], are in which history.

        Returns:
            For each such pair the user's place in the batch, int64 [m], the item's among `items`, int32 [m],
            what was done, bits int32 [m], and the entry's weight, float32 [m]; None: 1 each.
        """
        places = places_of(items, self._num_items)
        columns = tf.gather(places, self._items)
        found = columns >= 0
        owners, columns, kinds, weights = masked((self._owners, columns, self._kinds, self._weights), found)
        return owners, columns, kinds, weights

    def without(self, items: tf.Tensor) -> tf.Tensor:
        """Vectors float32 [n, k, E]: of each user without each of his items int32 [n, k]."""
        count, k = tf.shape(items)[0], tf.shape(items)[1]
        users = tf.repeat(tf.range(tf.cast(count, tf.int64)), k)
        flat = tf.reshape(items, [-1])
        # Entries are ascending by user and item; one more ends every search.
        keys = self._owners * self._num_items + tf.cast(self._items, tf.int64)
        keys = tf.concat([keys, [tf.int64.max]], axis=0)
        wanted = users * self._num_items + tf.cast(flat, tf.int64)
        places = tf.searchsorted(keys, wanted)
        kinds = tf.gather(tf.concat([self._kinds, [0]], axis=0), places)
        kinds = tf.where(tf.gather(keys, places) == wanted, kinds, 0)
        weights = self._weights
        if weights is not None:
            weights = tf.gather(tf.concat([weights, [0.0]], axis=0), places)
        vectors = self.leaving_out(users, flat, kinds, weights)
        return tf.reshape(vectors, [count, k, self._rows.row_size])

    def leaving_out(
        self, users: tf.Tensor, items: tf.Tensor, kinds: tf.Tensor, weights: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Vectors of users without an item each.

        Args:
            users: int64 [m], places in the batch.
            items: int32 [m].
            kinds: int32 [m], what the user did to it, bits.
            weights: float32 [m], of these entries; None: 1 each.

        Returns:
            float32 [m, E].
        """
        gates, numbers = self._rows.gated(kinds, weights)
        terms = gates[:, None] * tf.gather(self._rows.items.tables[0].value, items)
        left = tf.gather(self._sums, users) - terms
        scale = self._rows.scale(tf.gather(self._numbers, users) - numbers)
        return self._plus_own(scale[:, None] * left, users)

    def _plus_own(self, vectors: tf.Tensor, users: tf.Tensor | None = None) -> tf.Tensor:
        """With the vectors of the users themselves, if there are any."""
        if self._own is None:
            return vectors
        return vectors + (self._own if users is None else tf.gather(self._own, users))


def places_of(items: tf.Tensor, num_items: int) -> tf.Tensor:
    """Place of each of all items among some different ones, int32 [c]; -1 for the rest: int32 [num_items]."""
    nowhere = tf.fill([num_items], -1)
    return tf.tensor_scatter_nd_update(nowhere, items[:, None], tf.range(tf.size(items)))


def _kept(entries: tf.Tensor, dropout: float, num_entries: int, seed: tf.Tensor) -> tf.Tensor:
    """Which entries of all histories stay, bool: a function of the entry and the seed alone."""
    own_seed = tf.random.experimental.stateless_fold_in(seed, 1)
    last = tf.constant(max(1, num_entries - 1), tf.int64)
    one_more = tf.concat([entries, [0]], axis=0)  # none at all is refused
    drawn = tf.random.experimental.index_shuffle(one_more, own_seed, last)[:-1]
    return drawn >= tf.constant(round(dropout * num_entries), tf.int64)
