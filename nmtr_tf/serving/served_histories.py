"""The graph of an exported model whose users are sums over their histories: new users are known at once.

Beside the signatures of `nmtr_tf.serving.served_model`, with inputs of strings, there is

recommend_for_history   item_id [B, N], behavior [B, N]        as serving_default

A row is what one user did, filled up with "". What is no item or no behavior of the training data is passed
over, what comes again counts once, and the items of the history are not recommended. A user of the training
data whose history it is would get the same, where what he touched is left out of his and he has no vector of
his own besides (`user_rows=both`). Without an item that is known, known_user is false and the most purchased
items are given. The linear method does not tell behaviors apart, and has no input `behavior`.
"""

from collections.abc import Callable

import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.history import StoredHistories
from nmtr_tf.serving.served_model import ServedModel


class ServedHistories(ServedModel):
    """The graph of the signatures, for a model with `StoredHistories`; arguments as for `ServedModel`."""

    @override
    def __init__(self, model, view, *args, **kwargs):
        super().__init__(model, view, *args, **kwargs)
        self.behaviors = tuple(view.behaviors)

    def recommend_for_items(self, item_id):
        """Signature recommend_for_history where behaviors are not told apart."""
        _, listed = self._listed(item_id)
        places, _ = tf.unique(tf.sort(listed[:, 0] * self.num_items + listed[:, 1]))
        return self._for_entries(places, None, tf.shape(item_id)[0])

    def recommend_for_events(self, item_id, behavior):
        """Signature recommend_for_history where they are."""
        message = "item_id and behavior should have the same shape."
        tf.debugging.assert_equal(tf.shape(item_id), tf.shape(behavior), message)
        where, listed = self._listed(item_id)
        is_kind = tf.gather_nd(behavior, where)[:, None] == tf.constant(self.behaviors)
        is_known = tf.reduce_any(is_kind, axis=1)
        keys = tf.boolean_mask(listed[:, 0] * self.num_items + listed[:, 1], is_known)
        order = tf.argsort(keys, stable=True)
        places, entry = tf.unique(tf.gather(keys, order))
        bits = tf.cast(tf.gather(tf.boolean_mask(is_kind, is_known), order), tf.int32)
        shown = tf.maximum(tf.math.unsorted_segment_max(bits, entry, tf.size(places)), 0)
        kinds = tf.reduce_sum(shown * [1 << s for s in range(len(self.behaviors))], axis=1)
        return self._for_entries(places, kinds, tf.shape(item_id)[0])

    def _for_entries(self, places, kinds, count):
        """The best items for histories.

        Args:
            places: int64 [n], ascending, different: history * num_items + item of each entry.
            kinds: As for `StoredHistories.sums`.
            count: Number of histories.
        """
        rows, terms = self.network.user_rows, self.scorer.terms
        assert isinstance(rows, StoredHistories)
        owners, items = places // self.num_items, places % self.num_items
        known = tf.math.bincount(tf.cast(owners, tf.int32), minlength=count, maxlength=count) > 0
        sums = self.network.cascade.user_parts(rows.sums(items, owners, count, terms, kinds), terms)
        item_parts, biases = self.items.all(terms)
        logits = self.network.cascade.logit(sums, item_parts, biases, terms)
        scores = tf.where(known[:, None], logits, self.popularity)
        return self._best(scores, tf.stack([owners, items], axis=1), known)

    @property
    @override
    def functions(self) -> dict[str, tuple[Callable, dict[str, int]]]:
        rows = self.network.user_rows
        assert isinstance(rows, StoredHistories)
        one: tuple[Callable, dict[str, int]] = (self.recommend_for_items, {"item_id": 2})
        if rows.tells_behaviors:
            one = self.recommend_for_events, {"item_id": 2, "behavior": 2}
        return {**super().functions, "recommend_for_history": one}
