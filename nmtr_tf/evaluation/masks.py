"""Which items are left out of a user's ranking."""

import functools
import operator

import numpy as np
from scipy import sparse

from nmtr_tf.data.pairs import contained, matrix_of, pair_keys
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError


def masked_items(view: TrainingView, split: str, mask: str) -> sparse.csr_array:
    """Binary matrix [num_users, num_items] of the items left out of a user's ranking.

    Args:
        view: The training view.
        split: The split that is ranked; at test the validation purchases are left out as well.
        mask: "target": training purchases; "all": training items of every behavior of the data set, whether
            or not the run uses it, so that runs on different behaviors rank the same items; or "none".

    Raises:
        InputError: If mask is "all" while held-out pairs are still in training: they would be left out.
    """
    if mask == "none":
        return sparse.csr_array(view.target.shape, dtype=bool)
    if mask == "all":
        _refuse_leak(view, split)
    masked = list(view.every.values()) if mask == "all" else [view.target]
    if split == "test":
        validation = view.held_out["validation"]
        keys = pair_keys(validation[:, 0], validation[:, 1], view.num_items)
        masked.append(matrix_of(keys, view.target.shape))
    return functools.reduce(operator.add, masked)  # of booleans: either


def _refuse_leak(view: TrainingView, split: str) -> None:
    pairs = view.held_out[split]
    for name, matrix in view.every.items():
        if leaked := int(contained(pairs, matrix).sum()):
            raise InputError(
                f"`mask=all` would hide {leaked} of the {len(pairs)} {split} items, which are still in the "
                f"training rows of {name!r}; use `protocol=strict` or `mask=target`."
            )


def entries_of(mask: sparse.csr_array, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of some users' rows: positions in `users` and items, integers [num_entries] each."""
    rows = mask[users]
    return np.repeat(np.arange(len(users)), np.diff(rows.indptr)), rows.indices
