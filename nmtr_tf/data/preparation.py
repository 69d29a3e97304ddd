"""Preparation of a log as in Section IV-A: de-duplicate, filter, hold out.

The order is fixed: (1) duplicates of (user, item, behavior) merge into the earliest; (2) users with
fewer than `min_behaviors` kinds of behavior go; (3) users with fewer than `min_target` target rows go;
(4) k-core: users and items with fewer than `k_core` target rows go, again and again until none is
left; (5) leave-one-out on the target; (6) one validation purchase per user.
"""

import dataclasses
from typing import Any

import numpy as np

from nmtr_tf.data.events import Events
from nmtr_tf.data.interactions import SPLITS
from nmtr_tf.errors import InputError

TRAIN, VALIDATION, TEST = range(len(SPLITS))


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """Filters and seed.

    Attributes:
        min_behaviors: Kinds of behavior a user must have shown.
        min_target: Target rows a user must have, the held-out one included.
        k_core: Target rows that every user and every item must have; 0: no such filter.
        seed: Of the choice among equally late purchases and of the validation purchases.
        on_bad_rows: "error", or "skip": drop held-out rows that contradict the training rows.
    """

    min_behaviors: int = 1
    min_target: int = 0
    k_core: int = 0
    seed: int = 0
    on_bad_rows: str = "error"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared log.

    Attributes:
        events: Distinct events sorted by (user, item, behavior), ids re-numbered without gaps.
        split: int8 [num_events], positions in `SPLITS`.
        filters: What each step removed: {"filter", "users", "items", "rows"} in order.
    """

    events: Events
    split: np.ndarray
    filters: list[dict[str, Any]]

    def table_one(self) -> dict[str, int]:
        """The data set's row of Table I: users, items, rows per behavior, target first, held-out included."""
        row = {"users": len(self.events.users), "items": len(self.events.items)}
        counts = np.bincount(self.events.behavior, minlength=len(self.events.behaviors))
        return row | {name: int(counts[i]) for i, name in reversed([*enumerate(self.events.behaviors)])}


def prepare(events: Events, options: PrepareOptions) -> Prepared:
    """Runs the steps above.

    Raises:
        InputError: If nothing is left, or a held-out row contradicts the training rows.
    """
    rows = _Rows(events)
    rows.keep(_first_of_duplicates(events), "duplicates merged")
    if events.heldout is not None:
        _check_held_out(rows, options.on_bad_rows)
    _filter(rows, options)
    if not len(rows.index):
        raise InputError("No rows are left after the filters; relax them or look at the log.")
    kept = rows.compacted()
    generator = np.random.default_rng(options.seed)
    split = np.zeros(len(kept), np.int8)
    target = kept.behavior == len(kept.behaviors) - 1
    if kept.heldout is not None:
        split[kept.heldout] = TEST
    else:
        split[_one_per_user(kept.user, target, kept.timestamp, generator)] = TEST
    split[_one_per_user(kept.user, target & (split == TRAIN), None, generator)] = VALIDATION
    if not (split == TEST).any():
        raise InputError(
            f"No user has two {kept.target_behavior!r} rows, so none can be held out for testing; "
            "expected the last of --behaviors to be a behavior that users repeat."
        )
    return Prepared(dataclasses.replace(kept, heldout=None), split, rows.report)


class _Rows:
    """The rows that are left, and the report of what was removed."""

    def __init__(self, events: Events):
        self.events = events
        self.index = np.arange(len(events))
        self.report: list[dict[str, Any]] = []
        self._left = self._counts()

    def keep(self, index: np.ndarray, name: str) -> None:
        """Keeps the rows `index` (positions in the events) and reports what went."""
        self.index = index
        left = self._counts()
        removed = {what: self._left[what] - left[what] for what in left}
        self.report.append({"filter": name, **removed})
        self._left = left

    def column(self, name: str) -> np.ndarray:
        return getattr(self.events, name)[self.index]

    def target_rows(self) -> np.ndarray:
        return self.column("behavior") == len(self.events.behaviors) - 1

    def _counts(self) -> dict[str, int]:
        users = int(np.count_nonzero(np.bincount(self.column("user"))))
        items = int(np.count_nonzero(np.bincount(self.column("item"))))
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


def _first_of_duplicates(events: Events) -> np.ndarray:
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


def _check_held_out(rows: _Rows, on_bad_rows: str) -> None:
    """Held-out rows that are training purchases too, are not alone, or have no training rows."""
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
                "for each user with training rows (--on_bad_rows=skip drops the others)."
            )
    bad = np.logical_or.reduce(list(problems.values()))
    if bad.any():
        rows.keep(rows.index[~bad], "bad held-out rows")


def _filter(rows: _Rows, options: PrepareOptions) -> None:
    num_users, num_items = len(rows.events.users), len(rows.events.items)
    if options.min_behaviors > 1:
        num_behaviors = len(rows.events.behaviors)
        shown = np.unique(rows.column("user").astype(np.int64) * num_behaviors + rows.column("behavior"))
        kinds = np.bincount(shown // num_behaviors, minlength=num_users)
        kept = rows.index[kinds[rows.column("user")] >= options.min_behaviors]
        rows.keep(kept, f"users with fewer than {options.min_behaviors} kinds of behavior")
    if options.min_target > 0:
        target = np.bincount(rows.column("user")[rows.target_rows()], minlength=num_users)
        kept = rows.index[target[rows.column("user")] >= options.min_target]
        rows.keep(kept, f"users with fewer than {options.min_target} target rows")
    if options.k_core > 0:
        index = rows.index
        while True:
            target = rows.events.behavior[index] == len(rows.events.behaviors) - 1
            user, item = rows.events.user[index], rows.events.item[index]
            of_user = np.bincount(user[target], minlength=num_users)[user]
            of_item = np.bincount(item[target], minlength=num_items)[item]
            kept = index[(of_user >= options.k_core) & (of_item >= options.k_core)]
            if len(kept) == len(index):
                break
            index = kept
        rows.keep(index, f"{options.k_core}-core of the target")


def _one_per_user(
    user: np.ndarray, candidates: np.ndarray, timestamp: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Positions of the latest candidate row of every user with two or more; ties are broken at random."""
    position = np.flatnonzero(candidates)
    keys = [generator.random(len(position)), user[position]]
    if timestamp is not None:
        keys.insert(1, timestamp[position])
    position = position[np.lexsort(keys)]
    owner = user[position]
    last = np.concatenate([owner[1:] != owner[:-1], [True]]) if len(owner) else np.zeros(0, bool)
    return position[last & (np.bincount(owner)[owner] >= 2)] if len(owner) else position
