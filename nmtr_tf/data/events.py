"""The canonical event table that every reader produces and preparation consumes."""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from nmtr_tf.errors import InputError

SPLITS = ("train", "validation", "test")
"""What an event of a prepared log is for."""

MAX_BEHAVIORS = 31
"""What a user did with an item is an int32, with a bit for each behavior; the sign is none."""


@dataclasses.dataclass(frozen=True)
class Events:
    """A multi-behavior log: one row per event, ids as rows of two sorted vocabularies.

    Attributes:
        users: Raw user ids: where all are whole numbers, int64 [num_users] in numeric order, else str
            (object) [num_users] in code-point order. Every id occurs in at least one row.
        items: Raw item ids, int64 or str (object) [num_items], likewise.
        behaviors: Names of the behaviors, weakest first; the last is the target.
        user: int32 [num_events], rows of `users`.
        item: int32 [num_events], rows of `items`.
        behavior: int8 [num_events], positions in `behaviors`.
        timestamp: int64 [num_events], `time_unit`s since 1970-01-01 UTC, or None where the source
            has no times.
        heldout: bool [num_events], True for the target rows that a source which comes split holds
            out for testing; None where this project does the splitting.
        time_unit: "ms", or "us" or "ns" where milliseconds do not hold the times; "order": they only order.
        origin: Where the events were read, and what reading left out: plain values for dataset.json.

    Raises:
        InputError: If there are more than `MAX_BEHAVIORS` behaviors.
    """

    users: np.ndarray
    items: np.ndarray
    behaviors: tuple[str, ...]
    user: np.ndarray
    item: np.ndarray
    behavior: np.ndarray
    timestamp: np.ndarray | None = None
    heldout: np.ndarray | None = None
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    time_unit: str = "ms"

    def __post_init__(self):
        check_number(self.behaviors)

    def __len__(self) -> int:
        """Number of events."""
        return len(self.user)

    @property
    def target_behavior(self) -> str:
        """The behavior to recommend for: the last one."""
        return self.behaviors[-1]

    def release(self) -> None:
        """Lets go of the rows, whoever holds these events: what is left has its vocabularies and no rows.

        For a log that is used once: it and what is made of it need not be in memory together.
        """
        for name in ("user", "item", "behavior", "timestamp", "heldout"):
            if (column := getattr(self, name)) is not None:
                object.__setattr__(self, name, column[:0].copy())


def check_number(behaviors: Collection[str]) -> None:
    """Raises InputError where there are more behaviors than there may be."""
    if len(behaviors) > MAX_BEHAVIORS:
        raise InputError(
            f"`behaviors` should be {MAX_BEHAVIORS} names at most. Received: {len(behaviors)}; leave out or "
            "unite some of them."
        )


def fingerprint(events: Events, split: np.ndarray) -> str:
    """sha256 of vocabularies, behaviors, rows, splits and times: equal exactly where the data is."""
    digest = hashlib.sha256(repr(events.behaviors).encode())
    for ids in (events.users, events.items):
        digest.update(np.ascontiguousarray(ids).data if ids.dtype != object else "\n".join(ids).encode())
        digest.update(b"\0")
    for column in (events.user, events.item, events.behavior, split):
        digest.update(np.ascontiguousarray(column).data)  # its own memory, no copy
    if events.timestamp is not None:  # data without has the fingerprint that it always had
        digest.update(events.time_unit.encode())
        digest.update(np.ascontiguousarray(events.timestamp, np.int64).data)
    return digest.hexdigest()
