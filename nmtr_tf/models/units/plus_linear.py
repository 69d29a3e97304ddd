"""A unit and a linear part beside it."""

import keras
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.units.base import Unit


@keras.saving.register_keras_serializable("nmtr_tf")
class PlusLinear(Unit):
    """f(u, i) = g(p, q) + w (x_u B)_i, the sum of a unit g and a linear part.

    The user's row is p with x_u B behind it, the item's q with its place behind it: see
    `nmtr_tf.models.summed`. Gradients do not change w.

    Args:
        unit: g.
        num_items: Length of x_u B.
    """

    def __init__(self, unit: Unit, num_items: int, **kwargs):
        super().__init__(**kwargs)
        self.unit, self.num_items = unit, num_items

    def build(self, embedding_dim):
        """Creates w, 1, and builds g."""
        if not self.unit.built:
            self.unit.build(embedding_dim - self.num_items)
        self.linear_weight = self.add_weight((), "ones", trainable=False, name="linear_weight")
        super().build(embedding_dim)

    def user_part(self, p):
        """That of g, and w x_u B behind it."""
        size = p.shape[-1] - self.num_items
        return tf.concat([self.unit.user_part(p[..., :size]), self.linear_weight * p[..., size:]], axis=-1)

    def item_part(self, q):
        """That of g, and the places as they are."""
        return tf.concat([self.unit.item_part(q[..., :-1]), q[..., -1:]], axis=-1)

    def combine(self, user_part, item_part, training=False):
        """What g makes of its parts, and the sums at the places."""
        size, leading = item_part.shape[-1] - 1, user_part.shape.rank - 2
        places = tf.cast(item_part[..., -1], tf.int32)
        linear = tf.gather(user_part[..., size:], places, axis=-1, batch_dims=leading)
        return self.unit.combine(user_part[..., :size], item_part[..., :size], training=training) + linear

    @property
    def adds_up(self) -> bool:
        """Where g does."""
        return self.unit.adds_up

    @property
    def pair_cost(self) -> int:
        """Of g, and the look-up."""
        return self.unit.pair_cost + 1

    @property
    def pair_floats(self) -> int:
        """Of g, the parts of the user, and the look-up."""
        return self.unit.pair_floats + 3

    @override
    def get_config(self):
        return {
            **super().get_config(),
            "unit": keras.saving.serialize_keras_object(self.unit),
            "num_items": self.num_items,
        }

    @classmethod
    @override
    def from_config(cls, config):
        return cls(**{**config, "unit": keras.saving.deserialize_keras_object(config["unit"])})
