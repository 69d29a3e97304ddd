"""Every method as a functional Keras model: rows, a unit and an item bias a behavior, a cascade.

NMTR (Eq. 4, 5 and 9) is the general case. A method that predicts the target only has one behavior, and
collective matrix factorization has no cascade: see `nmtr_tf.models.methods`.
"""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from nmtr_tf.models.cascade import Cascade
from nmtr_tf.models.plan import Plan
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

    def one(kind: type) -> keras.layers.Layer:
        found = [layer for layer in model.layers if type(layer) is kind]
        if len(found) != 1:
            raise ValueError(f"`model` should come from `build_model`: it has {len(found)} {kind.__name__}.")
        return found[0]

    return Network(one(TableRows), one(ItemRows), one(Cascade))


def build_model(plan: Plan, num_users: int, num_items: int, seed: int) -> keras.Model:
    """The functional model: int32 ids [batch_size] in, a logit [batch_size] per predicted behavior out.

    Inputs are `user_ids` and `item_ids` (rows of the tables), the output is a dictionary keyed by
    behavior name. Probabilities (Eq. 5) are the sigmoid of the logits.

    Args:
        plan: The method with its options.
        num_users: Rows of P.
        num_items: Rows of Q.
        seed: Seed of every initial value and of dropout.
    """
    generator, num_behaviors = np.random.default_rng(seed), len(plan.predicted)

    def seeds(count: int) -> list[int]:
        return [int(generator.integers(2**31 - 1)) for _ in range(count)]

    def options(num_rows: int, shared: bool) -> dict:
        own = {"num_rows": num_rows, "row_size": plan.row_size, "num_behaviors": num_behaviors}
        return {
            **own,
            "shared": shared,
            "stddev": plan.embedding_stddev,
            "seeds": seeds(1 if shared else num_behaviors),
        }

    user_ids = keras.Input((), dtype="int32", name="user_ids")
    item_ids = keras.Input((), dtype="int32", name="item_ids")
    p = TableRows(**options(num_users, plan.shares_users), name="user_rows")(user_ids)
    item_rows = ItemRows(
        **options(num_items, plan.shares_items), trains_biases=plan.item_bias, name="item_rows"
    )
    q, b = item_rows(item_ids)
    units = [
        kind.make(
            widths=plan.tower_widths, dropout=plan.dropout, seed=unit_seed, separate=plan.separates_parts
        )
        for kind, unit_seed in zip(plan.units, seeds(num_behaviors), strict=True)
    ]
    logits = Cascade(plan.predicted, units, plan.parents, name="cascade")((p, q, b))
    return keras.Model({"user_ids": user_ids, "item_ids": item_ids}, logits, name=plan.name)
