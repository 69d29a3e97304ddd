"""Ranking of every held-out item among the whole catalogue, in chunks of users."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.pairs import distinct, without
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.counting import ONE_PASS_ITEMS, filled, padded_split, places_of_splits
from nmtr_tf.evaluation.masks import entries_of, masked_items, ranked_pairs
from nmtr_tf.evaluation.metrics import list_length
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.evaluation.scorers import ArrayScorer, Scorer, as_scorer
from nmtr_tf.evaluation.sorting import places_by_sorting
from nmtr_tf.workers import current_worker, summed

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
        masks = [masked_items(view, split, config.mask_under(view.protocol)) for split in splits]
        self._pairs = [ranked_pairs(view, *one) for one in zip(splits, masks, samples, strict=True)]
        self._users = distinct(np.concatenate([pairs[:, 0] for pairs in self._pairs]))
        self.num_users = len(self._users)
        self.num_ranked = {
            split: len(distinct(pairs[:, 0])) for split, pairs in zip(splits, self._pairs, strict=True)
        }
        # Above one item a user candidates are counted; where there are several, scores are sorted.
        self._counts = all(np.array_equal(pairs[:, 0], self._users) for pairs in self._pairs)
        self._masks = [without(mask, own) for mask, own in zip(masks, self._pairs, strict=True)]
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
        chunk, worker = self._chunk_size(scorer), current_worker()
        places_of = self._counting(scorer) if self._counts else self._sorting(scorer)
        found: list[list[np.ndarray]] = [[] for _ in self.splits]
        lists: list[list[np.ndarray]] = [[] for _ in self.splits]
        for number, (users, parts) in enumerate(self._chunks(chunk)):
            is_own = number % worker.count == worker.number
            places = places_of(users, parts) if is_own else self._nothing(parts)
            for split, (own, top) in enumerate(places):
                found[split].append(own)
                if top is not None:
                    lists[split].append(top)
            if progress:
                progress(len(users))
        return self._results(found, lists)

    def _nothing(self, parts: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Zeros in place of what another worker ranks, which the sum over the workers brings."""
        for part in parts:
            top = np.zeros((len(part), self._list_length), np.int32) if self._list_length else None
            yield np.zeros((2, len(part))), top

    def _chunk_size(self, scorer: Scorer) -> int:
        """Users that are scored at once; every worker has some."""
        copies = scorer.pair_floats + (not self._counts or bool(self._list_length))  # a masked copy
        most = -(-self.num_users // current_worker().count)
        return min(users_at_once(self._memory_mb, self._num_items * copies), most)

    def _chunks(self, chunk: int) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Users, and their pairs in every split."""
        starts = [np.searchsorted(pairs[:, 0], self._users[chunk::chunk]) for pairs in self._pairs]
        parts = [np.split(pairs, own) for pairs, own in zip(self._pairs, starts, strict=True)]
        for number, own in enumerate(zip(*parts, strict=True)):
            yield self._users[number * chunk : (number + 1) * chunk], list(own)

    def _results(self, found: Sequence[list[np.ndarray]], lists: Sequence[list[np.ndarray]]) -> list[Ranks]:
        """The chunks of ranks and ties, [2, n] each, and of lists of every split, put together."""
        results = []
        for own, places, candidates, top in zip(self._pairs, found, self._candidates, lists, strict=True):
            ranks, tied = _finite(np.concatenate(places, axis=1)).astype(np.int64)
            top_items = summed(np.concatenate(top)) if top else None
            results.append(Ranks(own[:, 0], own[:, 1], ranks, tied, candidates, self._num_items, top_items))
        return results

    def _counting(self, scorer: Scorer) -> "_PlacesOf":
        """How a chunk is ranked where each user has one item in every split: in one graph with its scores.

        Where one pass leaves a place open, for ties or for scores that are not finite, two begin.
        """
        length, size = self._list_length, self._chunk_size(scorer)
        in_one_pass = scorer.worth_compiling and self._num_items < ONE_PASS_ITEMS

        def places_of(users, parts):
            nonlocal in_one_pass
            padded = [
                padded_split(part[:, 1], entries_of(mask, users), size)
                for part, mask in zip(parts, self._masks, strict=True)
            ]
            places, lists = self._counting_graph(scorer, in_one_pass)(users, padded)
            found = [own.numpy()[:, : len(users)] for own in places]
            if in_one_pass and np.isnan(found).any():
                in_one_pass = False
                yield from places_of(users, parts)
                return
            for own, top in itertools.zip_longest(found, lists):
                yield own, top.numpy()[: len(users)] if length else None

        return places_of

    def _counting_graph(self, scorer: Scorer, in_one_pass: bool) -> Callable[..., Any]:
        ids = tf.TensorSpec([None], tf.int32)
        return self._graph(
            scorer,
            lambda scores, splits: places_of_splits(scores, splits, self._list_length, in_one_pass),
            [[ids] * 3] * len(self.splits),
            in_one_pass,
        )

    def _sorting(self, scorer: Scorer) -> "_PlacesOf":
        """How a chunk is ranked where users have several items in a split, or none."""
        graph = self._graph(scorer, lambda scores, splits: scores, [])

        def places_of(users, parts):
            scores = np.asarray(graph(users, []))[: len(users)]
            for part, mask in zip(parts, self._masks, strict=True):
                rows, masked = np.searchsorted(users, part[:, 0]), entries_of(mask, users)
                yield places_by_sorting(scores, rows, part[:, 1], masked, self._list_length)

        return places_of

    def _graph(
        self, scorer: Scorer, of_scores: Callable[..., Any], splits: list, in_one_pass: bool = False
    ) -> Callable[..., Any]:
        """A graph of what is asked of the scores: (users int32 [n], splits) -> `of_scores(scores, splits)`.

        Chunks of users are filled up to one size. A scorer traces its graph once.

        Args:
            scorer: Gives the scores.
            of_scores: What is asked.
            splits: Signature of its second argument.
            in_one_pass: What else tells apart what is asked.
        """
        chunk = self._chunk_size(scorer)
        if isinstance(scorer, ArrayScorer):
            spec = tf.TensorSpec([None, self._num_items], tf.float32)
            new = tf.function(of_scores, [spec, splits], autograph=False)
            of_array = scorer.graphs.setdefault((len(splits), self._list_length, in_one_pass), new)
            return lambda users, own: of_array(scorer.array(filled(users, chunk)), own)
        compiled = scorer.worth_compiling and self.num_users * self._num_items >= _SCORES_WORTH_COMPILING
        item_side = scorer.item_side()
        key = (len(splits), self._list_length, compiled, in_one_pass)
        if key not in scorer.graphs:

            def of_chunk(item_side, user_ids, splits):
                return of_scores(scorer.scores(user_ids, item_side), splits)

            users = tf.TensorSpec([None], tf.int32)
            signature = [tf.nest.map_structure(tf.TensorSpec.from_tensor, item_side), users, splits]
            scorer.graphs[key] = tf.function(
                of_chunk, input_signature=signature, autograph=False, jit_compile=compiled or None
            )
        graph = scorer.graphs[key]
        return lambda users, own: graph(item_side, tf.constant(filled(users, chunk), tf.int32), own)


_PlacesOf = Callable[[np.ndarray, list[np.ndarray]], Iterable[tuple[np.ndarray, np.ndarray | None]]]
"""(users of a chunk, their pairs in each split) -> places [2, n] and lists, as of `places_by_sorting`."""


def _num_candidates(pairs: np.ndarray, mask: sparse.csr_array) -> np.ndarray:
    """Items that are ranked for the user of each pair, int32."""
    return (mask.shape[1] - np.diff(mask.indptr)[pairs[:, 0]]).astype(np.int32)


def _finite(places: np.ndarray) -> np.ndarray:
    """The places that all workers together have found, int32; NaN of any is refused by all."""
    found = summed(np.where(np.isnan(places), -1, places))
    if (found < 0).any():
        raise InputError("There are scores that are NaN or infinite; they cannot be ranked.")
    return found
