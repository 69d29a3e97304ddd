"""The steps of preparation that take rows away, and their report."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nmtr_tf.data.dropped import DroppedUsers
from nmtr_tf.data.events import Events
from nmtr_tf.data.merging import columns_of, merge_duplicates
from nmtr_tf.data.numbering import close_gaps, counts, of_rows, present
from nmtr_tf.errors import InputError
from nmtr_tf.texts import counted

_TRAINED = "held-out pairs that are training purchases"
_ALONE = "held-out users without training rows"


class Rows:
    """The rows that are left, as columns: user, item, behavior, and heldout and time where there are any.

    Args:
        events: The log. It is read once, by `merge_duplicates`.
        cut: The time before which rows count for the filters; None: all do.

    Attributes:
        report: What each step removed.
    """

    def __init__(self, events: Events, cut: int | None = None):
        self.report: list[dict[str, Any]] = []
        self._events, self._cut = events, cut
        self._target = len(events.behaviors) - 1
        self._sizes = {"user": len(events.users), "item": len(events.items)}
        self._columns: dict[str, np.ndarray] = columns_of(events)
        self._gone: list[tuple[str, np.ndarray]] = []
        self._users, self._left = self._counted()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._columns["user"])

    def merge_duplicates(self, release: bool = False) -> None:
        """Merges the rows of a (user, item, behavior, held out) into the earliest, and sorts them.

        Args:
            release: The log gives its rows up then: see `Events.release`.
        """
        self._columns = merge_duplicates(self._events)
        if release:
            self._events.release()
        self._note("duplicates merged")

    def check_held_out(self, on_bad_rows: str) -> None:
        """Looks for held-out rows that are training purchases too, or whose users have no training rows.

        Raises:
            InputError: If there are any, unless `on_bad_rows` is "skip": then they go.
        """
        if "heldout" not in self._columns:
            return
        user, item, heldout = (self._columns[name] for name in ("user", "item", "heldout"))
        trained = np.zeros(len(self), bool)  # Rows are sorted: a training purchase stands just before.
        same = (user[1:] == user[:-1]) & (item[1:] == item[:-1]) & ~heldout[:-1]
        trained[1:] = heldout[1:] & same & (self._columns["behavior"][:-1] == self._target)
        alone = heldout & ~trained & ~of_rows(present(user[~heldout], self._sizes["user"]), user)
        kinds = {kind: bad for kind, bad in ((_TRAINED, trained), (_ALONE, alone)) if bad.any()}
        if kinds and on_bad_rows == "error":
            kind, bad = next(iter(kinds.items()))
            first = np.flatnonzero(bad)[0]
            pair = f"user {self._events.users[user[first]]}, item {self._events.items[item[first]]}"
            raise InputError(
                f"The held-out file has {counted(int(bad.sum()), 'row')} of the kind '{kind}', "
                f"the first: {pair}. "
                "Expected new items of users with training rows (`on_bad_rows=skip` drops the others)."
            )
        if kinds:
            self._keep(~(trained | alone))
            self._note("bad held-out rows")

    def filter(self, min_behaviors: int, min_target: int, k_core: int) -> None:
        """Takes users and items with too few rows out, as `PrepareOptions` asks."""
        if min_behaviors > 1:
            shown = np.zeros(self._sizes["user"], np.int16)
            for code in range(self._target + 1):
                shown += present(self._columns["user"][self._counting(code)], len(shown))
            self._keep(of_rows(shown >= min_behaviors, self._columns["user"]))
            self._note(f"users with fewer than {min_behaviors} kinds of behavior")
        if min_target > 0:
            self._keep(self._with_target_rows("user", min_target))
            self._note(f"users with fewer than {min_target} target rows")
        if k_core > 0:
            while self._keep(self._with_target_rows("user", k_core) & self._with_target_rows("item", k_core)):
                pass
            self._note(f"{k_core}-core of the target")

    def keep_known(self, step: str) -> None:
        """Takes out what comes after the cut of users and items that have no row before it."""
        if self._keep(self._known("user") & self._known("item")):
            self._note(step)

    def later(self) -> dict[str, int]:
        """What comes after the cut: target rows, and those of users and items that have rows before it."""
        later = ~self._before()
        of_target = later & (self._columns["behavior"] == self._target)
        known_user, known_item = self._known("user"), self._known("item")
        return {
            "target_rows": int(of_target.sum()),
            "target_users": self._distinct("user", of_target),
            "of_known_users": int((of_target & known_user).sum()),
            "of_known_items": int((of_target & known_item).sum()),
            "unseen_users": self._distinct("user", later & ~known_user),
            "unseen_items": self._distinct("item", later & ~known_item),
        }

    def _before(self) -> np.ndarray:
        """Which rows count for the filters, bool."""
        return np.ones(len(self), bool) if self._cut is None else self._columns["time"] < self._cut

    def _counting(self, behavior: int) -> np.ndarray:
        """Which rows of a behavior count for the filters, bool."""
        chosen = self._columns["behavior"] == behavior
        return chosen if self._cut is None else chosen & self._before()

    def _with_target_rows(self, role: str, least: int) -> np.ndarray:
        """Which rows are of a user, or an item, with so many target rows that count, bool."""
        column = self._columns[role]
        enough = counts(column[self._counting(self._target)], self._sizes[role]) >= least
        return of_rows(enough, column)

    def _known(self, role: str) -> np.ndarray:
        """Which rows are of a user, or an item, with rows before the cut, bool."""
        column = self._columns[role]
        return of_rows(present(column[self._before()], self._sizes[role]), column)

    def _distinct(self, role: str, chosen: np.ndarray) -> int:
        return int(present(self._columns[role][chosen], self._sizes[role]).sum())

    def _keep(self, chosen: np.ndarray) -> int:
        """Keeps the rows that are chosen, bool; returns how many went."""
        gone = len(chosen) - int(np.count_nonzero(chosen))
        if gone:
            for name in self._columns:  # One after the other, so that but one is there twice.
                self._columns[name] = self._columns[name][chosen]
        return gone

    def _counted(self) -> tuple[np.ndarray, dict[str, int]]:
        """Which users have rows, and how many users, items and rows there are."""
        users, items = (present(self._columns[role], size) for role, size in self._sizes.items())
        return users, {"users": int(users.sum()), "items": int(items.sum()), "rows": len(self)}

    def _note(self, step: str) -> None:
        users, left = self._counted()
        removed = {what: self._left[what] - left[what] for what in left}
        self.report.append({"filter": step, **removed})
        if len(gone := np.flatnonzero(self._users & ~users)):
            self._gone.append((step, gone))
        self._users, self._left = users, left

    @property
    def dropped(self) -> DroppedUsers:
        """The users without rows, and the step that took their last."""
        gone = [rows for _, rows in self._gone]
        rows = np.concatenate([*gone, np.zeros(0, np.int64)])
        steps = np.repeat(np.arange(len(gone), dtype=np.int32), list(map(len, gone)))
        return DroppedUsers(self._events.users[rows], steps, tuple(step for step, _ in self._gone))

    def number(self) -> tuple[Mapping[str, np.ndarray], np.ndarray, np.ndarray]:
        """The rows that are left, with users and items numbered without gaps; and which ones these are.

        Returns:
            The columns, and the numbers that users and items had in the log: int64 [num_users], [num_items].
        """
        users, items = (close_gaps(self._columns[role], size) for role, size in self._sizes.items())
        return self._columns, users, items
