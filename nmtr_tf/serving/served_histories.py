"""The graph of an exported model whose users are sums over their histories: new users are known at once.

Beside the signatures of `nmtr_tf.serving.served_model`, with inputs of strings, there is

recommend_for_history   item_id [B, N]                         as serving_default

A row is what one user touched, filled up with "". Ids that are no items are passed over, repeated ones count
once, and the items of the history are not recommended. A user of the training data whose history it is would
get the same, where what he touched is left out of his. Without an item that is known, known_user is false and
the most purchased items are given.
"""

from collections.abc import Callable

import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.history import HistoryRows
from nmtr_tf.serving.served_model import ServedModel


class ServedHistories(ServedModel):
    """The graph of the signatures, for a model with `HistoryRows`; arguments as for `ServedModel`."""

    def recommend_for_history(self, item_id):
        """Signature recommend_for_history."""
        rows, terms, count = self.network.user_rows, self.scorer.terms, tf.shape(item_id)[0]
        assert isinstance(rows, HistoryRows)
        _, listed = self._listed(item_id)
        places, _ = tf.unique(tf.sort(listed[:, 0] * self.num_items + listed[:, 1]))
        owners, items = places // self.num_items, places % self.num_items
        known = tf.math.bincount(tf.cast(owners, tf.int32), minlength=count, maxlength=count) > 0
        sums = self.network.cascade.user_parts(rows.sums(items, owners, count, terms), terms)
        item_parts, biases = self.items.all(terms)
        logits = self.network.cascade.logit(sums, item_parts, biases, terms)
        scores = tf.where(known[:, None], logits, self.popularity)
        return self._best(scores, tf.stack([owners, items], axis=1), known)

    @property
    @override
    def functions(self) -> dict[str, tuple[Callable, dict[str, int]]]:
        return {**super().functions, "recommend_for_history": (self.recommend_for_history, {"item_id": 2})}
