"""The parts of a model: from ids to vectors to logits."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from nmtr_tf.models.cascade import Cascade
from nmtr_tf.models.history import StoredHistories
from nmtr_tf.models.rows import ItemRows, TableRows


@dataclasses.dataclass(frozen=True)
class Network:
    """The parts of a model, by which it is computed where pairs of ids are the slow way.

    Attributes:
        user_rows: From user ids to vectors.
        item_rows: From item ids to vectors and item biases.
        cascade: From vectors to logits; it owns the units.
    """

    user_rows: TableRows
    item_rows: ItemRows
    cascade: Cascade

    @property
    def behaviors(self) -> tuple[str, ...]:
        """The behaviors with a logit, weakest first."""
        return self.cascade.behaviors

    @property
    def from_history(self) -> bool:
        """Whether users are sums over their histories, which are of any length."""
        return isinstance(self.user_rows, StoredHistories)

    @property
    def is_inner_product(self) -> bool:
        """Whether each logit is one inner product of a user vector and an item vector."""
        return all(unit.is_inner_product for unit in self.cascade.units)

    @property
    def has_one_product(self) -> bool:
        """Whether all items are ranked by one matrix product, as all behaviors have one Q besides."""
        return self.is_inner_product and self.item_rows.shared

    def user_parts(self, user_ids: tf.Tensor, terms: Sequence[int]) -> list[tf.Tensor]:
        """User parts of some behaviors: ids int32 [..., m] -> a float32 [..., m, D] each."""
        return self.cascade.user_parts(self.user_rows.rows(user_ids, terms), terms)

    def item_parts(self, item_ids: tf.Tensor, terms: Sequence[int]) -> list[tf.Tensor]:
        """Item parts of some behaviors: ids int32 [..., k] -> a float32 [..., k, D] each."""
        return self.cascade.item_parts(self.item_rows.rows(item_ids, terms), terms)

    def all_item_parts(self, terms: Sequence[int]) -> list[tf.Tensor]:
        """Item parts of all items, float32 [num_items, D], for each of some behaviors."""
        return self.cascade.item_parts(self.item_rows.all_rows(terms), terms)


def network(model: keras.Model) -> Network:
    """The parts of a model made by `build_model`, also after it was saved and loaded.

    Raises:
        ValueError: If the model is another one.
    """
    parts = {layer.name: layer for layer in model.layers}
    names = [field.name for field in dataclasses.fields(Network)]
    if missing := [name for name in names if name not in parts]:
        raise ValueError(f"`model` should come from `build_model`: it has no layer {missing[0]!r}.")
    return Network(*[parts[name] for name in names])
