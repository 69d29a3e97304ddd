"""What all interaction units share."""

import keras


class Unit(keras.layers.Layer):
    """Base of the units: f(p, q) in three parts.

    A subclass gives the three parts; what depends on one side alone is computed once per row. `build`
    gets the size of the embedding rows; a unit without weights needs none.

    Attributes:
        is_inner_product: True where `combine` is the inner product of the two parts and `item_part`
            is the item embedding itself: then a cascade of such units ranks all items with one matrix
            product.
    """

    is_inner_product = False

    def build(self, embedding_dim):
        """Creates the weights.

        Args:
            embedding_dim: Length of the rows p and q.
        """
        self.embedding_dim = embedding_dim
        self.built = True

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
    def adds_up(self) -> bool:
        """Whether the logit of a sum of user rows is the sum of their logits."""
        return self.is_inner_product

    @property
    def pair_cost(self) -> int:
        """Multiply-adds of `combine` for one (user, item) pair; here one for each dimension."""
        return self.embedding_dim

    @property
    def pair_floats(self) -> int:
        """Intermediate floats of `combine` for one (user, item) pair; here as many as dimensions.

        How many users are ranked at once follows from it.
        """
        return self.embedding_dim + 1


def output_weight(layer, size: int):
    """The weight h [size] of a unit's output layer, normal with variance 2 / fan-in (He)."""
    fan_in = layer.output_fan_in or size
    initializer = keras.initializers.VarianceScaling(
        2.0 * size / fan_in, "fan_in", seed=derived_seed(layer.seed, 0)
    )
    return layer.add_weight((size,), initializer, name="h")


def derived_seed(seed: int | None, offset: int) -> int | None:
    """A seed of its own for each weight of a unit."""
    return None if seed is None else (seed + offset) % 2**31
