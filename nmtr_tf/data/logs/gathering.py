"""Gathers the kept rows of all batches into `Events`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.data.events import Events
from nmtr_tf.errors import InputError


class Ids:
    """Ids of one kind, as codes into the distinct ids of their batches until all are known."""

    def __init__(self) -> None:
        self._values: list[pa.Array] = []
        self._codes: list[np.ndarray] = []
        self._offset = 0

    def add(self, values: pa.Array, codes: np.ndarray) -> None:
        """Adds rows.

        Args:
            values: Distinct ids of a batch, int64 or string.
            codes: Integers [rows], positions in `values`.
        """
        self._codes.append(codes + np.int32(self._offset))
        self._values.append(values)
        self._offset += len(values)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers the ids, after which the rows are gone.

        Returns:
            The sorted ids that occur, int64 [num_ids] where all are integers, else str (object), and
            int32 [rows], the position of each row's id among them.
        """
        codes, self._codes = np.concatenate(self._codes), []
        values, self._values = pa.chunked_array(self._values), []
        occurs = np.zeros(len(values), bool)
        occurs[codes] = True
        ids = values.filter(pa.array(occurs)).unique()
        keys = ids
        if pa.types.is_string(ids.type):
            integer = pc.match_substring_regex(ids, r"^(0|-?[1-9][0-9]{0,17})$")
            keys = ids.cast(pa.int64()) if pc.all(integer).as_py() else ids
        order = pc.sort_indices(keys)
        rank = pc.index_in(values, value_set=ids.take(order)).fill_null(-1).to_numpy()
        return keys.take(order).to_numpy(zero_copy_only=False), rank[codes]


class EventGatherer:
    """Events in the making."""

    def __init__(self, behaviors: tuple[str, ...], split: bool):
        """Starts without rows; `behaviors` are weakest first, `split` logs have held-out rows."""
        self._behaviors, self._split = behaviors, split
        self._users, self._items = Ids(), Ids()
        self._behavior = [np.zeros(0, np.int8)]
        self._heldout = [np.zeros(0, bool)]
        self._times: list[np.ndarray | None] = []

    def add(
        self,
        users: tuple[pa.Array, np.ndarray],
        items: tuple[pa.Array, np.ndarray],
        behavior: np.ndarray,
        times: np.ndarray | None,
        heldout: bool,
    ) -> None:
        """Adds rows of one file.

        Args:
            users: Distinct ids, int64 or string, and integers [rows], positions in them.
            items: Likewise.
            behavior: int8 [rows], positions in the behaviors.
            times: int64 [rows], milliseconds since 1970-01-01 UTC, or None where there are none.
            heldout: The rows are held-out ones.
        """
        self._users.add(*users)
        self._items.add(*items)
        self._behavior.append(behavior)
        self._heldout.append(np.full(len(behavior), heldout))
        self._times.append(times)

    def finish(self, rows_read: int) -> Events:
        """Returns the events, after which the gatherer is empty.

        Args:
            rows_read: How many rows there were at first, for messages.

        Raises:
            InputError: A behavior or the held-out part is without rows, or some files are without times.
        """
        behavior, heldout = np.concatenate(self._behavior), np.concatenate(self._heldout)
        if not len(behavior):
            raise InputError(f"no rows left of {rows_read} read")
        counts = np.bincount(behavior[~heldout], minlength=len(self._behaviors))
        for name, count in zip(self._behaviors, counts, strict=True):
            if not count:
                raise InputError(f"behavior {name!r}: no rows left of {rows_read} read")
        if self._split and not heldout.any():
            raise InputError("`heldout`: no rows left")
        times = [batch for batch in self._times if batch is not None]
        if times and len(times) < len(self._times):
            raise InputError("only some of the files have times")
        users, user = self._users.finish()
        items, item = self._items.finish()
        return Events(
            users=users,
            items=items,
            behaviors=self._behaviors,
            user=user,
            item=item,
            behavior=behavior,
            timestamp=np.concatenate(times) if times else None,
            heldout=heldout if self._split else None,
        )
