"""Ranking of every held-out item among the whole catalogue, in chunks of users."""

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data import leakage
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
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
    def ranks_of_chunk(self) -> Callable:
        """Graph that scores a chunk of users and ranks one item for each, traced once per scorer."""

        def ranks_of_chunk(item_side, user_ids, items, masked_rows, masked_items):
            return _ranks(self.scores(user_ids, item_side), items, masked_rows, masked_items)

        item_side = tf.nest.map_structure(tf.TensorSpec.from_tensor, self.item_side())
        signature = [item_side, *[tf.TensorSpec([None], tf.int32)] * 4]
        return tf.function(ranks_of_chunk, input_signature=signature, jit_compile=self.compiled)


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


def masked_items(view: Interactions, split: str, mask: str) -> sparse.csr_array:
    """Binary matrix [num_users, num_items] of the items left out of a user's ranking.

    Training purchases, or all training items, as the mask says; at test the validation purchases as well.

    Raises:
        InputError: If mask is "all" while held-out pairs are still in training: they would be left out.
    """
    if mask == "none":
        return sparse.csr_array(view.target.shape, dtype=bool)
    if mask == "all":
        _refuse_leak(view, split)
    masked = list(view.matrices.values()) if mask == "all" else [view.target]
    if split == "test":
        validation = view.held_out["validation"]
        keys = leakage.pair_keys(validation[:, 0], validation[:, 1], view.num_items)
        masked.append(leakage.matrix_of(keys, view.target.shape))
    return functools.reduce(operator.add, masked)  # of booleans: either


def _refuse_leak(view: Interactions, split: str) -> None:
    pairs = view.held_out[split]
    for name, matrix in view.matrices.items():
        if leaked := int(leakage.contained(pairs, matrix).sum()):
            raise InputError(
                f"--mask=all would hide {leaked} of the {len(pairs)} {split} items, which are still in the "
                f"training rows of {name!r}; use --protocol=strict or --mask=target."
            )


def users_at_once(memory_mb: int, floats_per_user: int) -> int:
    """Users to score in one chunk: 1 to 1024, as many as the memory (MiB) has float32 for."""
    return int(np.clip(memory_mb * 2**20 // 4 // floats_per_user, 1, 1024))


def entries_of(mask: sparse.csr_array, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of some users' rows: positions in `users` and items, integers [num_entries] each."""
    rows = mask[users]
    return np.repeat(np.arange(len(users)), np.diff(rows.indptr)), rows.indices


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
    pairs = view.held_out[split] if sample is None else view.held_out[split][sample]
    if not len(pairs):
        raise InputError(f"There are no {split} pairs to rank.")
    mask = masked_items(view, split, config.mask)
    chunk = min(users_at_once(config.eval_memory_mb, view.num_items * scorer.pair_floats), len(pairs))
    item_side = scorer.item_side()
    ranks = []
    for first in range(0, len(pairs), chunk):
        part = pairs[first : first + chunk]
        chunk_ranks = scorer.ranks_of_chunk(item_side, *_padded(part, mask, chunk)).numpy()[: len(part)]
        if np.isnan(chunk_ranks).any():
            raise InputError("The model gives scores that are NaN or infinite; it cannot be ranked.")
        ranks.append(chunk_ranks)
        if progress:
            progress(len(part))
    users, items = pairs.T
    hidden = leakage.contained(pairs, mask)  # a held-out item is always a candidate
    num_candidates = view.num_items - np.diff(mask.indptr)[users] + hidden
    all_ranks = np.concatenate(ranks).astype(np.float64)
    return Ranks(users, items, all_ranks, num_candidates.astype(np.int32))


def _padded(pairs: np.ndarray, mask: sparse.csr_array, num_rows: int) -> list[tf.Tensor]:
    """What `ranks_of_chunk` takes after the item side, int32 each, in sizes that hardly ever change.

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
