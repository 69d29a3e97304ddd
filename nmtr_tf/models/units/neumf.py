"""The NeuMF unit (Eq. 8)."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops
from typing_extensions import override

from nmtr_tf.models.units.base import Unit, derived_seed
from nmtr_tf.models.units.mlp import MLP
from nmtr_tf.models.units.products import GMF


@keras.saving.register_keras_serializable("nmtr_tf")
class NeuMF(Unit):
    """GMF and MLP on the same p and q, Eq. 8: h . [p * q; z_L].

    h is kept as its two blocks, GMF's over p * q and MLP's over z_L: the logit is their sum.

    Args:
        widths: Width of every hidden layer, first to last.
        dropout: Dropout rate on the hidden layers while training.
        seed: Seed of the initial values and of dropout.
        separate: Whether GMF and MLP have embeddings of their own, as in the original NeuMF: p and q are
            [..., 2E] then, GMF's half first.
    """

    def __init__(
        self,
        widths: Sequence[int],
        dropout: float = 0.0,
        seed: int | None = None,
        separate: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.dropout = dropout
        self.seed = seed
        self.separate = separate

    def build(self, row_size):
        """Creates the GMF and the MLP block; h counts E + width_L inputs."""
        embedding_dim = row_size // 2 if self.separate else row_size
        fan_in = embedding_dim + self.widths[-1]
        self.gmf = GMF(fan_in, derived_seed(self.seed, 100), name="gmf")
        self.mlp = MLP(self.widths, self.dropout, fan_in, self.seed, name="mlp")
        self.gmf.build(embedding_dim)
        self.mlp.build(embedding_dim)
        self.built = True

    def user_part(self, p):
        """[..., m, E + width_1]: GMF's part, then MLP's."""
        gmf, mlp = self._halves(p)
        return ops.concatenate([self.gmf.user_part(gmf), self.mlp.user_part(mlp)], axis=-1)

    def item_part(self, q):
        """[..., k, E + width_1]: GMF's part, then MLP's."""
        gmf, mlp = self._halves(q)
        return ops.concatenate([self.gmf.item_part(gmf), self.mlp.item_part(mlp)], axis=-1)

    def _halves(self, rows):
        """The embeddings that GMF and MLP read."""
        return tf.split(rows, 2, axis=-1) if self.separate else (rows, rows)

    def combine(self, user_part, item_part, training=False):
        """GMF's logit plus MLP's."""
        # A split: the gradient of a slice is a whole tensor of zeros around it.
        sizes = (self.mlp.embedding_dim, self.widths[0])
        (p, a), (q, b) = (tf.split(part, sizes, axis=-1) for part in (user_part, item_part))
        return self.gmf.combine(p, q) + self.mlp.combine(a, b, training=training)

    @property
    def pair_cost(self) -> int:
        """GMF's and MLP's."""
        return self.gmf.pair_cost + self.mlp.pair_cost

    @property
    def pair_floats(self) -> int:
        """GMF's and MLP's."""
        return self.gmf.pair_floats + self.mlp.pair_floats

    @override
    def get_config(self):
        own = {"widths": self.widths, "dropout": self.dropout, "seed": self.seed, "separate": self.separate}
        return {**super().get_config(), **own}
