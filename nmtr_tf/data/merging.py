"""The first step of preparation: repeated rows merge into the earliest, and all are sorted.

Numbers that have all of a row but its time are sorted, which is several times as fast as a database's
grouping and sorting, and takes no more memory than the rows.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from nmtr_tf.data.events import Events
from nmtr_tf.data.numbering import counts

BLOCK_ROWS = 1 << 21
"""Rows that are sorted at once, few enough for what is made of them on the way to stay in the caches."""
PART_ROWS = 8 * BLOCK_ROWS
"""Rows of which blocks are taken: of the whole log that would cost the square of its length."""


def merge_duplicates(events: Events) -> dict[str, np.ndarray]:
    """Merges the rows of a (user, item, behavior, held out) into the earliest.

    Returns:
        "user" and "item", int32, "behavior", and "heldout" and "time" where the events have them: each
        [num_distinct], sorted by user, item, behavior and held out.
    """
    columns, num_users = columns_of(events), len(events.users)
    kinds = {name: np.int32 if name in ("user", "item") else column.dtype for name, column in columns.items()}
    # What duplicates leave empty at the end is never touched, so that it takes no memory.
    merged = {name: np.empty(len(events), kind) for name, kind in kinds.items()}
    packing = _Packing.of(events)
    ends = np.cumsum(counts(events.user, num_users))
    count = 0
    for users in _ranges(ends, (0, num_users), PART_ROWS, num_users):
        part = _of_users(columns, users)
        for few in _ranges(ends, users, BLOCK_ROWS, packing.max_users):
            block = _merge_block(_of_users(part, few), packing, few[0])
            end = count + len(block["user"])
            for name, column in merged.items():
                column[count:end] = block[name]
            count = end
    return {name: column[:count] for name, column in merged.items()}


def columns_of(events: Events) -> dict[str, np.ndarray]:
    """The columns that events have, by the names that preparation gives them."""
    columns = {
        "user": events.user,
        "item": events.item,
        "behavior": events.behavior,
        "heldout": events.heldout,
        "time": events.timestamp,
    }
    return {name: column for name, column in columns.items() if column is not None}


@dataclasses.dataclass(frozen=True)
class _Packing:
    """How all of a row but its time is a number, in the order of rows: the bits of item and of behavior."""

    item: int
    behavior: int

    @classmethod
    def of(cls, events: Events) -> "_Packing":
        return cls(max(len(events.items) - 1, 0).bit_length(), (len(events.behaviors) - 1).bit_length())

    @property
    def max_users(self) -> int:
        """Users that fit: 2**26 at the least, with 2**31 items and 2**5 behaviors."""
        return 1 << (63 - self.item - self.behavior - 1)

    def pack(self, columns: Mapping[str, np.ndarray], first: int) -> np.ndarray:
        keys = columns["user"].astype(np.int64)
        keys -= first
        for name, bits in (("item", self.item), ("behavior", self.behavior)):
            keys <<= bits
            keys |= columns[name]
        keys <<= 1
        if "heldout" in columns:
            keys |= columns["heldout"]
        return keys

    def unpack(self, keys: np.ndarray, first: int) -> dict[str, np.ndarray]:
        heldout, keys = (keys & 1).astype(bool), keys >> 1
        behavior, keys = keys & ((1 << self.behavior) - 1), keys >> self.behavior
        item, keys = keys & ((1 << self.item) - 1), keys >> self.item
        return {"user": keys + first, "item": item, "behavior": behavior, "heldout": heldout}


def _ranges(
    ends: np.ndarray, users: tuple[int, int], num_rows: int, max_users: int
) -> Iterator[tuple[int, int]]:
    """Cuts a range of users into ranges with about `num_rows` rows each; a user's rows stay together.

    Args:
        ends: Rows up to and with each user, int64 [num_users].
        users: The first, and the one after the last.
        num_rows: At most, unless one user has more.
        max_users: At most.
    """
    first, end = users
    while first < end:
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + num_rows, side="right"))
        last = min(max(last, first + 1), first + max_users, end)
        yield first, last
        first = last


def _of_users(columns: Mapping[str, np.ndarray], users: tuple[int, int]) -> Mapping[str, np.ndarray]:
    """The rows of a range of users."""
    user = columns["user"]
    chosen = np.flatnonzero((user >= users[0]) & (user < users[1]))
    if len(chosen) == len(user):
        return columns
    return {name: column[chosen] for name, column in columns.items()}


def _merge_block(columns: Mapping[str, np.ndarray], packing: _Packing, first: int) -> dict[str, np.ndarray]:
    """The distinct rows, sorted, of users from `first` on."""
    keys = packing.pack(columns, first)
    if "time" in columns:
        order = np.argsort(keys)
        keys, time = keys[order], columns["time"][order]
    else:
        keys.sort()
    is_new = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
    starts = np.flatnonzero(is_new)
    merged = packing.unpack(keys[starts], first)
    if "time" in columns:
        merged["time"] = np.minimum.reduceat(time, starts) if len(starts) < len(keys) else time
    return merged
