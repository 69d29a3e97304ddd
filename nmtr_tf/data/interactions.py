"""Interactions: vocabularies, one sparse matrix per behavior, held-out pairs."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from nmtr_tf.data import leakage
from nmtr_tf.data.events import Events
from nmtr_tf.errors import InputError

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Interactions:
    """Binary user-item matrices of R behaviors (Eq. 1) and the held-out pairs of the target.

    Attributes:
        user_ids: Raw user ids, int64 or str (object) [num_users].
        item_ids: Raw item ids, int64 or str (object) [num_items].
        matrices: Behavior name -> binary CSR [num_users, num_items] with sorted int32 indices,
            weakest behavior first; the last is the target.
        held_out: Split name ("validation", "test") -> int32 [num_pairs, 2] of (user, item) rows, by
            user, at most one a user.
        protocol: "released" or "strict", see `training_view`.
        fingerprint: sha256 of the prepared table.
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

    @property
    def behaviors(self) -> tuple[str, ...]:
        """Names of the behaviors, weakest first."""
        return tuple(self.matrices)

    @property
    def target_behavior(self) -> str:
        """The behavior to recommend for: the last one."""
        return self.behaviors[-1]

    @property
    def target(self) -> sparse.csr_array:
        """The matrix of the target behavior."""
        return self.matrices[self.target_behavior]

    @classmethod
    def from_events(cls, events: Events, split: np.ndarray, protocol: str) -> "Interactions":
        """Builds the matrices.

        Args:
            events: Events without duplicates.
            split: int8 [num_events], positions in `SPLITS`; only target events may be held out.
            protocol: "released" or "strict".
        """
        shape = (len(events.users), len(events.items))
        keys = leakage.pair_keys(events.user, events.item, shape[1])
        train = split == 0
        return cls(
            user_ids=events.users,
            item_ids=events.items,
            matrices={
                name: leakage.matrix_of(keys[train & (events.behavior == code)], shape)
                for code, name in enumerate(events.behaviors)
            },
            held_out={name: _pairs(events, split == SPLITS.index(name)) for name in SPLITS[1:]},
            protocol=protocol,
            fingerprint=fingerprint(events, split),
        )

    def training_view(
        self, behaviors: Sequence[str] = (), protocol: str = "", validation: str = "random"
    ) -> "Interactions":
        """The interactions a run trains on and is evaluated against.

        Args:
            behaviors: Behaviors to keep, in the data set's order, the target among them; empty: all.
            protocol: "strict" takes the held-out pairs of the splits in use out of every behavior,
                "released" leaves those of weaker behaviors where the files have them; "": as prepared.
            validation: "random" keeps the validation pairs held out, "none" gives them back to training.

        Raises:
            InputError: If the behaviors are not an ordered subset that ends with the target.
        """
        behaviors = tuple(behaviors) or self.behaviors
        ordered = tuple(name for name in self.behaviors if name in behaviors)
        if behaviors != ordered or behaviors[-1] != self.target_behavior:
            raise InputError(
                f"--behaviors should be a subset of {','.join(self.behaviors)} in this order, with "
                f"{self.target_behavior!r} last. Received: {','.join(behaviors)}."
            )
        matrices = {name: self.matrices[name] for name in behaviors}
        held_out = dict(self.held_out)
        if validation == "none":
            given_back = held_out["validation"]
            matrices[self.target_behavior] = _with(self.target, given_back)
            held_out["validation"] = given_back[:0]
        protocol = protocol or self.protocol
        if protocol == "strict":
            pairs = np.concatenate(list(held_out.values()))
            matrices = {name: leakage.without(matrix, pairs) for name, matrix in matrices.items()}
        return dataclasses.replace(self, matrices=matrices, held_out=held_out, protocol=protocol)


def _pairs(events: Events, chosen: np.ndarray) -> np.ndarray:
    pairs = np.stack([events.user[chosen], events.item[chosen]], axis=1).astype(np.int32)
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def _with(matrix: sparse.csr_array, pairs: np.ndarray) -> sparse.csr_array:
    added = leakage.pair_keys(pairs[:, 0], pairs[:, 1], matrix.shape[1])
    return leakage.matrix_of(np.concatenate([leakage.matrix_keys(matrix), added]), matrix.shape)


def fingerprint(events: Events, split: np.ndarray) -> str:
    """sha256 of vocabularies, behaviors, rows and splits: equal exactly where the data is."""
    digest = hashlib.sha256(repr(events.behaviors).encode())
    for ids in (events.users, events.items):
        digest.update(ids.tobytes() if ids.dtype != object else "\n".join(ids).encode())
        digest.update(b"\0")
    for column in (events.user, events.item, events.behavior, split):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
