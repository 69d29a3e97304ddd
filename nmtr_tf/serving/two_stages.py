"""Recommending in two stages: candidates by one matrix product, which the model itself then ranks.

A tower costs thousands of multiply-adds for each pair of user and item, and a catalogue has many items. But
the logits of a user are a smooth function of his vector, so those of a few items, the anchors, say much
about those of all others. With a_u the logits of user u for r anchors, as the model has them, the first
stage is

    [a_u; 1] W,    W = argmin sum over some users |s_u - [a_u; 1] W|^2 + ridge |W|^2,

s_u his logits for all items: a regression that is solved when a model is exported, for whatever units it has.
The best by it are the candidates; their own logits decide.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.ranking import users_at_once
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import Network

NUM_ANCHORS, NUM_USERS = 64, 512
"""Anchors, and users that the regression is fitted on; as many others measure what it misses."""

_RIDGE = 1e-4  # of the mean of the diagonal
_MEMORY_MB = 256


class TwoStages(tf.Module):
    """Both stages; arguments are kept as variables, beside a graph.

    Args:
        anchors: int32 [r], items.
        weights: W, float32 [r + 1, num_items].
        candidates: How many items the model itself ranks.
    """

    def __init__(self, anchors: np.ndarray, weights: np.ndarray, candidates: int):
        super().__init__()
        self.anchors = tf.Variable(anchors, trainable=False)
        self.weights = tf.Variable(weights, trainable=False)
        self.candidates = candidates

    def first(self, of_anchors: tf.Tensor) -> tf.Tensor:
        """Scores float32 [n, num_items] from the logits of the anchors, float32 [n, r]."""
        return tf.matmul(with_one(of_anchors), self.weights.read_value())

    def best(
        self, scores: tf.Tensor, exact: Callable[[tf.Tensor], tf.Tensor], k: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The k best of the candidates.

        Args:
            scores: Of the first stage, float32 [n, num_items], -inf what is left out.
            exact: Items int32 [n, candidates], ascending -> their logits.
            k: At most the candidates.

        Returns:
            Logits float32 [n, k], -inf where fewer are left, and items int32 [n, k]; equal ones by item.
        """
        found = tf.sort(tf.math.top_k(scores, self.candidates).indices, axis=1)
        there = tf.math.is_finite(tf.gather(scores, found, batch_dims=1))
        values = tf.where(there, exact(found), tf.constant(-np.inf, tf.float32))
        top = tf.math.top_k(values, k)
        return top.values, tf.gather(found, top.indices, batch_dims=1)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well two stages do what ranking everything does.

    Attributes:
        candidates: Items that the model itself ranks.
        anchors: Items that the first stage asks it about.
        k: Best items that are looked at.
        recall: Share of the k best items by the model that are among the candidates, mean over users.
        users: Users that were looked at.
        held_out: Whether these are others than the first stage was fitted on.
    """

    candidates: int
    anchors: int
    k: int
    recall: float
    users: int
    held_out: bool


def with_one(values: tf.Tensor) -> tf.Tensor:
    """Rows with a one behind them, which a bias is multiplied with: float32 [n, d] -> [n, d + 1]."""
    return tf.concat([values, tf.ones([tf.shape(values)[0], 1])], axis=1)


def has_towers(net: Network) -> bool:
    """Whether some unit that the target's logit is made of is more than a product."""
    return not all(net.cascade.units[r].adds_up for r in net.cascade.terms(len(net.behaviors) - 1))


def check_candidates(candidates: int, k: int, num_items: int, net: Network) -> None:
    """Checks that two stages make sense.

    Raises:
        InputError: If they do not.
    """
    if not has_towers(net):
        raise InputError(
            f"`candidates={candidates}` goes with units that have towers; the scores of this model are one "
            "product for all items as it is."
        )
    if not k <= candidates < num_items:
        raise InputError(
            f"`candidates` should be at least `k={k}` and less than the {num_items} items of the data set. "
            f"Received: {candidates}."
        )


def fit_two_stages(
    scorer: ModelScorer,
    view: TrainingView,
    candidates: int,
    k: int,
    seed: int = 0,
    most_users: int = NUM_USERS,
) -> tuple[TwoStages, Agreement]:
    """Fits the first stage, and measures both.

    Args:
        scorer: Of the model.
        view: The training view; some of its users are drawn, and some of its items as anchors.
        candidates: Items that the model itself is to rank.
        k: Best items that are to be found.
        seed: Of what is drawn.
        most_users: So many users at most for each, fitting and measuring.

    Raises:
        InputError: As `check_candidates` does.
    """
    num_users, num_items = view.num_users, view.num_items
    check_candidates(candidates, k, num_items, scorer.network)
    rng = np.random.default_rng(seed)
    users = rng.permutation(num_users)[: 2 * most_users].astype(np.int32)
    anchors = np.sort(rng.permutation(num_items)[:NUM_ANCHORS]).astype(np.int32)
    side = scorer.item_side()
    chunk = users_at_once(_MEMORY_MB, num_items * (scorer.pair_floats + 1))

    def logits(some: np.ndarray):
        """Of all items, float32 [n, num_items], for some users at a time."""
        for first in range(0, len(some), chunk):
            yield scorer.scores(tf.constant(some[first : first + chunk]), side).numpy()

    size = len(anchors) + 1
    gram, wanted = np.zeros((size, size)), np.zeros((size, num_items), np.float32)
    for found in logits(users[:most_users]):
        own = np.c_[found[:, anchors], np.ones(len(found), np.float32)]
        gram += own.T.astype(float) @ own
        wanted += own.T @ found
    ridge = _RIDGE * np.trace(gram) / size * np.eye(size)
    stages = TwoStages(anchors, np.linalg.solve(gram + ridge, wanted).astype(np.float32), candidates)
    held_out = num_users > most_users
    others, shares = users[most_users:] if held_out else users, list[float]()
    for found in logits(others):
        first = stages.first(tf.constant(found[:, anchors])).numpy()
        best, kept = (np.argpartition(-x, n - 1)[:, :n] for x, n in ((found, k), (first, candidates)))
        is_kept = np.zeros(found.shape, bool)
        np.put_along_axis(is_kept, kept, True, axis=1)
        shares += np.take_along_axis(is_kept, best, axis=1).mean(axis=1).tolist()
    return stages, Agreement(candidates, len(anchors), k, float(np.mean(shares)), len(others), held_out)
