"""The best items for many users, a chunk of users at a time."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from scipy import sparse

from nmtr_tf.data import leakage
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import entries_of, masked_items
from nmtr_tf.evaluation.ranking import ModelScorer, users_at_once


@dataclasses.dataclass(frozen=True)
class Recommendations:
    """Top items of some users, best first.

    Attributes:
        users: int32 [n], user rows.
        items: int32 [n, k], item rows.
        scores: float32 [n, k], target logits; -inf where fewer than k items were left.
        probabilities: Behavior name -> float32 [n, k], Eq. 5; empty where they were not asked for.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    probabilities: Mapping[str, np.ndarray]

    def table(self, user_ids: pa.Array, item_ids: pa.Array) -> pa.Table:
        """One row per user and recommended item.

        Args:
            user_ids: Raw ids of all user rows, int64 or string [num_users].
            item_ids: Raw ids of all item rows, likewise.

        Returns:
            Columns user, rank (int32, from 1), item, score (float32) and `probability_<behavior>` (float32).
        """
        there = np.isfinite(self.scores)
        who, place = np.nonzero(there)
        columns = {
            "user": user_ids.take(pa.array(self.users[who])),
            "rank": pa.array(place + 1, pa.int32()),
            "item": item_ids.take(pa.array(self.items[there])),
            "score": self.scores[there],
        }
        columns |= {f"probability_{name}": values[there] for name, values in self.probabilities.items()}
        return pa.table(columns)


def excluded_items(interactions: Interactions, view: Interactions, exclude: str) -> sparse.csr_array:
    """Binary matrix [num_users, num_items] of the items that a user is not to be recommended.

    Args:
        interactions: The data set.
        view: Its training view.
        exclude: "none"; "target": training and validation purchases, as the ranking at test leaves them out;
            "all": whatever the user has touched in the data set, by any behavior and in any split.
    """
    if exclude != "all":
        return masked_items(view, "test", exclude)
    keys = [leakage.matrix_keys(matrix) for matrix in interactions.matrices.values()]
    held_out = interactions.held_out.values()
    keys += [leakage.pair_keys(pairs[:, 0], pairs[:, 1], interactions.num_items) for pairs in held_out]
    return leakage.matrix_of(np.concatenate(keys), interactions.target.shape)


class Recommender:
    """Recommends the items with the highest target logits; equal logits go by item row.

    Args:
        scorer: Scores of the model.
    """

    def __init__(self, scorer: ModelScorer):
        self.scorer = scorer

    def recommend(
        self,
        users: np.ndarray,
        k: int,
        left_out: sparse.csr_array | None = None,
        memory_mb: int = 256,
        probabilities: bool = False,
    ) -> Iterator[Recommendations]:
        """Yields the recommendations of one chunk of users after the other.

        Args:
            users: int32 [n], user rows.
            k: Items to recommend to each; at most the number of items.
            left_out: Binary [num_users, num_items], items not to recommend (already bought, say).
            memory_mb: Memory for the scores of one chunk of users, in MiB.
            probabilities: Whether to give the probability of every predicted behavior.

        Raises:
            InputError: If a score is NaN or infinite.
        """
        net = self.scorer.network
        num_users, num_items = net.user_tables[0].shape[0], net.item_tables[0].shape[0]
        if left_out is None:
            left_out = sparse.csr_array((num_users, num_items), dtype=bool)
        item_side = self.scorer.item_side()
        floats = num_items * (self.scorer.pair_floats + 1)  # 1: the masked copy of the scores
        if probabilities:
            floats += k * (self.scorer.pair_floats + sum(part.shape[-1] for part in item_side[0]))
        chunk = users_at_once(memory_mb, floats)
        for first in range(0, len(users), chunk):
            some = users[first : first + chunk]
            ids = [tf.constant(part, tf.int32) for part in (some, *entries_of(left_out, some))]
            scores, items, finite = self.top_items(item_side, *ids, tf.constant(k))
            if not finite:
                raise InputError("The model gives scores that are NaN or infinite; it cannot recommend.")
            shown = self.probabilities(item_side, ids[0], items) if probabilities else {}
            by_behavior = {name: shown[name].numpy() for name in net.cascade.behaviors if name in shown}
            yield Recommendations(some, items.numpy(), scores.numpy(), by_behavior)

    @functools.cached_property
    def top_items(self) -> Callable:
        """Graph that scores a chunk of users and keeps their k best items, traced once.

        Takes the item side, users int32 [n], the masked entries' rows and items int32 [m] and k; gives
        scores float32 [n, k], item rows int32 [n, k] and whether all scores are finite (bool scalar).
        """

        def top_items(item_side, user_ids, masked_rows, masked_items, k):
            scores = self.scorer.scores(user_ids, item_side)
            finite = tf.reduce_all(tf.math.is_finite(scores))
            entries = tf.stack([masked_rows, masked_items], axis=1)
            hidden = tf.fill(tf.shape(masked_rows), tf.constant(-np.inf, tf.float32))
            top = tf.math.top_k(tf.tensor_scatter_nd_update(scores, entries, hidden), k)
            return top.values, top.indices, finite

        ids = tf.TensorSpec([None], tf.int32)
        return tf.function(top_items, [self._item_side_spec(), ids, ids, ids, tf.TensorSpec([], tf.int32)])

    @functools.cached_property
    def probabilities(self) -> Callable:
        """Graph from the item side, users int32 [n] and items int32 [n, k] to Eq. 5, traced once.

        It gives behavior name -> float32 [n, k].
        """

        def probabilities(item_side, user_ids, items):
            net, (item_parts, biases) = self.scorer.network, item_side
            rows = [tf.gather(table.value, user_ids)[:, None] for table in net.user_tables]
            logits = net.cascade.combine(
                net.cascade.user_parts(rows),  # [n, 1, D]
                [tf.gather(part, items) for part in item_parts],  # [n, k, D]
                [tf.gather(bias, items) for bias in biases],
            )
            return {name: tf.sigmoid(x[:, 0]) for name, x in zip(net.cascade.behaviors, logits, strict=True)}

        specs = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)]
        return tf.function(probabilities, [self._item_side_spec(), *specs])

    def _item_side_spec(self) -> Any:
        return tf.nest.map_structure(tf.TensorSpec.from_tensor, self.scorer.item_side())
