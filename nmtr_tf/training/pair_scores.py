"""Training logits and cosines of one behavior: of pairs, and of all users of a batch with all its negatives.

Where users are read from their histories, the pair that is predicted is left out of them.
"""

from collections.abc import Sequence

import tensorflow as tf

from nmtr_tf.models.network import Network
from nmtr_tf.models.pairs_left_out import PairsLeftOut
from nmtr_tf.models.pooled import PooledRows
from nmtr_tf.training.chunks import in_chunks
from nmtr_tf.training.sampling import BehaviorBatch
from nmtr_tf.training.shared_sampling import SharedBatch

_FLOATS_AT_ONCE = 2**24
"""Of the layers of a tower, for some users with all negatives of a batch: 64 MiB."""


def pair_logits(net: Network, r: int, batch: BehaviorBatch) -> tf.Tensor:
    """Training logits of behavior r for every positive and its negatives, float32 [n, 1 + num_negatives]."""
    terms, candidates = net.cascade.terms(r), batch.candidates
    if not net.from_history:
        user_parts = net.user_parts(batch.user_ids[:, None], terms)
        item_parts = net.item_parts(candidates, terms)
        biases = net.item_rows.bias_rows(candidates, terms, _columns(batch))
        return net.cascade.logit(user_parts, item_parts, biases, terms, training=True)[:, 0, :]
    vectors = _histories(net, batch).without(candidates)
    logits = Scores(net, terms).of_pairs([vectors] * len(terms), candidates, _columns(batch))
    return tf.ensure_shape(logits, candidates.shape)


def shared_scores(net: Network, r: int, batch: SharedBatch, cosine: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Of the positives, float32 [n], and of every row with every negative, float32 [n, c].

    Args:
        net: The parts of the model.
        r: The behavior.
        batch: Its instances.
        cosine: Cosines, of a model whose units are inner products; else logits.
    """
    terms = net.cascade.terms(r)
    scores = Scores(net, terms, cosine)
    if not net.from_history:
        rows = net.user_rows.rows(batch.user_ids, terms)
        return scores.of_pairs(rows, batch.positives), scores.of_all(rows, batch.items)
    histories = _histories(net, batch)
    without = histories.without(batch.positives[:, None])[:, 0]
    positive = scores.of_pairs([without] * len(terms), batch.positives)
    everything = scores.of_all([histories.vectors()] * len(terms), batch.items)
    rows, columns, kinds, weights = histories.among(batch.items)
    items = tf.gather(batch.items, columns)
    own = [histories.leaving_out(rows, items, kinds, weights)] * len(terms)
    places = tf.stack([rows, tf.cast(columns, tf.int64)], axis=1)
    return positive, tf.tensor_scatter_nd_update(everything, places, scores.of_pairs(own, items))


def _columns(batch: BehaviorBatch) -> tf.Tensor | None:
    """The bucket of time of each positive and its negatives, int32 [n, 1]; None: there are none."""
    return None if batch.buckets is None else batch.buckets[:, None]


def _histories(net: Network, batch: BehaviorBatch | SharedBatch) -> PairsLeftOut:
    rows: object = net.user_rows
    assert isinstance(rows, PooledRows)
    return PairsLeftOut(rows, batch.user_ids, batch.seed)


class Scores:
    """Logits of a behavior, or its cosines, from the vectors of users and the ids of items.

    The cosine is that of the two vectors whose inner product the logit is: with y_u the sum of the user
    parts of the behavior and its ancestors (H p_u, where H is the sum of their h) and q_i the item's vector,
    y_u . q_i / (|y_u| |q_i|). The items are of unit length already (`NormalizedItems`).

    Args:
        net: The parts of the model.
        terms: The behavior and its ancestors.
        cosine: Whether cosines are asked for.
    """

    def __init__(self, net: Network, terms: Sequence[int], cosine: bool = False):
        self._net, self._terms, self._cosine = net, terms, cosine
        self._is_one = net.is_inner_product and (net.item_rows.shared or len(terms) == 1)

    def of_pairs(self, vectors: Sequence[tf.Tensor], items: tf.Tensor, buckets=None) -> tf.Tensor:
        """Float32 [...] of vectors of users, float32 [..., E] for each term, with items int32 [...].

        Their biases are those of `buckets`, see `ItemRows.bias_rows`.
        """
        parts, biases = self._item_side(items, buckets)
        if self._is_one:
            return tf.reduce_sum(self._side(vectors) * parts[0], axis=-1) + tf.add_n(biases)
        users = self._net.cascade.user_parts([p[..., None, :] for p in vectors], self._terms)
        items_, biases = [q[..., None, :] for q in parts], [b[..., None] for b in biases]
        return self._net.cascade.logit(users, items_, biases, self._terms, training=True)[..., 0, 0]

    def of_all(self, vectors: Sequence[tf.Tensor], items: tf.Tensor) -> tf.Tensor:
        """Float32 [n, c] of vectors of users, float32 [n, E] for each term, each with all items int32 [c]."""
        parts, biases = self._item_side(items)
        if self._is_one:
            return tf.matmul(self._side(vectors), parts[0], transpose_b=True) + tf.add_n(biases)
        users = self._net.cascade.user_parts(vectors, self._terms)
        if self._net.is_inner_product:
            return self._net.cascade.logit(users, parts, biases, self._terms, training=True)
        return self._by_some(users, parts, biases)

    def _item_side(self, items: tf.Tensor, buckets=None) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        net = self._net
        return net.item_parts(items, self._terms), net.item_rows.bias_rows(items, self._terms, buckets)

    def _side(self, vectors: Sequence[tf.Tensor]) -> tf.Tensor:
        """The vectors of users that have one product with those of items, float32 [..., E]."""
        summed = tf.add_n(self._net.cascade.user_parts(vectors, self._terms))
        return tf.math.l2_normalize(summed, axis=-1) if self._cosine else summed

    def _by_some(self, users: list[tf.Tensor], items: list[tf.Tensor], biases: list[tf.Tensor]) -> tf.Tensor:
        """As `of_all`, some users at a time; what is between is computed again for the gradient."""
        cascade, terms = self._net.cascade, self._terms
        floats = tf.size(biases[0]) * sum(cascade.units[r].pair_floats for r in terms)
        chunk = tf.maximum(_FLOATS_AT_ONCE // tf.maximum(floats, 1), 1)

        def logits(some, others):
            return cascade.logit(some, others[: len(terms)], others[len(terms) :], terms, training=True)

        return in_chunks(
            logits, users, [*items, *biases], tf.minimum(chunk, tf.maximum(tf.shape(users[0])[0], 1))
        )
