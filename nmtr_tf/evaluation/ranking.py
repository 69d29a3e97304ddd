"""Ranking of every held-out item among the whole catalogue, in chunks of users."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data import leakage
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import entries_of, masked_items
from nmtr_tf.models.nmtr import network


class Scorer:
    """Base of whatever scores all items for some users.

    What the users share (item vectors, say) is computed once per ranking, by `item_side`.
    """

    pair_floats = 1
    """Floats held per (user, item) pair while scoring: what the chunk size follows from."""

    compiled = False
    """Whether XLA compiles the ranking; `scores` should have shapes that follow from its arguments' then."""

    def item_side(self) -> Any:
        """Tensors, in any nesting, that `scores` needs and that are the same for all users."""
        raise NotImplementedError

    def scores(self, user_ids: tf.Tensor, item_side: Any) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items] of users int32 [num_chunk_users]."""
        raise NotImplementedError

    @functools.cached_property
    def _graphs(self) -> dict[int, Callable]:
        return {}

    def ranks_of_chunk(self, num_splits: int) -> Callable:
        """Graph that scores a chunk of users and ranks one item of each for every split; traced once.

        It takes the item side, user ids int32 [n] and, for each split, items int32 [n] with rows and columns
        of masked entries, int32 [m] each. It gives ranks float32 [num_splits, n].
        """
        if num_splits not in self._graphs:
            item_side = tf.nest.map_structure(tf.TensorSpec.from_tensor, self.item_side())
            ids = tf.TensorSpec([None], tf.int32)
            signature = [item_side, ids, [[ids] * 3] * num_splits]

            def ranks_of_chunk(item_side, user_ids, splits):
                scores = self.scores(user_ids, item_side)
                return tf.stack([_ranks(scores, *split) for split in splits])

            self._graphs[num_splits] = tf.function(
                ranks_of_chunk, input_signature=signature, jit_compile=self.compiled
            )
        return self._graphs[num_splits]


class ModelScorer(Scorer):
    """Logits of one behavior of a model, with its weights as they are at each ranking.

    Args:
        model: A model made by `nmtr_tf.models.nmtr.build_model`.
        behavior: The behavior; None: the target.
    """

    compiled = True

    def __init__(self, model: keras.Model, behavior: str | None = None):
        self.network = network(model)
        cascade = self.network.cascade
        self.terms = cascade.terms(cascade.behaviors.index(behavior or cascade.behaviors[-1]))
        # The largest unit's intermediate values, and the logits before and after adding.
        self.pair_floats = max(unit.pair_floats for unit in cascade.units[self.terms]) + 2

    @property
    def pair_cost(self) -> int:
        """Multiply-adds for the score of one (user, item) pair."""
        return sum(unit.pair_cost for unit in self.network.cascade.units[self.terms])

    def item_side(self) -> Any:
        """Item parts and biases of every predicted behavior."""
        net = self.network
        item_parts = net.cascade.item_parts([tf.convert_to_tensor(t.value) for t in net.item_tables])
        return item_parts, [bias.value[:, 0] for bias in net.item_biases]

    def scores(self, user_ids: tf.Tensor, item_side: Any) -> tf.Tensor:
        """Logits float32 [num_chunk_users, num_items] of users int32 [num_chunk_users]."""
        net, (item_parts, biases) = self.network, [part[self.terms] for part in item_side]
        user_parts = self.user_parts(user_ids)
        if net.is_inner_product and net.shares_items:
            # One shared Q: sum_r <p * h^r, q> + b^r is one matrix product.
            return tf.matmul(tf.add_n(user_parts), item_parts[0], transpose_b=True) + tf.add_n(biases)
        return net.cascade.combine(user_parts, item_parts, biases, self.terms)[-1]

    def user_parts(self, user_ids: tf.Tensor) -> list[tf.Tensor]:
        """User parts [num_chunk_users, D] of the behaviors that add up to the logit."""
        net = self.network
        rows = [tf.gather(table.value, user_ids) for table in net.user_tables[self.terms]]
        return net.cascade.user_parts(rows, self.terms)


@dataclasses.dataclass(frozen=True)
class Ranks:
    """Ranks of held-out items.

    Attributes:
        users: int32 [n], user rows.
        items: int32 [n], held-out item rows.
        ranks: float64 [n], 0-based; the mean over its tie where scores are equal.
        num_candidates: int32 [n], items ranked for the user, the held-out one included.
    """

    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    num_candidates: np.ndarray


def users_at_once(memory_mb: int, floats_per_user: int) -> int:
    """Users to score in one chunk: 1 to 1024, as many as the memory (MiB) has float32 for."""
    return int(np.clip(memory_mb * 2**20 // 4 // floats_per_user, 1, 1024))


def rank_held_out(
    scorer: Scorer,
    view: Interactions,
    split: str,
    config: EvaluationConfig,
    sample: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> Ranks:
    """Ranks held-out items among all items that the mask leaves.

    Args:
        scorer: Scores of all items for given users.
        view: The training view: its training rows are masked, its held-out pairs ranked.
        split: "validation" or "test".
        config: Mask and memory.
        sample: Positions among the held-out pairs to rank; None: all.
        progress: Called with the number of users done since the last call.

    Raises:
        InputError: If the split is empty or a score is NaN or infinite.
    """
    (ranks,) = rank_splits(scorer, view, [split], config, sample, progress)
    return ranks


def rank_splits(
    scorer: Scorer,
    view: Interactions,
    splits: Sequence[str],
    config: EvaluationConfig,
    sample: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[Ranks]:
    """`rank_held_out` of several splits, in their order, that scores every user once.

    Raises:
        InputError: As `rank_held_out`.
        ValueError: If the splits do not hold the same users in the same order.
    """
    pairs = [view.held_out[split] if sample is None else view.held_out[split][sample] for split in splits]
    for split, own in zip(splits, pairs, strict=True):
        if not len(own):
            raise InputError(f"There are no {split} pairs to rank.")
        if not np.array_equal(own[:, 0], pairs[0][:, 0]):
            raise ValueError(f"`splits` should hold the same users. Received: {', '.join(splits)}.")
    masks = [masked_items(view, split, config.mask) for split in splits]
    num_pairs = len(pairs[0])
    chunk = min(users_at_once(config.eval_memory_mb, view.num_items * scorer.pair_floats), num_pairs)
    item_side, ranks_of_chunk = scorer.item_side(), scorer.ranks_of_chunk(len(splits))
    ranks = []
    for first in range(0, num_pairs, chunk):
        parts = [own[first : first + chunk] for own in pairs]
        padded = [_padded(part, mask, chunk) for part, mask in zip(parts, masks, strict=True)]
        chunk_ranks = ranks_of_chunk(item_side, padded[0][0], [own[1:] for own in padded]).numpy()
        if np.isnan(chunk_ranks).any():
            raise InputError("The model gives scores that are NaN or infinite; it cannot be ranked.")
        ranks.append(chunk_ranks[:, : len(parts[0])])
        if progress:
            progress(len(parts[0]))
    all_ranks = np.concatenate(ranks, axis=1).astype(np.float64)
    candidates = [_num_candidates(own, mask) for own, mask in zip(pairs, masks, strict=True)]
    return [Ranks(*own.T, *found) for own, *found in zip(pairs, all_ranks, candidates, strict=True)]


def _num_candidates(pairs: np.ndarray, mask: sparse.csr_array) -> np.ndarray:
    """Items that are ranked for the user of each pair, int32; the held-out one always is."""
    hidden = leakage.contained(pairs, mask)
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
