"""What scores all items for some users: a model, or anything with a method `scores`."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nmtr_tf.errors import InputError
from nmtr_tf.models.network import network


class Scorer:
    """Base of whatever scores all items for some users, as part of a graph.

    What the users share (item vectors, say) is computed once per ranking, by `item_side`.
    """

    pair_floats = 1
    """Floats held per (user, item) pair while scoring: what the chunk size follows from."""

    worth_compiling = False
    """Whether XLA makes large rankings faster; `scores` has shapes that follow from its arguments' then."""

    def item_side(self) -> Any:
        """Tensors, in any nesting, that `scores` needs and that are the same for all users."""
        raise NotImplementedError

    def scores(self, user_ids: tf.Tensor, item_side: Any) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items] of users int32 [num_chunk_users]."""
        raise NotImplementedError

    @functools.cached_property
    def graphs(self) -> dict[Any, Callable]:
        """Graphs that were traced for this scorer, by what they do."""
        return {}


class ModelScorer(Scorer):
    """Logits of one behavior of a model, with its weights as they are at each ranking.

    Args:
        model: A model made by `nmtr_tf.methods.model.build_model`.
        behavior: The behavior; None: the target.
    """

    def __init__(self, model: keras.Model, behavior: str | None = None):
        self.network = net = network(model)
        self.terms = net.cascade.terms(net.behaviors.index(behavior or net.behaviors[-1]))
        self.worth_compiling = not net.from_history  # whose shapes do not follow from those of the ids
        # The largest unit's intermediate values, and the logits before and after adding.
        self.pair_floats = max(net.cascade.units[r].pair_floats for r in self.terms) + 2

    @property
    def pair_cost(self) -> int:
        """Multiply-adds for the score of one (user, item) pair: one product where there is but one."""
        net = self.network
        if net.has_one_product:
            return net.item_rows.row_size
        return sum(net.cascade.units[r].pair_cost for r in self.terms)

    def item_side(self) -> Any:
        """Item parts and biases of the behaviors that add up to the logit; of one product the sums."""
        net, biases = self.network, self.network.item_rows.all_biases(self.terms)
        if net.has_one_product:
            return net.all_item_parts(self.terms[:1]), [tf.add_n(biases)]
        return net.all_item_parts(self.terms), biases

    def scores(self, user_ids: tf.Tensor, item_side: Any) -> tf.Tensor:
        """Logits float32 [num_chunk_users, num_items] of users int32 [num_chunk_users]."""
        return self.logits(self.network.user_parts(user_ids, self.terms), item_side)

    def logits(self, user_parts: list[tf.Tensor], item_side: Any) -> tf.Tensor:
        """Logits float32 [n, num_items] of user parts, float32 [n, D] for each behavior that adds to them."""
        net, (item_parts, biases) = self.network, item_side
        if net.has_one_product:  # sum_r <p * h^r, q> + b^r
            return tf.matmul(tf.add_n(user_parts), item_parts[0], transpose_b=True) + tf.add_n(biases)
        return net.cascade.logit(user_parts, item_parts, biases, self.terms)

    def pairs(self, user_ids: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Logits float32 [n, k] of users int32 [n] with items of their own, int32 [n, k]."""
        net = self.network
        item_parts = net.item_parts(items, self.terms)
        biases = net.item_rows.bias_rows(items, self.terms)
        user_parts = net.user_parts(user_ids[:, None], self.terms)
        return net.cascade.logit(user_parts, item_parts, biases, self.terms)[:, 0]


class ArrayScorer(Scorer):
    """Scores that some object gives as an array: NumPy, SciPy or whatever becomes one.

    They are ranked as float32: what differs by less is level.

    Args:
        source: Has `scores(user_ids: int32 [n], rows of the view) -> [n, num_items]`, numbers.
        num_items: Number of items.
    """

    pair_floats = 3  # float64 from the source, and float32

    def __init__(self, source: Any, num_items: int):
        self.source, self.num_items = source, num_items

    def array(self, user_ids: np.ndarray) -> np.ndarray:
        """Scores float32 [n, num_items], checked.

        Raises:
            InputError: If they have another shape, or are no numbers.
        """
        scores = self.source.scores(user_ids)
        expected = (len(user_ids), self.num_items)
        try:
            scores = np.asarray(scores.toarray() if hasattr(scores, "toarray") else scores)
        except (TypeError, ValueError):  # rows of different lengths, say
            scores = np.asarray(None)
        if scores.shape != expected or scores.dtype.kind not in "biuf":
            raise InputError(
                f"{type(self.source).__name__}.scores should give numbers of the shape {expected}, users x "
                f"items. Received: {scores.dtype} {scores.shape}."
            )
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
            return scores.astype(np.float32)


def as_scorer(source: Any, num_items: int) -> Scorer:
    """A `Scorer` of itself, or of an object with `scores(user_ids) -> array [n, num_items]`.

    Raises:
        InputError: If it has no such method.
    """
    if isinstance(source, Scorer):
        return source
    if isinstance(source, type) or not callable(getattr(source, "scores", None)):
        raise InputError(
            f"A scorer should have a method scores(user_ids) -> array [n, num_items]. Received: {source!r}."
        )
    return ArrayScorer(source, num_items)
