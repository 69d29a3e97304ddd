"""The linear unit: a user's sum over his history, looked up at the item."""

import keras
import tensorflow as tf

from nmtr_tf.models.units.base import Unit


@keras.saving.register_keras_serializable("nmtr_tf")
class Linear(Unit):
    """f(u, i) = sum_j x_uj B_ji: the product of x_u B and the one-hot vector of i; no weights of its own.

    The user's row is x_u B and the item's the place of its one: see `nmtr_tf.models.history`.
    """

    def user_part(self, p):
        """The sums as they are: float32 [..., m, num_items]."""
        return p

    def item_part(self, q):
        """The places as they are: int32 [..., k, 1]."""
        return q

    def combine(self, user_part, item_part, training=False):
        """The sums at the places."""
        leading = user_part.shape.rank - 2
        return tf.gather(user_part, item_part[..., 0], axis=-1, batch_dims=leading)

    @property
    def adds_up(self) -> bool:
        """It does."""
        return True

    @property
    def pair_cost(self) -> int:
        """The look-up; the sums are the user's."""
        return 1

    @property
    def pair_floats(self) -> int:
        """The sum and the logit."""
        return 2
