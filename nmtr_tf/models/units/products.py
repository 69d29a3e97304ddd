"""Units that are an inner product: plain matrix factorization and GMF (Eq. 6)."""

import keras
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.units.base import Unit, output_weight


@keras.saving.register_keras_serializable("nmtr_tf")
class MF(Unit):
    """Matrix factorization: the inner product p . q; no weights."""

    is_inner_product = True

    def user_part(self, p):
        """The user embedding as it is."""
        return p

    def item_part(self, q):
        """The item embedding as it is."""
        return q

    def combine(self, user_part, item_part, training=False):
        """Inner products."""
        return tf.matmul(user_part, item_part, transpose_b=True)  # keras.ops would copy the transpose

    @property
    def pair_floats(self) -> int:
        """The logit alone."""
        return 1


@keras.saving.register_keras_serializable("nmtr_tf")
class GMF(MF):
    """Generalized matrix factorization, Eq. 6: h . (p * q), no bias, no activation.

    Args:
        output_fan_in: Inputs of the output layer that `h` belongs to, for He's initial values; None: E.
            NeuMF sets it, as its h spans more than this unit.
        seed: Seed of the initial values.
    """

    def __init__(self, output_fan_in: int | None = None, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.output_fan_in = output_fan_in
        self.seed = seed

    def build(self, embedding_dim):
        """Creates h [E]."""
        super().build(embedding_dim)
        self.h = output_weight(self, embedding_dim)

    def user_part(self, p):
        """P * h, so that the rest is an inner product."""
        return p * self.h

    @override
    def get_config(self):
        return {**super().get_config(), "output_fan_in": self.output_fan_in, "seed": self.seed}
