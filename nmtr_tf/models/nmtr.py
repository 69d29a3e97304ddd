"""Every method as a functional Keras model: embeddings, a unit and an item bias a behavior, a cascade.

NMTR (Eq. 4, 5 and 9) is the general case. A method that predicts the target only has one behavior, and
collective matrix factorization has no cascade: see `nmtr_tf.models.methods`.
"""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from nmtr_tf.config import ModelConfig
from nmtr_tf.models.methods import (
    get_method,
    has_item_bias,
    predicted_behaviors,
    separates_neumf,
    shares_embeddings,
    shares_items,
    unit_names,
)
from nmtr_tf.models.units import GMF, MF, MLP, NeuMF, Unit

ALL = slice(None)


@keras.saving.register_keras_serializable("nmtr_tf")
class Cascade(keras.layers.Layer):
    """The cascaded predictions of Eq. 9: out^r = out^{r-1} + f^r(p, q) + b_i^r.

    Without the cascade out^r = f^r(p, q) + b_i^r.

    Called on `(p, q, b)`, lists with one float32 [batch_size, E], [batch_size, E] and [batch_size, 1] per
    behavior, it gives a dictionary: behavior -> logits float32 [batch_size].

    Args:
        behaviors: Names of the behaviors, weakest first.
        units: One unit per behavior.
        cascade: Whether the logit of a behavior is added to the next one's.
    """

    def __init__(self, behaviors: Sequence[str], units: Sequence[Unit], cascade: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.behaviors = tuple(behaviors)
        self.units = list(units)
        self.cascade = cascade

    def build(self, input_shape):
        """Builds every unit for its embedding size."""
        for unit, shape in zip(self.units, input_shape[0], strict=True):
            if not unit.built:  # a loaded unit is
                unit.build(shape[-1])
        self.built = True

    def call(self, inputs, training=False):
        """Logits of row pairs."""
        p, q, b = inputs
        user_parts = self.user_parts([ops.expand_dims(x, -2) for x in p])
        item_parts = self.item_parts([ops.expand_dims(x, -2) for x in q])
        logits = self.combine(user_parts, item_parts, b, training=training)
        return {name: ops.squeeze(x, (-2, -1)) for name, x in zip(self.behaviors, logits, strict=True)}

    def terms(self, r: int) -> slice:
        """The behaviors whose units and item biases add up to the logit of behavior r (from 0)."""
        return slice(0 if self.cascade else r, r + 1)

    def user_parts(self, rows, terms: slice = ALL):
        """User parts of some behaviors, all or `terms`: a float32 [..., m, E] each -> [..., m, D]."""
        return [unit.user_part(p) for unit, p in zip(self.units[terms], rows, strict=True)]

    def item_parts(self, rows, terms: slice = ALL):
        """Item parts of some behaviors, all or `terms`: a float32 [..., k, E] each -> [..., k, D]."""
        return [unit.item_part(q) for unit, q in zip(self.units[terms], rows, strict=True)]

    def combine(self, user_parts, item_parts, item_biases, terms: slice = ALL, training=False):
        """Eq. 9 for every user row with every item row.

        Args:
            user_parts: What `user_parts` gave: float32 [..., m, D] for each behavior, all or `terms`.
            item_parts: What `item_parts` gave: float32 [..., k, D] for each.
            item_biases: float32 [..., k] for each.
            terms: What `terms` gave for a behavior; its logit is the last one then.
            training: Whether dropout is on.

        Returns:
            List of logits float32 [..., m, k], weakest behavior first.
        """
        logits, out = [], 0.0
        lists = user_parts, item_parts, item_biases
        for unit, a, b, bias in zip(self.units[terms], *lists, strict=True):
            before = out if self.cascade else 0.0
            out = before + unit.combine(a, b, training=training) + ops.expand_dims(bias, -2)
            logits.append(out)
        return logits

    def get_config(self):
        """Arguments of the constructor."""
        units = [keras.saving.serialize_keras_object(unit) for unit in self.units]
        own = {"behaviors": self.behaviors, "units": units, "cascade": self.cascade}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        units = [keras.saving.deserialize_keras_object(unit) for unit in config.pop("units")]
        return cls(units=units, **config)


@dataclasses.dataclass(frozen=True)
class Network:
    """The variables of a model by their role; lists have one entry per predicted behavior, weakest first.

    Attributes:
        user_tables: P [num_users, E]; the same variable R times where embeddings are shared. 2E wide
            where the parts of NeuMF have embeddings of their own.
        item_tables: Q [num_items, E], likewise.
        item_biases: b^r [num_items, 1].
        cascade: The layer that owns the units.
    """

    user_tables: list[keras.Variable]
    item_tables: list[keras.Variable]
    item_biases: list[keras.Variable]
    cascade: Cascade

    @property
    def shares_items(self) -> bool:
        """Whether all behaviors have one Q."""
        return all(table is self.item_tables[0] for table in self.item_tables)

    @property
    def is_inner_product(self) -> bool:
        """Whether each logit is one inner product of a user vector and an item vector."""
        return all(unit.is_inner_product for unit in self.cascade.units)


def network(model: keras.Model) -> Network:
    """The parts of a model made by `build_model`, also after it was saved and loaded."""
    layers = {layer.name: layer for layer in model.layers}
    cascade = layers["cascade"]

    def tables(kind: str) -> list[keras.Variable]:
        shared = layers.get(kind)
        return [(shared or layers[f"{kind}_{name}"]).embeddings for name in cascade.behaviors]

    return Network(tables("user_embedding"), tables("item_embedding"), tables("item_bias"), cascade)


def build_model(
    config: ModelConfig, behaviors: Sequence[str], num_users: int, num_items: int, seed: int
) -> keras.Model:
    """The functional model: int32 ids [batch_size] in, a logit [batch_size] per predicted behavior out.

    Inputs are `user_ids` and `item_ids` (rows of the tables), the output is a dictionary keyed by
    behavior name. Probabilities (Eq. 5) are the sigmoid of the logits.

    Args:
        config: The method, its units and sizes.
        behaviors: Names of the training view's behaviors, weakest first; the method may predict the last
            one only.
        num_users: Rows of P.
        num_items: Rows of Q.
        seed: Seed of every initial value and of dropout.
    """
    behaviors = predicted_behaviors(config, tuple(behaviors))
    row_size = config.embedding_dim * (2 if separates_neumf(config) else 1)
    seeds = np.random.default_rng(seed)

    def next_seed() -> int:
        return int(seeds.integers(2**31 - 1))

    def embedding(name: str, rows: int) -> keras.layers.Embedding:
        initializer = keras.initializers.TruncatedNormal(stddev=config.embedding_stddev, seed=next_seed())
        return keras.layers.Embedding(rows, row_size, initializer, name=name)

    def embedded(kind: str, rows: int, ids, shared: bool) -> list:
        if shared:
            return [embedding(kind, rows)(ids)] * len(behaviors)
        return [embedding(f"{kind}_{name}", rows)(ids) for name in behaviors]

    user_ids = keras.Input((), dtype="int32", name="user_ids")
    item_ids = keras.Input((), dtype="int32", name="item_ids")
    p = embedded("user_embedding", num_users, user_ids, shares_embeddings(config))
    q = embedded("item_embedding", num_items, item_ids, shares_items(config))
    trained = has_item_bias(config)  # else they stay zero
    b = [
        keras.layers.Embedding(num_items, 1, "zeros", name=f"item_bias_{name}", trainable=trained)(item_ids)
        for name in behaviors
    ]
    units = [_unit(name, config, next_seed()) for name in unit_names(config, behaviors)]
    logits = Cascade(behaviors, units, get_method(config.method).cascade, name="cascade")((p, q, b))
    return keras.Model({"user_ids": user_ids, "item_ids": item_ids}, logits, name=config.method)


def _unit(name: str, config: ModelConfig, seed: int) -> Unit:
    if name == "mf":
        return MF()
    if name == "gmf":
        return GMF(seed=seed)
    if name == "mlp":
        return MLP(config.tower_widths, config.dropout, seed=seed)
    return NeuMF(config.tower_widths, config.dropout, seed, separates_neumf(config))
