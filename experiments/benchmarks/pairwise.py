"""The baseline of ranking: the functional model's `predict_on_batch` on every pair of a user and an item."""

import keras
import numpy as np

from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.masks import entries_of, masked_items

BATCH_SIZE = 65_536
"""Pairs in one call of `predict_on_batch`."""


def pairwise_ranks(model: keras.Model, view: TrainingView, pairs: np.ndarray) -> np.ndarray:
    """Ranks of held-out items, scored pair by pair and counted by NumPy: what `rank_held_out` gives.

    Args:
        model: A model made by `nmtr_tf.methods.model.build_model`.
        view: Its training purchases are left out of the ranking.
        pairs: int32 [n, 2] of test pairs.

    Returns:
        int64 [2, n], ranks from 0 and the sizes of ties.
    """
    users, items = pairs.T
    scores = _scores(model, view, users)
    own = scores[np.arange(len(users)), items].copy()
    rows, left_out = entries_of(masked_items(view, "test", "target"), users)
    scores[rows, left_out] = -np.inf
    scores[np.arange(len(users)), items] = own
    above = (scores > own[:, None]).sum(axis=1)
    level = (scores == own[:, None]).sum(axis=1)
    return np.stack([above, level])


def _scores(model: keras.Model, view: TrainingView, users: np.ndarray) -> np.ndarray:
    """Target logits float32 [len(users), num_items]."""
    item_ids = np.tile(np.arange(view.num_items, dtype=np.int32), len(users))
    user_ids = np.repeat(users, view.num_items)
    parts = [
        model.predict_on_batch(
            {
                "user_ids": user_ids[first : first + BATCH_SIZE],
                "item_ids": item_ids[first : first + BATCH_SIZE],
            }
        )[view.target_behavior]
        for first in range(0, len(user_ids), BATCH_SIZE)
    ]
    return np.concatenate(parts).reshape(len(users), view.num_items)
