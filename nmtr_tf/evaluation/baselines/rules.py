"""Rules that learn nothing: what a ranking gets from counting rows, and no more.

Scores are dense ranks (0, 1, ... over the distinct values), whole numbers that float32 holds exactly up to
2^24: ties stay ties, and what differs stays apart.
"""

import numpy as np
import tensorflow as tf

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import contained, distinct, matrix_keys, matrix_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import Scorer


class OrderScorer(Scorer):
    """One order of the items for every user.

    Args:
        values: [num_items], larger is better.
    """

    def __init__(self, values: np.ndarray):
        self.order = tf.constant(dense_ranks(values))

    def item_side(self) -> tf.Tensor:
        """Dense ranks float32 [num_items]."""
        return self.order

    def scores(self, user_ids: tf.Tensor, item_side: tf.Tensor) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items]."""
        return tf.tile(item_side[None], [tf.size(user_ids), 1])


class RandomScorer(Scorer):
    """A uniform score for every (user, item) pair; it depends on the seed and the user alone.

    Args:
        num_items: Number of items.
        seed: Seed.
    """

    pair_floats = 2

    def __init__(self, num_items: int, seed: int):
        self.num_items, self.seed = num_items, seed

    def item_side(self) -> tuple:
        """Nothing."""
        return ()

    def scores(self, user_ids: tf.Tensor, item_side: tuple) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items]."""

        def of_user(user: tf.Tensor) -> tf.Tensor:
            return tf.random.stateless_uniform([self.num_items], tf.stack([self.seed, user]))

        return tf.map_fn(of_user, user_ids, fn_output_signature=tf.float32)


class TouchedScorer(Scorer):
    """Items touched by the strongest auxiliary behavior, then by the next, ..., then the rest.

    Within a class and among the rest, popularity decides. A purchase in training counts as untouched.

    Args:
        view: The training view.
    """

    pair_floats = 2

    def __init__(self, view: TrainingView):
        popularity = dense_ranks(popularity_of(view))
        *auxiliary, target = view.matrices.values()
        touched = distinct(np.concatenate([matrix_keys(m) for m in auxiliary] or [np.zeros(0, int)]))
        touched = np.setdiff1d(touched, matrix_keys(target), assume_unique=True)
        classes = np.zeros(len(touched), np.float32)
        for strength, matrix in enumerate(auxiliary, start=1):  # the stronger behavior counts
            classes[np.isin(touched, matrix_keys(matrix), assume_unique=True)] = strength
        rows = matrix_of(touched, target.shape)
        self._side = tuple(
            tf.constant(part)
            for part in (popularity, rows.indptr, rows.indices, classes * (popularity.max() + 1))
        )

    def item_side(self) -> tuple:
        """Popularity float32 [num_items], and CSR rows: indptr, items int32 [nnz], bonus float32 [nnz]."""
        return self._side

    def scores(self, user_ids: tf.Tensor, item_side: tuple) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items]."""
        popularity, indptr, items, bonus = item_side
        rows, positions = chunk_entries(indptr, user_ids)
        scores = tf.tile(popularity[None], [tf.size(user_ids), 1])
        where = tf.stack([rows, tf.gather(items, positions)], axis=1)
        return tf.tensor_scatter_nd_add(scores, where, tf.gather(bonus, positions))


def dense_ranks(values: np.ndarray) -> np.ndarray:
    """Position of every value among the distinct values, smallest first: float32 [n]."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.float32)


def popularity_of(view: TrainingView) -> np.ndarray:
    """Training rows of the target per item: int64 [num_items]."""
    return np.bincount(view.target.indices, minlength=view.num_items)


def chunk_entries(indptr: tf.Tensor, user_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the entries of some rows of a CSR matrix stand.

    Args:
        indptr: [num_users + 1].
        user_ids: int32 [num_chunk_users].

    Returns:
        Row within the chunk int32 [n] and position among the matrix's entries, of `indptr`'s type [n].
    """
    starts = tf.gather(indptr, user_ids)
    counts = tf.gather(indptr, user_ids + 1) - starts
    rows = tf.repeat(tf.range(tf.size(user_ids)), counts)
    before = tf.repeat(starts - tf.cumsum(counts, exclusive=True), counts)
    return rows, before + tf.range(tf.size(rows, indptr.dtype), dtype=indptr.dtype)


def random_scores(view: TrainingView, seed: int = 0) -> Scorer:
    """A uniform score for every pair.

    Raises:
        InputError: If the seed is not from 0 to 2^31 - 1.
    """
    if not 0 <= seed < 2**31:
        raise InputError(f"`seed` should be at least 0 and below 2^31. Received: {seed}.")
    return RandomScorer(view.num_items, int(seed))


def popularity(view: TrainingView) -> Scorer:
    """Training rows of the target."""
    return OrderScorer(popularity_of(view))


def popularity_all(view: TrainingView) -> Scorer:
    """Training rows of all behaviors, summed."""
    rows = [np.bincount(matrix.indices, minlength=view.num_items) for matrix in view.matrices.values()]
    return OrderScorer(np.sum(rows, axis=0))


def recency(view: TrainingView, recency_power: float) -> Scorer:
    """Popularity x (row / num_items)^power, rows 0-based in the order of the raw ids, where late ids are new.

    The default of 4 was chosen once, on Beibei, on which of its pairs is not recorded: there its numbers may
    flatter it. A search chooses on validation.
    """
    lateness = np.arange(view.num_items) / view.num_items
    return OrderScorer(popularity_of(view) * lateness ** _checked(recency_power))


def recency_time(view: TrainingView, dataset: Dataset, recency_power: float) -> Scorer:
    """Sum over an item's training purchases of (share of training purchases that are no later)^power.

    Shares, not dates: neither the log's length nor a date that is far off changes the order.
    """
    events = dataset.events
    assert events.timestamp is not None  # the table says that it needs times
    bought = events.behavior == len(events.behaviors) - 1
    pairs = np.stack([events.user[bought], events.item[bought]], axis=1)
    train = contained(pairs, view.target)
    times = events.timestamp[bought][train]
    lateness = np.searchsorted(np.sort(times), times, side="right") / max(len(times), 1)
    items = pairs[train, 1]
    return OrderScorer(
        np.bincount(items, weights=lateness ** _checked(recency_power), minlength=view.num_items)
    )


def _checked(power: float) -> float:
    if not 0 <= power < np.inf:
        raise InputError(f"`recency_power` should be at least 0. Received: {power}.")
    return power


def touched_first(view: TrainingView) -> Scorer:
    """What the user has touched and not bought, then the rest."""
    return TouchedScorer(view)
