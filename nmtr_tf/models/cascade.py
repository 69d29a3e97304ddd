"""The cascade of predictions (Eq. 9): which terms add up to the logit of each behavior."""

from collections.abc import Sequence

import keras
from keras import ops
from typing_extensions import override

from nmtr_tf.models.units import Unit


@keras.saving.register_keras_serializable("nmtr_tf")
class Cascade(keras.layers.Layer):
    """Eq. 9: the logit of a behavior is its own term and those of its ancestors, each once.

    The term of behavior r is f^r(p, q) + b_i^r. With one parent, out^r = out^parent + f^r + b_i^r.
    Called on `(p, q, b)`, lists with one float32 [batch_size, E], [batch_size, E] and [batch_size] per
    behavior, it gives a dictionary: behavior -> logits float32 [batch_size].

    Args:
        behaviors: Names of the behaviors, weakest first.
        units: One unit per behavior.
        parents: For each behavior the behaviors (from 0, before it) whose logits go into its own.
    """

    def __init__(
        self,
        behaviors: Sequence[str],
        units: Sequence[Unit],
        parents: Sequence[Sequence[int]],
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.behaviors = tuple(behaviors)
        self.units = list(units)
        self.parents = tuple(tuple(own) for own in parents)

    def build(self, input_shape):
        """Builds every unit for its embedding size."""
        for unit, shape in zip(self.units, input_shape[0], strict=True):
            if not unit.built:  # a loaded unit is
                unit.build(shape[-1])
        self.built = True

    def call(self, inputs, training=False):
        """Logits of row pairs."""
        p, q, b = inputs
        everything = range(len(self.units))
        user_parts = self.user_parts([ops.expand_dims(x, -2) for x in p], everything)
        item_parts = self.item_parts([ops.expand_dims(x, -2) for x in q], everything)
        biases = [ops.expand_dims(x, -1) for x in b]
        logits = self.logits(user_parts, item_parts, biases, training=training)
        return {name: ops.squeeze(x, (-2, -1)) for name, x in zip(self.behaviors, logits, strict=True)}

    def terms(self, r: int) -> tuple[int, ...]:
        """The behaviors whose terms add up to the logit of behavior r: it and its ancestors, ascending."""
        found = {r}
        for parent in self.parents[r]:
            found |= set(self.terms(parent))
        return tuple(sorted(found))

    def user_parts(self, rows, terms: Sequence[int]):
        """User parts of some behaviors: a float32 [..., m, E] each -> [..., m, D]."""
        return [self.units[r].user_part(p) for r, p in zip(terms, rows, strict=True)]

    def item_parts(self, rows, terms: Sequence[int]):
        """Item parts of some behaviors: a float32 [..., k, E] each -> [..., k, D]."""
        return [self.units[r].item_part(q) for r, q in zip(terms, rows, strict=True)]

    def logit(self, user_parts, item_parts, item_biases, terms: Sequence[int], training=False):
        """The sum of some terms for every user row with every item row: with `terms(r)`, out^r.

        Args:
            user_parts: What `user_parts` gave for the terms: float32 [..., m, D] for each.
            item_parts: What `item_parts` gave for the terms: float32 [..., k, D] for each.
            item_biases: float32 [..., k] for each.
            terms: The behaviors, from 0.
            training: Whether dropout is on.

        Returns:
            float32 [..., m, k].
        """
        out = 0.0
        for r, a, b, bias in zip(terms, user_parts, item_parts, item_biases, strict=True):
            out = out + self.units[r].combine(a, b, training=training) + ops.expand_dims(bias, -2)
        return out

    def logits(self, user_parts, item_parts, item_biases, training=False):
        """Eq. 9 for all behaviors.

        Args:
            user_parts: As for `logit`, of all behaviors.
            item_parts: Likewise.
            item_biases: Likewise.
            training: Whether dropout is on.

        Returns:
            List of logits float32 [..., m, k], weakest behavior first.
        """
        values = [
            unit.combine(a, b, training=training)
            for unit, a, b in zip(self.units, user_parts, item_parts, strict=True)
        ]
        biases = [ops.expand_dims(bias, -2) for bias in item_biases]
        logits: list = []
        for r, parents in enumerate(self.parents):
            if len(parents) == 1:  # what is before it stands there already
                out, rest = logits[parents[0]], [r]
            else:
                out, rest = 0.0, list(self.terms(r))
            for s in rest:
                out = out + values[s] + biases[s]
            logits.append(out)
        return logits

    @override
    def get_config(self):
        units = [keras.saving.serialize_keras_object(unit) for unit in self.units]
        own = {"behaviors": self.behaviors, "units": units, "parents": self.parents}
        return {**super().get_config(), **own}

    @classmethod
    @override
    def from_config(cls, config):
        units = [keras.saving.deserialize_keras_object(unit) for unit in config.pop("units")]
        return cls(units=units, **config)
