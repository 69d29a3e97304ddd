"""Facts about the rows of a data set and its held-out pairs that the audit gathers."""

import numpy as np
from scipy import sparse

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import leaks, matrix_keys
from nmtr_tf.data.view import TrainingView


def touched(dataset: Dataset, split: str) -> dict[str, np.ndarray]:
    """Auxiliary behavior -> which pairs of a split its rows hold."""
    before = dataset.before(split)
    auxiliary = {name: before.matrices[name] for name in before.auxiliary_behaviors}
    return leaks({split: dataset.held_out[split]}, auxiliary)[split]


def nesting(view: TrainingView) -> dict[str, dict[str, float]]:
    """Behavior -> earlier behavior -> share of the former's pairs that the latter has too."""
    keys = {name: matrix_keys(matrix) for name, matrix in view.matrices.items()}
    return {
        name: {
            earlier: float(np.isin(keys[name], keys[earlier], assume_unique=True).sum() / len(keys[name]))
            for earlier in view.behaviors[:place]
            if len(keys[name])
        }
        for place, name in enumerate(view.behaviors)
        if place
    }


def unseen(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Split -> "target" or "any" -> held-out pairs whose item has no such training row."""

    def seen_in(matrices: list[sparse.csr_array]) -> np.ndarray:
        return np.sum([np.bincount(m.indices, minlength=dataset.num_items) for m in matrices], axis=0) > 0

    counts = {}
    for split, pairs in dataset.held_out.items():
        view = _beside(dataset, split, "strict")
        seen = {"target": seen_in([view.target]), "any": seen_in(list(view.matrices.values()))}
        counts[split] = {which: int((~items[pairs[:, 1]]).sum()) for which, items in seen.items()}
    return counts


def drift(dataset: Dataset) -> dict[str, dict[str, float]]:
    """Split -> how far its items are from those of a random part of every user's target rows.

    Where a share p_u of the rows of user u is held out at random, an item is held out sum p_u times, over the
    users who have it, with variance sum p_u (1 - p_u). "ratio" is the sum over items of the squared
    differences from that, over the sum of the variances: about 1 for a random part; "by_chance" the largest
    of 19 random parts of the same sizes. All are 0 where nobody's part could have been another.
    """
    found = {}
    for split, pairs in dataset.held_out.items():
        found[split] = _drift(_beside(dataset, split, "released").target, pairs)
    return found


def _beside(dataset: Dataset, split: str, protocol: str) -> TrainingView:
    """The rows from which the pairs of a split were held out: of data split in time what came before."""
    if dataset.protocol == "time":
        return dataset.before(split)
    return dataset.training_view((), protocol, "none" if split == "test" else "random")


def _drift(rows: sparse.csr_array, pairs: np.ndarray) -> dict[str, float]:
    """The drift of held-out pairs, int32 [n, 2], from the rows beside them, [num_users, num_items]."""
    num_users, num_items = rows.shape
    rest = rows.tocoo()
    users, items = np.concatenate([pairs.T, [rest.row, rest.col]], axis=1)
    held, own = np.bincount(pairs[:, 0], minlength=num_users), np.bincount(users, minlength=num_users)
    share = held / np.maximum(own, 1)
    expected, variance = (
        np.bincount(items, of_users[users], num_items) for of_users in (share, share * (1 - share))
    )

    def ratio(items: np.ndarray) -> float:
        squares = (np.bincount(items, minlength=num_items) - expected) ** 2
        return float(squares.sum() / (variance.sum() or np.inf))

    by_user = np.repeat(np.arange(num_users), own)
    is_held = np.arange(len(users)) - (np.cumsum(own) - own)[by_user] < held[by_user]  # so many of each user
    rng, items_by_user = np.random.default_rng(0), items[np.argsort(users, kind="stable")]
    parts = (items_by_user[np.argsort(by_user + rng.random(len(users)))][is_held] for _ in range(19))
    return {"ratio": ratio(pairs[:, 1]), "by_chance": max(map(ratio, parts))}


def newest(view: TrainingView) -> dict[str, float]:
    """Share of test pairs whose item id is above those of all the user's purchases, also by chance."""
    users, items = view.held_out["test"].T
    degrees = np.diff(view.target.indptr)
    latest = np.full(view.num_users, -1)
    some = degrees > 0
    latest[some] = view.target.indices[view.target.indptr[1:][some] - 1]  # indices are sorted
    share, by_chance = (items > latest[users]).mean(), (1 / (degrees[users] + 1)).mean()
    return {"share": float(share), "by_chance": float(by_chance)}
