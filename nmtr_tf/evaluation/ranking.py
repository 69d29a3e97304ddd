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
from nmtr_tf.evaluation.counting import places_of_splits
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
        sample: User rows whose items are ranked, int [n]; None: all.
        progress: Called with the number of users done since the last call.

    Raises:
        InputError: If the split is empty, a metric is unknown, or a score is NaN or infinite.
    """
    (ranks,) = HeldOutRanking(view, [split], config, [sample]).rank(scorer, progress)
    return ranks


class HeldOutRanking:
    """The held-out items of some splits, to be ranked once or many times; every user is scored once.

    Args:
        view: As for `rank_held_out`.
        splits: The splits.
        config: As for `rank_held_out`.
        samples: For each split as for `rank_held_out`; None: all users.

    Attributes:
        splits: The splits.
        num_users: Users that are ranked, of any split.
        num_ranked: Split -> users that are ranked.

    Raises:
        InputError: If a split is empty, the mask hides its items, or a metric is unknown.
    """

    def __init__(
        self,
        view: TrainingView,
        splits: Sequence[str],
        config: EvaluationConfig,
        samples: Sequence[np.ndarray | None] | None = None,
    ):
        self.splits, self._num_items, self._memory_mb = tuple(splits), view.num_items, config.eval_memory_mb
        self._list_length = min(list_length(config), view.num_items)
        samples = samples or [None] * len(splits)
        self._pairs = [_pairs_of(view, split, sample) for split, sample in zip(splits, samples, strict=True)]
        self._users = np.unique(np.concatenate([pairs[:, 0] for pairs in self._pairs]))
        self.num_users = len(self._users)
        self.num_ranked = {
            split: len(np.unique(pairs[:, 0])) for split, pairs in zip(splits, self._pairs, strict=True)
        }
        # Where each user has one item in every split, pairs are rows of the scores as they are.
        self._is_plain = all(np.array_equal(pairs[:, 0], self._users) for pairs in self._pairs)
        mask = config.mask_under(view.protocol)
        self._masks = [masked_items(view, split, mask) for split in splits]
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
        chunk = self._chunk_size(scorer)
        chunks = [self._chunks(pairs, chunk) for pairs in self._pairs]
        sizes = [chunk if self._is_plain else max(map(len, own)) for own in chunks]
        ranks_of_chunk = self._graph(scorer)
        found: list[list[np.ndarray]] = [[] for _ in self.splits]
        lists: list[list[np.ndarray]] = [[] for _ in self.splits]
        for number, first in enumerate(range(0, self.num_users, chunk)):
            users = self._users[first : first + chunk]
            parts = [own[number] for own in chunks]
            padded = [
                _padded(part, mask, users, size)
                for part, mask, size in zip(parts, self._masks, sizes, strict=True)
            ]
            rows = tf.constant(np.pad(users, (0, chunk - len(users)), mode="edge"), tf.int32)
            counts, tops = ranks_of_chunk(rows, padded)
            for own, part, count in zip(found, parts, counts, strict=True):
                own.append(_finite(count.numpy()[:, : len(part)]))
            for own, part, top in zip(lists, parts, tops, strict=False):  # none unless they are asked for
                own.append(top.numpy()[: len(part)])
            if progress:
                progress(len(users))
        return self._results(found, lists)

    def _chunk_size(self, scorer: Scorer) -> int:
        """Users that are scored at once."""
        copies = scorer.pair_floats + bool(self._list_length)  # lists: a masked copy
        if not self._is_plain:  # and a row of scores for each pair
            copies += -(-max(map(len, self._pairs)) // self.num_users)
        return min(users_at_once(self._memory_mb, self._num_items * copies), self.num_users)

    def _chunks(self, pairs: np.ndarray, chunk: int) -> list[np.ndarray]:
        """The pairs of each chunk of users."""
        starts = np.searchsorted(pairs[:, 0], self._users[chunk::chunk])
        return np.split(pairs, starts)

    def _results(self, found: Sequence[list[np.ndarray]], lists: Sequence[list[np.ndarray]]) -> list[Ranks]:
        """The chunks of ranks and ties, [2, n] each, and of lists of every split, put together."""
        results = []
        for own, places, candidates, top in zip(self._pairs, found, self._candidates, lists, strict=True):
            ranks, tied = np.concatenate(places, axis=1).astype(np.int64)
            top_items = np.concatenate(top) if top else None
            results.append(Ranks(own[:, 0], own[:, 1], ranks, tied, candidates, self._num_items, top_items))
        return results

    def _graph(self, scorer: Scorer) -> Callable[[tf.Tensor, list], tuple[list[tf.Tensor], list[tf.Tensor]]]:
        """Ranks and lists of a chunk, from (users, splits); a scorer traces its graph once.

        The splits are, for each, rows of the chunk and items, int32 [n], with rows and columns of masked
        entries, int32 [m] each; the results are those of `places_of_splits`.
        """
        ids, length, plain = tf.TensorSpec([None], tf.int32), self._list_length, self._is_plain
        splits = [[ids] * 4] * len(self.splits)
        if isinstance(scorer, ArrayScorer):
            spec = tf.TensorSpec([None, self._num_items], tf.float32)
            of_scores = tf.function(
                functools.partial(places_of_splits, length=length, plain=plain), [spec, splits]
            )
            return lambda users, own: of_scores(scorer.array(users.numpy()), own)
        compiled = scorer.worth_compiling and self.num_users * self._num_items >= _SCORES_WORTH_COMPILING
        item_side, key = scorer.item_side(), ("ranks", len(self.splits), length, plain, compiled)
        if key not in scorer.graphs:

            def of_chunk(item_side, user_ids, splits):
                return places_of_splits(scorer.scores(user_ids, item_side), splits, length, plain)

            signature = [tf.nest.map_structure(tf.TensorSpec.from_tensor, item_side), ids, splits]
            scorer.graphs[key] = tf.function(
                of_chunk, input_signature=signature, jit_compile=compiled or None
            )
        return lambda users, own: scorer.graphs[key](item_side, users, own)


def _pairs_of(view: TrainingView, split: str, sample: np.ndarray | None) -> np.ndarray:
    """The held-out pairs of a split that are ranked, int32 [n, 2], by user.

    Raises:
        InputError: If there are none.
    """
    pairs = view.held_out[split]
    if sample is not None:
        pairs = pairs[np.isin(pairs[:, 0], sample)]
    if not len(pairs):
        raise InputError(f"There are no {split} pairs to rank.")
    return pairs


def _finite(places: np.ndarray) -> np.ndarray:
    if np.isnan(places).any():
        raise InputError("There are scores that are NaN or infinite; they cannot be ranked.")
    return places


def _num_candidates(pairs: np.ndarray, mask: sparse.csr_array) -> np.ndarray:
    """Items that are ranked for the user of each pair, int32; the held-out one always is."""
    hidden = contained(pairs, mask)
    return (mask.shape[1] - np.diff(mask.indptr)[pairs[:, 0]] + hidden).astype(np.int32)


def _padded(pairs: np.ndarray, mask: sparse.csr_array, users: np.ndarray, num_rows: int) -> list[tf.Tensor]:
    """Rows among the users, items, and rows and columns of masked entries, int32 each, in lasting sizes.

    A size that XLA has not seen costs a compilation. So the last pair is repeated up to `num_rows`, and the
    masked entries are filled up to a power of two with the first pair, which masks nothing.
    """
    if not len(pairs):  # of this split; another one has pairs of these users
        pairs = np.array([[users[0], 0]], np.int32)
    rows, columns = entries_of(mask, pairs[:, 0])
    users_of_pairs, items = np.pad(pairs, [(0, num_rows - len(pairs)), (0, 0)], mode="edge").T
    fill = (1 << len(rows).bit_length()) - len(rows)
    rows, columns = np.pad(rows, (0, fill)), np.pad(columns, (0, fill), constant_values=items[0])
    parts = (np.searchsorted(users, users_of_pairs), items, rows, columns)
    return [tf.constant(part, tf.int32) for part in parts]
