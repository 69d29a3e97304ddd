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
        is_timed = dataset.protocol == "time"
        view = dataset.before(split) if is_timed else dataset.training_view((), "strict")
        seen = {"target": seen_in([view.target]), "any": seen_in(list(view.matrices.values()))}
        counts[split] = {which: int((~items[pairs[:, 1]]).sum()) for which, items in seen.items()}
    return counts


def newest(view: TrainingView) -> dict[str, float]:
    """Share of test pairs whose item id is above those of all the user's purchases, also by chance."""
    users, items = view.held_out["test"].T
    degrees = np.diff(view.target.indptr)
    latest = np.full(view.num_users, -1)
    some = degrees > 0
    latest[some] = view.target.indices[view.target.indptr[1:][some] - 1]  # indices are sorted
    share, by_chance = (items > latest[users]).mean(), (1 / (degrees[users] + 1)).mean()
    return {"share": float(share), "by_chance": float(by_chance)}
