"""The parts that a target logit is the sum of, where users are sums over what they did."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from nmtr_tf.models.history import StoredHistories
from nmtr_tf.models.network import Network
from nmtr_tf.serving.exported_items import Items


def adds_up(net: Network) -> bool:
    """Whether target logits are sums over histories: users are, and no unit is a tower."""
    terms = net.cascade.terms(len(net.behaviors) - 1)
    is_sum = isinstance(net.user_rows, StoredHistories)
    return is_sum and all(net.cascade.units[r].adds_up for r in terms)


class ScoreParts:
    """Splits target logits of one user: what is left of the user's vector without his history is his own.

    Args:
        net: The parts of a model whose logits `adds_up` finds to be sums.
        some: As `ExportedItems.some`; None: the model's own item parts and biases.
    """

    def __init__(self, net: Network, some: Callable[[tf.Tensor, Sequence[int]], Items] | None = None):
        assert isinstance(net.user_rows, StoredHistories)
        self.network, self.rows = net, net.user_rows
        self.terms = net.cascade.terms(len(net.behaviors) - 1)
        self._some = some or self._of_model

    def _of_model(self, items: tf.Tensor, terms: Sequence[int]) -> Items:
        return self.network.item_parts(items, terms), self.network.item_rows.bias_rows(items, terms)

    def of_history(
        self, entries: tf.Tensor, kinds: tf.Tensor, items: tf.Tensor, weights: tf.Tensor | None = None
    ) -> tf.Tensor:
        """What each entry of a history adds to the logits of some items.

        Args:
            entries: int32 [n], items, ascending.
            kinds: int32 [n], bit s says that behavior s was shown.
            items: int32 [k].
            weights: float32 [n], of the entries; None: 1 each.

        Returns:
            float32 [n, k].
        """
        parts = self.rows.parts(entries, _one_owner(entries), 1, self.terms, kinds, weights)
        return self._logits(parts, items)

    def of_user(
        self,
        user: tf.Tensor,
        entries: tf.Tensor,
        kinds: tf.Tensor,
        items: tf.Tensor,
        weights: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """What the own vector of a user adds: int32 scalar, and as for `of_history` -> float32 [k]."""
        sums = self.rows.sums(entries, _one_owner(entries), 1, self.terms, kinds, weights=weights)
        known = self.rows.rows(tf.reshape(user, [1]), self.terms)
        return self._logits([one - other for one, other in zip(known, sums, strict=True)], items)[0]

    def of_items(self, items: tf.Tensor) -> tf.Tensor:
        """What their biases add: int32 [k] -> float32 [k]."""
        return tf.add_n(self._some(items, self.terms)[1])

    def _logits(self, vectors: Sequence[tf.Tensor], items: tf.Tensor) -> tf.Tensor:
        """Without biases: float32 [n, k] of vectors [n, row_size]."""
        cascade, (parts, biases) = self.network.cascade, self._some(items, self.terms)
        nothing = [tf.zeros_like(bias) for bias in biases]
        return cascade.logit(cascade.user_parts(vectors, self.terms), parts, nothing, self.terms)


def _one_owner(entries: tf.Tensor) -> tf.Tensor:
    return tf.zeros([tf.size(entries)], tf.int32)
