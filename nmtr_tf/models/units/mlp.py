"""The MLP unit (Eq. 7)."""

from collections.abc import Sequence

import keras
from keras import ops
from typing_extensions import override

from nmtr_tf.models.units.base import Unit, derived_seed, output_weight


@keras.saving.register_keras_serializable("nmtr_tf")
class MLP(Unit):
    """Multi-layer perceptron on [p; q], Eq. 7: ReLU layers, then h . z_L.

    The first layer's weight W_1 [2E, width] acts on p and q apart: W_1 [p; q] = W_1[:E] p + W_1[E:] q.

    Differs from the paper: z_L is of the size of an embedding there, which a first layer four times as wide
    (at three layers) would give; the default is a first layer as wide as an embedding, the usual tower.

    Args:
        widths: Width of every hidden layer, first to last.
        dropout: Dropout rate on the hidden layers while training.
        output_fan_in: As for `GMF`; None: the last width.
        seed: Seed of the initial values and of dropout.
    """

    def __init__(
        self,
        widths: Sequence[int],
        dropout: float = 0.0,
        output_fan_in: int | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.dropout = dropout
        self.output_fan_in = output_fan_in
        self.seed = seed
        self._dropout_seed = keras.random.SeedGenerator(seed) if dropout else None

    def build(self, embedding_dim):
        """Creates W_l [width_{l-1}, width_l], b_l [width_l] and h [width_L]."""
        self.embedding_dim = embedding_dim
        self.kernels, self.biases = [], []
        sizes = (2 * embedding_dim, *self.widths[:-1])
        for layer, (size, width) in enumerate(zip(sizes, self.widths, strict=True), start=1):
            initializer = keras.initializers.HeNormal(derived_seed(self.seed, layer))
            self.kernels.append(self.add_weight((size, width), initializer, name=f"W_{layer}"))
            self.biases.append(self.add_weight((width,), "zeros", name=f"b_{layer}"))
        self.h = output_weight(self, self.widths[-1])
        self.built = True

    def user_part(self, p):
        """W_1[:E] p + b_1, [..., m, width_1]."""
        return _dense(p, self.kernels[0][: self.embedding_dim]) + self.biases[0]

    def item_part(self, q):
        """W_1[E:] q, [..., k, width_1]."""
        return _dense(q, self.kernels[0][self.embedding_dim :])

    def combine(self, user_part, item_part, training=False):
        """The rest of the tower on every pair of rows."""
        first = ops.expand_dims(user_part, -2) + ops.expand_dims(item_part, -3)
        hidden = self._activate(ops.reshape(first, (-1, self.widths[0])), training)
        for kernel, bias in zip(self.kernels[1:], self.biases[1:], strict=True):
            hidden = self._activate(ops.matmul(hidden, kernel) + bias, training)
        return ops.reshape(ops.matmul(hidden, self.h[:, None]), ops.shape(first)[:-1])

    def _activate(self, preactivation, training):
        hidden = ops.relu(preactivation)
        if training and self.dropout:
            hidden = keras.random.dropout(hidden, self.dropout, seed=self._dropout_seed)
        return hidden

    @property
    def pair_cost(self) -> int:
        """Layers two and up, and h."""
        return sum(a * b for a, b in zip(self.widths, (*self.widths[1:], 1), strict=True))

    @property
    def pair_floats(self) -> int:
        """Sum of the hidden layers before and after activation."""
        return 2 * sum(self.widths) + 1

    @override
    def get_config(self):
        own = {"widths": self.widths, "dropout": self.dropout, "output_fan_in": self.output_fan_in}
        return {**super().get_config(), **own, "seed": self.seed}


def _dense(x, kernel):
    """X @ kernel, leading axes flattened: one matrix product instead of a batch of small ones."""
    flat = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel)
    return ops.reshape(flat, (*ops.shape(x)[:-1], kernel.shape[-1]))
