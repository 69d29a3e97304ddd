"""Ranking of every held-out item among the whole catalogue, in chunks of users."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.pairs import contained
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import entries_of, masked_items
from nmtr_tf.evaluation.metrics import list_length
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.evaluation.scorers import ArrayScorer, Scorer, as_scorer

# Scores below which XLA's compilation, a second or so, takes longer than all that it saves.
_SCORES_WORTH_COMPILING = 20_000_000


def users_at_once(memory_mb: int, floats_per_user: int) -> int:
    """Users to score in one chunk: 1 to 1024, as many as the memory (MiB) has float32 for."""
    return int(np.clip(memory_mb * 2**20 // 4 // floats_per_user, 1, 1024))


def rank_held_out(
    scorer: Any,
    view: TrainingView,
    split: str,
    config: EvaluationConfig,
    sample: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> Ranks:
    """Ranks the held-out items of a split among all items that the mask leaves.

    Args:
        scorer: A `Scorer`, or an object with `scores(user_ids) -> array [n, num_items]`.
        view: The training view: its training rows are masked, its held-out pairs ranked.
        split: "validation" or "test".
        config: Mask, memory, and metrics: where one is of lists, the ranks have `top_items`.
        sample: Positions among the held-out pairs to rank; None: all.
        progress: Called with the number of users done since the last call.

    Raises:
        InputError: If the split is empty, a metric is unknown, or a score is NaN or infinite.
    """
    (ranks,) = HeldOutRanking(view, [split], config, sample).rank(scorer, progress)
    return ranks


class HeldOutRanking:
    """The held-out items of some splits, to be ranked once or many times; every user is scored once.

    Args:
        view: As for `rank_held_out`.
        splits: The splits; they hold the same users in the same order.
        config: As for `rank_held_out`.
        sample: As for `rank_held_out`.

    Attributes:
        splits: The splits.
        num_pairs: Pairs that are ranked, of each split.

    Raises:
        InputError: If a split is empty, the mask hides its items, or a metric is unknown.
        ValueError: If the splits do not hold the same users in the same order.
    """

    def __init__(
        self,
        view: TrainingView,
        splits: Sequence[str],
        config: EvaluationConfig,
        sample: np.ndarray | None = None,
    ):
        self.splits, self._num_items, self._memory_mb = tuple(splits), view.num_items, config.eval_memory_mb
        self._list_length = min(list_length(config), view.num_items)
        self._pairs = [
            view.held_out[split] if sample is None else view.held_out[split][sample] for split in splits
        ]
        for split, own in zip(splits, self._pairs, strict=True):
            if not len(own):
                raise InputError(f"There are no {split} pairs to rank.")
            if not np.array_equal(own[:, 0], self._pairs[0][:, 0]):
                raise ValueError(f"`splits` should hold the same users. Received: {', '.join(splits)}.")
        self.num_pairs = len(self._pairs[0])
        self._masks = [masked_items(view, split, config.mask) for split in splits]
        self._candidates = [
            _num_candidates(own, mask) for own, mask in zip(self._pairs, self._masks, strict=True)
        ]

    def rank(self, scorer: Any, progress: Callable[[int], object] | None = None) -> list[Ranks]:
        """The ranks of every split.

        Args:
            scorer: As for `rank_held_out`.
            progress: As for `rank_held_out`.

        Raises:
            InputError: If a score is NaN or infinite.
        """
        scorer = as_scorer(scorer, self._num_items)
        floats = self._num_items * (scorer.pair_floats + bool(self._list_length))  # lists: a masked copy
        chunk = min(users_at_once(self._memory_mb, floats), self.num_pairs)
        ranks_of_chunk = self._graph(scorer)
        ranks: list[np.ndarray] = []
        lists: list[list[np.ndarray]] = [[] for _ in self.splits]
        for first in range(0, self.num_pairs, chunk):
            parts = [own[first : first + chunk] for own in self._pairs]
            padded = [_padded(part, mask, chunk) for part, mask in zip(parts, self._masks, strict=True)]
            found, tops = ranks_of_chunk(padded[0][0], [own[1:] for own in padded])
            chunk_ranks = found.numpy()
            if np.isnan(chunk_ranks).any():
                raise InputError("There are scores that are NaN or infinite; they cannot be ranked.")
            ranks.append(chunk_ranks[:, : len(parts[0])])
            for own, top in zip(lists, tops, strict=False):  # there are none unless they are asked for
                own.append(top.numpy()[: len(parts[0])])
            if progress:
                progress(len(parts[0]))
        return self._results(np.concatenate(ranks, axis=1).astype(np.float64), lists)

    def _results(self, ranks: np.ndarray, lists: Sequence[list[np.ndarray]]) -> list[Ranks]:
        """Ranks float64 [num_splits, num_pairs], and the chunks of lists of every split, put together."""
        return [
            Ranks(
                own[:, 0], own[:, 1], found, candidates, self._num_items, np.concatenate(top) if top else None
            )
            for own, found, candidates, top in zip(self._pairs, ranks, self._candidates, lists, strict=True)
        ]

    def _graph(self, scorer: Scorer) -> Callable[[tf.Tensor, list], tuple[tf.Tensor, list[tf.Tensor]]]:
        """Ranks and lists of a chunk, from (users, splits); a scorer traces its graph once.

        The splits are, for each, items int32 [n] with rows and columns of masked entries, int32 [m] each. The
        ranks are float32 [num_splits, n], the lists, where they are asked for, int32 [n, K] for each split.
        """
        ids, length = tf.TensorSpec([None], tf.int32), self._list_length
        splits = [[ids] * 3] * len(self.splits)
        if isinstance(scorer, ArrayScorer):
            spec = tf.TensorSpec([None, self._num_items], tf.float32)
            of_scores = tf.function(functools.partial(_of_splits, length=length), [spec, splits])
            return lambda users, own: of_scores(scorer.array(users.numpy()), own)
        compiled = scorer.worth_compiling and self.num_pairs * self._num_items >= _SCORES_WORTH_COMPILING
        item_side, key = scorer.item_side(), ("ranks", len(self.splits), length, compiled)
        if key not in scorer.graphs:

            def of_chunk(item_side, user_ids, splits):
                return _of_splits(scorer.scores(user_ids, item_side), splits, length)

            signature = [tf.nest.map_structure(tf.TensorSpec.from_tensor, item_side), ids, splits]
            scorer.graphs[key] = tf.function(
                of_chunk, input_signature=signature, jit_compile=compiled or None
            )
        return lambda users, own: scorer.graphs[key](item_side, users, own)


def _num_candidates(pairs: np.ndarray, mask: sparse.csr_array) -> np.ndarray:
    """Items that are ranked for the user of each pair, int32; the held-out one always is."""
    hidden = contained(pairs, mask)
    return (mask.shape[1] - np.diff(mask.indptr)[pairs[:, 0]] + hidden).astype(np.int32)


def _padded(pairs: np.ndarray, mask: sparse.csr_array, num_rows: int) -> list[tf.Tensor]:
    """Users, items, and rows and columns of masked entries, int32 each, in sizes that hardly ever change.

    A size that XLA has not seen costs a compilation. So the last pair is repeated up to `num_rows`, and the
    masked entries are filled up to a power of two with the first pair, which masks nothing.
    """
    rows, columns = entries_of(mask, pairs[:, 0])
    users, items = np.pad(pairs, [(0, num_rows - len(pairs)), (0, 0)], mode="edge").T
    fill = (1 << len(rows).bit_length()) - len(rows)
    rows, columns = np.pad(rows, (0, fill)), np.pad(columns, (0, fill), constant_values=items[0])
    return [tf.constant(part, tf.int32) for part in (users, items, rows, columns)]


def _of_splits(
    scores: tf.Tensor, splits: Sequence[Sequence[tf.Tensor]], length: int
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Ranks of one item a row for every split, float32 [num_splits, n], and lists; see `HeldOutRanking`."""
    ranks = tf.stack([_ranks(scores, *split) for split in splits])
    return ranks, [_top_items(scores, split, length) for split in splits] if length else []


def _ranks(scores: tf.Tensor, items: tf.Tensor, masked_rows: tf.Tensor, masked_items: tf.Tensor) -> tf.Tensor:
    """Mean 0-based rank of one item a row: those above it, and half of those level with it.

    Counting needs no sort, and what is masked is counted apart and subtracted, so scores are never copied.

    Args:
        scores: float32 [n, num_items].
        items: int32 [n], the item to rank in each row.
        masked_rows: int32 [m], row of each masked entry.
        masked_items: int32 [m], column of each masked entry.

    Returns:
        Ranks float32 [n], exact up to 2^22; NaN in rows that hold a score that is NaN or infinite.
    """
    own = tf.gather(scores, items, batch_dims=1)
    # An item counts its half of a tie with itself.
    ranks = tf.reduce_sum(_places_before(scores, own[:, None]), axis=1) - 0.5
    masked = tf.gather_nd(scores, tf.stack([masked_rows, masked_items], axis=1))
    itself = masked_items == tf.gather(items, masked_rows)
    hidden = tf.where(itself, 0.0, _places_before(masked, tf.gather(own, masked_rows)))
    return ranks - tf.math.unsorted_segment_sum(hidden, masked_rows, tf.size(items))


def _places_before(scores: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """What each score adds to the rank of `own`: 1 above it, a half level with it, NaN if not finite."""
    places = tf.where(scores > own, 1.0, tf.where(scores == own, 0.5, 0.0))
    return tf.where(tf.math.is_finite(scores), places, np.nan)


def _top_items(scores: tf.Tensor, split: Sequence[tf.Tensor], length: int) -> tf.Tensor:
    """The first candidates of each row, int32 [n, length], best first; -1 where there are fewer."""
    items, masked_rows, masked_items = split
    entries = tf.stack([masked_rows, masked_items], axis=1)
    itself = masked_items == tf.gather(items, masked_rows)
    hidden = tf.where(itself, tf.gather_nd(scores, entries), -np.inf)
    top = tf.math.top_k(tf.tensor_scatter_nd_update(scores, entries, hidden), length)
    return tf.where(tf.math.is_finite(top.values), top.indices, -1)
