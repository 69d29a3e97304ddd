"""Interaction functions f(p_u, q_i) of the NCF framework (Eq. 6 to 8), each in three parts.

A unit scores rows of users against rows of items. What depends on one side only is computed once per
row, by `user_part` and `item_part`; `combine` does the rest for every user row with every item row:

    user_part: [..., m, E] -> [..., m, D]        item_part: [..., k, E] -> [..., k, D]
    combine:   [..., m, D], [..., k, D] -> [..., m, k]

So pairs ([n, 1, D] with [n, 1, D]), positives with their negatives ([n, 1, D] with [n, 1 + k, D]) and a
block of the score matrix ([users, D] with [items, D]) are one piece of code. All tensors are float32.
"""

from collections.abc import Sequence

import keras
from keras import ops


class Unit(keras.layers.Layer):
    """Base of the units.

    Attributes:
        is_inner_product: True where `combine` is the inner product of the two parts and `item_part`
            is the item embedding itself: then a cascade of such units ranks all items with one matrix
            product.
    """

    is_inner_product = False

    def user_part(self, p):
        """What depends on the user alone: float32 [..., m, E] -> [..., m, D]."""
        raise NotImplementedError

    def item_part(self, q):
        """What depends on the item alone: float32 [..., k, E] -> [..., k, D]."""
        raise NotImplementedError

    def combine(self, user_part, item_part, training=False):
        """Logits [..., m, k] of every user row with every item row."""
        raise NotImplementedError

    @property
    def pair_cost(self) -> int:
        """Multiply-adds of `combine` for one (user, item) pair."""
        raise NotImplementedError

    @property
    def pair_floats(self) -> int:
        """Intermediate floats of `combine` for one (user, item) pair."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("nmtr_tf")
class GMF(Unit):
    """Generalized matrix factorization, Eq. 6: h . (p * q), no bias, no activation.

    Args:
        output_fan_in: Inputs of the output layer that `h` belongs to, for He's initial values; None: E.
            NeuMF sets it, as its h spans more than this unit.
        seed: Seed of the initial values.
    """

    is_inner_product = True

    def __init__(self, output_fan_in: int | None = None, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.output_fan_in = output_fan_in
        self.seed = seed

    def build(self, embedding_dim):
        """Creates h [E]."""
        self.h = _output_weight(self, embedding_dim)
        self.built = True

    def user_part(self, p):
        """P * h, so that the rest is an inner product."""
        return p * self.h

    def item_part(self, q):
        """The item embedding as it is."""
        return q

    def combine(self, user_part, item_part, training=False):
        """Inner products."""
        return ops.matmul(user_part, ops.swapaxes(item_part, -1, -2))

    @property
    def pair_cost(self) -> int:
        """One multiply-add a dimension."""
        return self.h.shape[0]

    @property
    def pair_floats(self) -> int:
        """The logit alone."""
        return 1

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "output_fan_in": self.output_fan_in, "seed": self.seed}


@keras.saving.register_keras_serializable("nmtr_tf")
class MLP(Unit):
    """Multi-layer perceptron on [p; q], Eq. 7: ReLU layers, then h . z_L.

    The first layer's weight W_1 [2E, width] acts on p and q apart: W_1 [p; q] = W_1[:E] p + W_1[E:] q.

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
            initializer = keras.initializers.HeNormal(_seed(self.seed, layer))
            self.kernels.append(self.add_weight((size, width), initializer, name=f"W_{layer}"))
            self.biases.append(self.add_weight((width,), "zeros", name=f"b_{layer}"))
        self.h = _output_weight(self, self.widths[-1])
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

    def get_config(self):
        """Arguments of the constructor."""
        own = {"widths": self.widths, "dropout": self.dropout, "output_fan_in": self.output_fan_in}
        return {**super().get_config(), **own, "seed": self.seed}


@keras.saving.register_keras_serializable("nmtr_tf")
class NeuMF(Unit):
    """GMF and MLP on the same p and q, Eq. 8: h . [p * q; z_L].

    h is kept as its two blocks, GMF's over p * q and MLP's over z_L: the logit is their sum.

    Args:
        widths: Width of every hidden layer, first to last.
        dropout: Dropout rate on the hidden layers while training.
        seed: Seed of the initial values and of dropout.
    """

    def __init__(self, widths: Sequence[int], dropout: float = 0.0, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.dropout = dropout
        self.seed = seed

    def build(self, embedding_dim):
        """Creates the GMF and the MLP block; h counts E + width_L inputs."""
        fan_in = embedding_dim + self.widths[-1]
        self.gmf = GMF(fan_in, _seed(self.seed, 100), name="gmf")
        self.mlp = MLP(self.widths, self.dropout, fan_in, self.seed, name="mlp")
        self.gmf.build(embedding_dim)
        self.mlp.build(embedding_dim)
        self.built = True

    def user_part(self, p):
        """[..., m, E + width_1]: GMF's part, then MLP's."""
        return ops.concatenate([self.gmf.user_part(p), self.mlp.user_part(p)], axis=-1)

    def item_part(self, q):
        """[..., k, E + width_1]: GMF's part, then MLP's."""
        return ops.concatenate([self.gmf.item_part(q), self.mlp.item_part(q)], axis=-1)

    def combine(self, user_part, item_part, training=False):
        """GMF's logit plus MLP's."""
        size = self.mlp.embedding_dim
        gmf = self.gmf.combine(user_part[..., :size], item_part[..., :size])
        return gmf + self.mlp.combine(user_part[..., size:], item_part[..., size:], training=training)

    @property
    def pair_cost(self) -> int:
        """GMF's and MLP's."""
        return self.gmf.pair_cost + self.mlp.pair_cost

    @property
    def pair_floats(self) -> int:
        """GMF's and MLP's."""
        return self.gmf.pair_floats + self.mlp.pair_floats

    def get_config(self):
        """Arguments of the constructor."""
        return super().get_config() | {"widths": self.widths, "dropout": self.dropout, "seed": self.seed}


def _dense(x, kernel):
    """X @ kernel, leading axes flattened: one matrix product instead of a batch of small ones."""
    flat = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel)
    return ops.reshape(flat, (*ops.shape(x)[:-1], kernel.shape[-1]))


def _output_weight(layer, size: int):
    """H [size], normal with variance 2 / fan-in (He)."""
    fan_in = layer.output_fan_in or size
    initializer = keras.initializers.VarianceScaling(2.0 * size / fan_in, "fan_in", seed=_seed(layer.seed, 0))
    return layer.add_weight((size,), initializer, name="h")


def _seed(seed: int | None, offset: int) -> int | None:
    return None if seed is None else (seed + offset) % 2**31
