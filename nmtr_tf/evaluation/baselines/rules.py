"""References that learn nothing: what a ranking gets from counting rows, and no more.

`REFERENCES` names them; each is a `Scorer`, ranked by the same code as a model. Scores are dense ranks
(0, 1, ... over the distinct values), whole numbers that float32 holds exactly up to 2^24: ties stay ties,
and what differs stays apart.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from nmtr_tf.data.dataset import Interactions
from nmtr_tf.data.events import Events
from nmtr_tf.data.pairs import contained, matrix_keys, matrix_of
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.ranking import Scorer

RECENCY_POWER = 4
"""How steeply `recency` and `recency_time` prefer what is late; chosen once, on Beibei."""


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
    """Items touched by the strongest weaker behavior, then by the next weaker, ..., then the rest.

    Within a class and among the rest, popularity decides. A purchase in training counts as untouched.

    Args:
        view: The training view.
    """

    pair_floats = 2

    def __init__(self, view: Interactions):
        popularity = dense_ranks(popularity_of(view))
        *weaker, target = view.matrices.values()
        touched = np.unique(np.concatenate([matrix_keys(m) for m in weaker] or [np.zeros(0, int)]))
        touched = np.setdiff1d(touched, matrix_keys(target), assume_unique=True)
        classes = np.zeros(len(touched), np.float32)
        for strength, matrix in enumerate(weaker, start=1):  # a stronger behavior overwrites a weaker one
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


def popularity_of(view: Interactions) -> np.ndarray:
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


Builder = Callable[[Interactions, Events | None, int], Scorer]


def _random(view: Interactions, events: Events | None, seed: int) -> Scorer:
    return RandomScorer(view.num_items, seed)


def _popularity(view: Interactions, events: Events | None, seed: int) -> Scorer:
    """Training rows of the target."""
    return OrderScorer(popularity_of(view))


def _popularity_all(view: Interactions, events: Events | None, seed: int) -> Scorer:
    """Training rows of all behaviors, summed."""
    rows = [np.bincount(matrix.indices, minlength=view.num_items) for matrix in view.matrices.values()]
    return OrderScorer(np.sum(rows, axis=0))


def _recency(view: Interactions, events: Events | None, seed: int) -> Scorer:
    """Popularity x (row / num_items)^4, rows 0-based in the order of the raw ids, where late ids are new."""
    return OrderScorer(popularity_of(view) * (np.arange(view.num_items) / view.num_items) ** RECENCY_POWER)


def _recency_time(view: Interactions, events: Events | None, seed: int) -> Scorer:
    """Sum over an item's training purchases of (share of training purchases that are no later)^4.

    Shares, not dates: neither the log's length nor a date that is far off changes the order.
    """
    timestamp = require_times(events)
    assert events is not None
    bought = events.behavior == len(events.behaviors) - 1
    pairs = np.stack([events.user[bought], events.item[bought]], axis=1)
    train = contained(pairs, view.target)
    times = timestamp[bought][train]
    lateness = np.searchsorted(np.sort(times), times, side="right") / max(len(times), 1)
    items = pairs[train, 1]
    return OrderScorer(np.bincount(items, weights=lateness**RECENCY_POWER, minlength=view.num_items))


def _weaker_first(view: Interactions, events: Events | None, seed: int) -> Scorer:
    return TouchedScorer(view)


REFERENCES: dict[str, Builder] = {
    "random": _random,
    "popularity": _popularity,
    "popularity_all": _popularity_all,
    "recency": _recency,
    "recency_time": _recency_time,
    "weaker_first": _weaker_first,
}
"""Name -> builder(view, events with times or None, seed)."""


def require_times(events: Events | None) -> np.ndarray:
    """The events' times, int64 [num_events].

    Raises:
        InputError: If there are none.
    """
    if events is None or events.timestamp is None:
        raise InputError("--reference=recency_time needs times; this data set has none.")
    return events.timestamp


def build_reference(name: str, view: Interactions, events: Events | None = None, seed: int = 0) -> Scorer:
    """The scorer of a reference.

    Args:
        name: A name in `REFERENCES`.
        view: The training view to count in.
        events: The data set's events, for recency_time.
        seed: Seed of random.

    Raises:
        InputError: If the name is unknown, or the reference needs times and there are none.
    """
    if name not in REFERENCES:
        raise InputError(f"A reference should be one of {', '.join(REFERENCES)}. Received: {name!r}.")
    return REFERENCES[name](view, events, seed)


def available_references(events: Events | None) -> list[str]:
    """Names of the references that a data set allows: recency_time needs times."""
    timed = events is not None and events.timestamp is not None
    return [name for name in REFERENCES if timed or name != "recency_time"]
