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
        split: The split that is ranked; at test what is held out for validation is left out as well.
        mask: "target": training purchases; "all": training items of every behavior of the data set, whether
            or not the run uses it, so that runs on different behaviors rank the same items; or "none".

    Raises:
        InputError: If mask is "all" while held-out pairs are still in training: they would be left out. Not
            under protocol time, where `ranked_pairs` says which are ranked.
    """
    if mask == "none":
        return sparse.csr_array(view.target.shape, dtype=bool)
    if mask == "all" and view.protocol != "time":
        _refuse_leak(view, split)
    masked = list(view.every.values()) if mask == "all" else [view.target]
    if split == "test":
        validation = view.held_out["validation"]
        keys = pair_keys(validation[:, 0], validation[:, 1], view.num_items)
        masked.append(matrix_of(keys, view.target.shape))
        masked += [
            rows for name, rows in view.between.items() if mask == "all" or name == view.target_behavior
        ]
    return functools.reduce(operator.add, masked)  # of booleans: either


def ranked_pairs(
    view: TrainingView, split: str, masked: sparse.csr_array, sample: np.ndarray | None = None
) -> np.ndarray:
    """The held-out pairs of a split that are ranked, int32 [num_pairs, 2], by user.

    Under protocol time, where users may have touched an item before they buy it, those that the mask leaves.

    Args:
        view: The training view.
        split: The split.
        masked: What `masked_items` gives.
        sample: User rows whose items are ranked, int [n]; None: all.

    Raises:
        InputError: If there are none.
    """
    pairs = view.held_out[split]
    if sample is not None:
        pairs = pairs[np.isin(pairs[:, 0], sample)]
    if not len(pairs):
        raise InputError(f"There are no {split} pairs to rank.")
    if view.protocol != "time":
        return pairs
    left = pairs[~contained(pairs, masked)]
    if not len(left):
        raise InputError(
            f"`mask=all` leaves none of the {len(pairs)} {split} pairs to rank, as all were touched before; "
            "use `mask=target`."
        )
    return left


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
