"""What a data set and a training view have in common: vocabularies and a binary matrix per behavior."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse


class BehaviorMatrices:
    """Binary user-item matrices of R behaviors (Eq. 1), weakest behavior first; the last is the target.

    A class that has the following attributes gets sizes and names from here.

    Attributes:
        user_ids: Raw user ids, str (object) [num_users].
        item_ids: Raw item ids, str (object) [num_items].
        matrices: Behavior name -> binary CSR [num_users, num_items] with sorted int32 indices, the training
            rows of the behavior.
        held_out: Split name ("validation", "test") -> int32 [num_pairs, 2] of (user, item) rows of the
            target, by user; several of a user where the log came split so.
        protocol: "released" or "strict", see `nmtr_tf.data.dataset.Dataset.training_view`.
        fingerprint: sha256 of the prepared data.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    matrices: Mapping[str, sparse.csr_array]
    held_out: Mapping[str, np.ndarray]
    protocol: str
    fingerprint: str

    @property
    def num_users(self) -> int:
        """M, the number of users."""
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        """N, the number of items."""
        return len(self.item_ids)

    def num_held_out_users(self, split: str) -> int:
        """Users that have held-out pairs in a split."""
        return len(np.unique(self.held_out[split][:, 0]))

    @property
    def behaviors(self) -> tuple[str, ...]:
        """Names of the behaviors, weakest first."""
        return tuple(self.matrices)

    @property
    def auxiliary_behaviors(self) -> tuple[str, ...]:
        """All behaviors but the target, weakest first."""
        return self.behaviors[:-1]

    @property
    def target_behavior(self) -> str:
        """The behavior to recommend for: the last one."""
        return self.behaviors[-1]

    @property
    def target(self) -> sparse.csr_array:
        """The matrix of the target behavior."""
        return self.matrices[self.target_behavior]
