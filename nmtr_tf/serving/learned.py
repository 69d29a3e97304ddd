"""Of whom and of what a model has learned something, and what everybody else is recommended."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from nmtr_tf.data.view import TrainingView

if TYPE_CHECKING:  # it imports TensorFlow, which the commands do after their flags are checked
    from nmtr_tf.models.network import Network


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """The one answer to whether a user is known.

    A row of a table says nothing of a user who has no training row: it is as it was drawn. So it is not being
    in the data set that counts, where users may be by what is held out or by a behavior that is not learned
    from.

    Attributes:
        users: bool [num_users], who has a training row that the model learns from.
        popularity: float32 [num_items], the scores for all others: training rows of the target for each item;
            -inf: the model has no row of the item to learn from, either.
    """

    users: np.ndarray
    popularity: np.ndarray

    @classmethod
    def of(cls, net: "Network", view: TrainingView) -> "Learned":
        """What a model has learned of.

        Args:
            net: The parts of the model.
            view: The training view that it was trained on.
        """
        # Histories hold all behaviors. Vectors are learned from those with a logit: others give negatives.
        behaviors = view.behaviors if net.from_history else net.behaviors
        rows = [view.matrices[name] for name in behaviors]
        users = np.any([np.diff(matrix.indptr) > 0 for matrix in rows], axis=0)
        items = np.any([_counts(matrix) > 0 for matrix in rows], axis=0)
        return cls(users, np.where(items, _counts(view.target), -np.inf).astype(np.float32))

    def of_histories(self, matrix: sparse.csr_array) -> "Learned":
        """The same for users who are known by what they did, CSR [n, num_items]: by one item that counts."""
        return dataclasses.replace(self, users=matrix.astype(bool) @ np.isfinite(self.popularity))

    def knows(self, rows: np.ndarray) -> np.ndarray:
        """Which of some users it knows: rows of the data set, int [n], -1: none of them -> bool [n]."""
        return (rows >= 0) & self.users[rows]


def _counts(matrix: sparse.csr_array) -> np.ndarray:
    """Rows of each item, int [num_items]."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1])
