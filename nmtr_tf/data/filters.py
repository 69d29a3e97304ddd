"""The steps of preparation that take rows away, and their report."""

import dataclasses
from typing import Any

import numpy as np

from nmtr_tf.data.dropped import DroppedUsers
from nmtr_tf.data.events import Events
from nmtr_tf.errors import InputError


class Rows:
    """The rows that are left, and the report of what was removed."""

    def __init__(self, events: Events):
        self.events = events
        self.index = np.arange(len(events))
        self.report: list[dict[str, Any]] = []
        self._users = self._present("user")
        self._gone: list[tuple[str, np.ndarray]] = []
        self._left = self._counts()

    def keep(self, index: np.ndarray, name: str) -> None:
        """Keeps the rows `index` (positions in the events) and reports what went."""
        self.index = index
        left = self._counts()
        removed = {what: self._left[what] - left[what] for what in left}
        self.report.append({"filter": name, **removed})
        self._left = left
        users = self._present("user")
        if len(gone := np.flatnonzero(self._users & ~users)):
            self._gone.append((name, gone))
        self._users = users

    @property
    def dropped(self) -> DroppedUsers:
        """The users without rows, and the step that took their last."""
        gone = [rows for _, rows in self._gone]
        rows = np.concatenate([*gone, np.zeros(0, np.int64)])
        steps = np.repeat(np.arange(len(gone), dtype=np.int32), list(map(len, gone)))
        return DroppedUsers(self.events.users[rows], steps, tuple(name for name, _ in self._gone))

    def column(self, name: str) -> np.ndarray:
        """A column of the events, of the rows that are left."""
        return getattr(self.events, name)[self.index]

    def target_rows(self) -> np.ndarray:
        """Which of the rows that are left are of the target, bool."""
        return self.column("behavior") == len(self.events.behaviors) - 1

    def _present(self, name: str) -> np.ndarray:
        """Which users or items have rows that are left, bool."""
        number = len(getattr(self.events, f"{name}s"))
        return np.bincount(self.column(name), minlength=number) > 0

    def _counts(self) -> dict[str, int]:
        users = int(np.count_nonzero(self._present("user")))
        items = int(np.count_nonzero(self._present("item")))
        return {"users": users, "items": items, "rows": len(self.index)}

    def compacted(self) -> Events:
        """The events that are left, with vocabularies of just their ids."""
        users, user = np.unique(self.column("user"), return_inverse=True)
        items, item = np.unique(self.column("item"), return_inverse=True)
        return dataclasses.replace(
            self.events,
            users=self.events.users[users],
            items=self.events.items[items],
            user=user.astype(np.int32),
            item=item.astype(np.int32),
            behavior=self.column("behavior"),
            timestamp=None if self.events.timestamp is None else self.column("timestamp"),
            heldout=None if self.events.heldout is None else self.column("heldout"),
        )


def first_of_duplicates(events: Events) -> np.ndarray:
    """Positions of the earliest row of every (user, item, behavior, held out), in that order."""
    num_behaviors = len(events.behaviors)
    key = (events.user.astype(np.int64) * len(events.items) + events.item) * num_behaviors + events.behavior
    if events.heldout is not None:
        key = key * 2 + events.heldout
    order = (
        np.argsort(key, kind="stable") if events.timestamp is None else np.lexsort((events.timestamp, key))
    )
    key = key[order]
    return order[np.concatenate([[True], key[1:] != key[:-1]])] if len(key) else order


def check_held_out(rows: Rows, on_bad_rows: str) -> None:
    """Looks for held-out rows that are training purchases too, are not alone, or have no training rows.

    Raises:
        InputError: If there are any, unless `on_bad_rows` is "skip": then they go.
    """
    user, item, held_out = rows.column("user"), rows.column("item"), rows.column("heldout")
    target = rows.target_rows()
    same = np.zeros(len(user), bool)  # a held-out row sorts right behind its training twin
    same[1:] = (user[1:] == user[:-1]) & (item[1:] == item[:-1]) & held_out[1:] & target[:-1]
    trained = np.zeros(len(rows.events.users), bool)
    trained[user[~held_out]] = True
    first = np.zeros(len(user), bool)
    position = np.flatnonzero(held_out & ~same)
    first[position[np.unique(user[position], return_index=True)[1]]] = True
    problems = {
        "held-out pairs that are training purchases": same,
        "held-out users without training rows": held_out & ~trained[user],
        "second held-out rows of a user": held_out & ~same & ~first,
    }
    for name, bad in problems.items():
        if bad.any() and on_bad_rows == "error":
            row = np.flatnonzero(bad)[0]
            raise InputError(
                f"The held-out file has {int(bad.sum())} rows of the kind '{name}', the first: user "
                f"{rows.events.users[user[row]]}, item {rows.events.items[item[row]]}. Expected one new item "
                "for each user with training rows (`on_bad_rows=skip` drops the others)."
            )
    bad = np.logical_or.reduce(list(problems.values()))
    if bad.any():
        rows.keep(rows.index[~bad], "bad held-out rows")


def filter_rows(rows: Rows, min_behaviors: int, min_target: int, k_core: int) -> None:
    """Takes users and items with too few rows out, as `PrepareOptions` asks."""
    num_users, num_items = len(rows.events.users), len(rows.events.items)
    if min_behaviors > 1:
        num_behaviors = len(rows.events.behaviors)
        shown = np.unique(rows.column("user").astype(np.int64) * num_behaviors + rows.column("behavior"))
        kinds = np.bincount(shown // num_behaviors, minlength=num_users)
        kept = rows.index[kinds[rows.column("user")] >= min_behaviors]
        rows.keep(kept, f"users with fewer than {min_behaviors} kinds of behavior")
    if min_target > 0:
        target = np.bincount(rows.column("user")[rows.target_rows()], minlength=num_users)
        kept = rows.index[target[rows.column("user")] >= min_target]
        rows.keep(kept, f"users with fewer than {min_target} target rows")
    if k_core > 0:
        index = rows.index
        while True:
            target = rows.events.behavior[index] == len(rows.events.behaviors) - 1
            user, item = rows.events.user[index], rows.events.item[index]
            of_user = np.bincount(user[target], minlength=num_users)[user]
            of_item = np.bincount(item[target], minlength=num_items)[item]
            kept = index[(of_user >= k_core) & (of_item >= k_core)]
            if len(kept) == len(index):
                break
            index = kept
        rows.keep(index, f"{k_core}-core of the target")
