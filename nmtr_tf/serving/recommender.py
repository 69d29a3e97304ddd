"""The best items for many users, a chunk of users at a time."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from scipy import sparse

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import entries_of
from nmtr_tf.evaluation.ranking import users_at_once
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.serving.learned import Learned
from nmtr_tf.serving.two_stages import NUM_ANCHORS, TwoStages


@dataclasses.dataclass(frozen=True)
class Recommendations:
    """Top items of some users, best first.

    Attributes:
        users: int32 [n], user rows; -1: a user that the model does not know.
        items: int32 [n, k], item rows.
        scores: float32 [n, k], target logits, or numbers of training rows for unknown users; -inf where fewer
            than k items were left.
        probabilities: Behavior name -> float32 [n, k], Eq. 5, NaN for unknown users; empty where they were
            not asked for.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    probabilities: Mapping[str, np.ndarray]

    @property
    def num_empty(self) -> int:
        """Users that nothing is left for."""
        return int((~np.isfinite(self.scores).any(axis=1)).sum())

    def table(self, user_ids: pa.Array, item_ids: pa.Array, titles: pa.Array | None = None) -> pa.Table:
        """One row per user and recommended item.

        Args:
            user_ids: Raw ids of these users, string [n].
            item_ids: Raw ids of all item rows, string [num_items].
            titles: Titles of all item rows, string [num_items]; None: there are none.

        Returns:
            Columns user, rank (int32, from 1), item, title (where there are titles), score (float32),
            known_user (bool) and `probability_<behavior>` (float32; null for unknown users).
        """
        there = np.isfinite(self.scores)
        who, place = np.nonzero(there)
        columns = {
            "user": user_ids.take(pa.array(who)),
            "rank": pa.array(place + 1, pa.int32()),
            "item": item_ids.take(pa.array(self.items[there])),
            **({} if titles is None else {"title": titles.take(pa.array(self.items[there]))}),
            "score": self.scores[there],
            "known_user": (self.users >= 0)[who],
        }
        for name, values in self.probabilities.items():
            columns[f"probability_{name}"] = pa.array(values[there], from_pandas=True)  # NaN is null
        return pa.table(columns)


class Recommender:
    """Recommends the items with the highest target logits; equal logits go by item row.

    Args:
        scorer: Scores of the model.
        offered: bool [num_items], the items that may be recommended to anybody; None: all.
        learned: What the model has learned of; None: of all users.
        stages: Both stages, where candidates are found first; None: all items are ranked.
    """

    def __init__(
        self,
        scorer: ModelScorer,
        offered: np.ndarray | None = None,
        learned: Learned | None = None,
        stages: TwoStages | None = None,
    ):
        self.scorer, self._learned, self._stages = scorer, learned, stages
        self._penalty = tf.constant(0.0 if offered is None else penalty(offered), tf.float32)
        self._everything = range(len(scorer.network.behaviors))

    def recommend(
        self,
        users: np.ndarray,
        k: int,
        left_out: sparse.csr_array | None = None,
        memory_mb: int = 256,
        probabilities: bool = False,
    ) -> Iterator[Recommendations]:
        """Yields the recommendations of one chunk of users after the other, at least one chunk.

        Args:
            users: int32 [n], user rows; -1 for users that the data set does not have.
            k: Items to recommend to each; at most the number of items.
            left_out: Binary [num_users, num_items], items not to recommend (already bought, say).
            memory_mb: Memory for the scores of one chunk of users, in MiB.
            probabilities: Whether to give the probability of every predicted behavior.

        Raises:
            InputError: If a score is NaN or infinite.
        """
        item_side = self.scorer.item_side()
        num_items, pairs = item_side[1][0].shape[0], self.scorer.pair_floats
        floats = num_items * (pairs + 2)  # 2: the copies of the scores with those of others, and masked
        if self._stages:
            floats = 3 * num_items + pairs * (self._stages.candidates + NUM_ANCHORS)
        if probabilities:
            floats += k * self._probability_floats
        chunk = users_at_once(memory_mb, floats)
        for first in range(0, max(len(users), 1), chunk):
            some = users[first : first + chunk]
            known = self._learned.knows(some) if self._learned else some >= 0
            hidden = (np.zeros(0, int),) * 2 if left_out is None else _hidden(left_out, some)
            ids = [tf.constant(part, tf.int32) for part in (np.maximum(some, 0), *hidden)]
            found = self.top_items(item_side, self._penalty, tf.constant(known), *ids, tf.constant(k))
            scores, items, finite = found
            if not finite:
                raise InputError("The model gives scores that are NaN or infinite; it cannot recommend.")
            shown = self.probabilities(ids[0], items) if probabilities else []
            behaviors = self.scorer.network.behaviors if probabilities else ()
            by_behavior = {
                name: np.where(known[:, None], own.numpy(), np.float32(np.nan))
                for name, own in zip(behaviors, shown, strict=True)
            }
            who = np.where(known, some, -1).astype(np.int32)
            yield Recommendations(who, items.numpy(), scores.numpy(), by_behavior)

    @property
    def _probability_floats(self) -> int:
        """Floats held while the probabilities of one (user, item) pair are computed."""
        net = self.scorer.network
        item_parts = net.item_parts(tf.zeros([0], tf.int32), self._everything)
        sizes = sum(part.shape[-1] for part in item_parts)
        return max(unit.pair_floats for unit in net.cascade.units) + 2 * sizes + 2

    @functools.cached_property
    def top_items(self) -> Callable:
        """Graph that scores a chunk of users and keeps their k best items, traced once.

        Takes the item side, what is added to all scores (float32 [num_items] or scalar), which users are
        known (bool [n]), users int32 [n], any where they are not, the masked entries' rows and items int32
        [m] and k; gives scores float32 [n, k], item rows int32 [n, k] and whether all scores are finite (bool
        scalar).
        """

        def top_items(item_side, added, known, user_ids, masked_rows, masked_items, k):
            if stages:
                everyone = tf.tile(stages.anchors.read_value()[None], [tf.size(user_ids), 1])
                scores = stages.first(self.scorer.pairs(user_ids, everyone))
            else:
                scores = self.scorer.scores(user_ids, item_side)
            finite = tf.reduce_all(tf.math.is_finite(scores) | ~known[:, None])
            if popularity is not None:
                scores = tf.where(known[:, None], scores, popularity)
            entries = tf.stack([masked_rows, masked_items], axis=1)
            hidden = tf.fill(tf.shape(masked_rows), tf.constant(-np.inf, tf.float32))
            scores = tf.tensor_scatter_nd_update(scores + added, entries, hidden)
            if stages:
                return *stages.best(scores, lambda items: exact(known, user_ids, items), k), finite
            top = tf.math.top_k(scores, k)
            return top.values, top.indices, finite

        def exact(known, user_ids, items):
            logits = self.scorer.pairs(user_ids, items)
            if popularity is None:
                return logits
            return tf.where(known[:, None], logits, tf.gather(popularity, items))

        stages, popularity = self._stages, None
        if self._learned:
            popularity = tf.constant(self._learned.popularity)
        ids = tf.TensorSpec([None], tf.int32)
        item_side: Any = tf.nest.map_structure(tf.TensorSpec.from_tensor, self.scorer.item_side())
        added = tf.TensorSpec.from_tensor(self._penalty)
        known = tf.TensorSpec([None], tf.bool)
        signature = [item_side, added, known, ids, ids, ids, tf.TensorSpec([], tf.int32)]
        return tf.function(top_items, signature, autograph=False)

    @functools.cached_property
    def probabilities(self) -> Callable:
        """Graph from users int32 [n] and items int32 [n, k] to Eq. 5, traced once.

        It gives a float32 [n, k] for each predicted behavior.
        """

        def probabilities(user_ids, items):
            net, everything = self.scorer.network, self._everything
            logits = net.cascade.logits(
                net.user_parts(user_ids[:, None], everything),  # [n, 1, D]
                net.item_parts(items, everything),  # [n, k, D]
                net.item_rows.bias_rows(items, everything),
            )
            return [tf.sigmoid(x[:, 0]) for x in logits]

        signature = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)]
        return tf.function(probabilities, signature, autograph=False)


def penalty(offered: np.ndarray) -> np.ndarray:
    """What is added to scores so that other items than the offered (bool [n]) come last: float32 [n]."""
    return np.where(offered, 0, -np.inf).astype(np.float32)


def _hidden(left_out: sparse.csr_array, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is left out of some users' (rows; -1 for nobody's): places in `users` and items, [m] each."""
    there = np.flatnonzero(users >= 0)
    places, items = entries_of(left_out, users[there])
    return there[places], items
