"""The best items for some users."""

import dataclasses

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.evaluation.ranking import ModelScorer


@dataclasses.dataclass(frozen=True)
class Recommendations:
    """Top items of some users, best first.

    Attributes:
        users: int32 [n], user rows.
        items: int32 [n, k], item rows.
        scores: float32 [n, k], target logits; -inf where fewer than k items were left.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray


def recommend(
    scorer: ModelScorer, user_ids: np.ndarray, k: int, left_out: sparse.csr_array | None = None
) -> Recommendations:
    """Ranks all items for each user by target logit.

    Args:
        scorer: Scores of the model.
        user_ids: int32 [n], user rows; n users are scored at once.
        k: Items to recommend to each; at most the number of items.
        left_out: Binary [num_users, num_items], items not to recommend (already bought, say).
    """
    scores = scorer.scores(tf.constant(user_ids, tf.int32), scorer.item_side()).numpy()
    if left_out is not None:
        hidden = left_out[user_ids]
        rows = np.repeat(np.arange(len(user_ids)), np.diff(hidden.indptr))
        scores[rows, hidden.indices] = -np.inf
    top = tf.math.top_k(scores, k)
    return Recommendations(np.asarray(user_ids), top.indices.numpy(), top.values.numpy())
