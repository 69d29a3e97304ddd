"""The steps of preparation that take rows away, as SQL on the table `kept`, and their report."""

from typing import Any

import numpy as np

from nmtr_tf.data import sql
from nmtr_tf.data.dropped import DroppedUsers
from nmtr_tf.data.events import Events
from nmtr_tf.errors import InputError


class Rows:
    """The rows that are left, in the table `kept`: "user", item, behavior, time and heldout.

    Args:
        connection: Database to work in.
        events: The log.
        cut: The time before which rows count for the filters; None: all do.

    Attributes:
        report: What each step removed.
    """

    def __init__(self, connection: sql.Connection, events: Events, cut: int | None = None):
        self.report: list[dict[str, Any]] = []
        self._sql, self._events = connection, events
        self._target = len(events.behaviors) - 1
        self._counts_for_filters = "true" if cut is None else f"time < {cut}"
        columns = {"user": events.user, "item": events.item, "behavior": events.behavior}
        if events.timestamp is not None:
            columns["time"] = events.timestamp
        if events.heldout is not None:
            columns["heldout"] = events.heldout
        connection.register("events", columns)
        self._columns = [column for column in ("time", "heldout") if column in columns]
        self._users = self._present("events")
        self._gone: list[tuple[str, np.ndarray]] = []
        self._left = self._counts("events")

    def merge_duplicates(self) -> None:
        """Merges the rows of a (user, item, behavior, held out) into the earliest."""
        columns = ", ".join("min(time) AS time" if name == "time" else name for name in self._columns)
        self._sql.execute(f"""
            CREATE TABLE kept AS
            SELECT "user", item, behavior{columns and ", " + columns} FROM events GROUP BY ALL""")
        self._sql.unregister("events")
        self._note("duplicates merged")

    def check_held_out(self, on_bad_rows: str) -> None:
        """Looks for held-out rows that are training purchases too, or whose users have no training rows.

        Raises:
            InputError: If there are any, unless `on_bad_rows` is "skip": then they go.
        """
        if self._events.heldout is None:
            return
        self._sql.execute(f"""
            CREATE TABLE contradicting AS
            WITH marked AS (
                SELECT "user", item, heldout,
                    EXISTS (FROM kept AS same WHERE same.user = kept.user AND same.item = kept.item
                        AND same.behavior = {self._target} AND NOT same.heldout) AS is_trained,
                    EXISTS (FROM kept AS same WHERE same.user = kept.user AND NOT same.heldout) AS has_rows
                FROM kept WHERE heldout)
            SELECT "user", item, CASE
                WHEN is_trained THEN 'held-out pairs that are training purchases'
                WHEN NOT has_rows THEN 'held-out users without training rows' END AS kind
            FROM marked WHERE is_trained OR NOT has_rows""")
        kinds = sql.rows(self._sql, "SELECT kind, count(*) FROM contradicting GROUP BY kind ORDER BY kind")
        if kinds and on_bad_rows == "error":
            kind, count = kinds[0]
            first = f"""SELECT "user", item FROM contradicting WHERE kind = '{kind}' ORDER BY ALL LIMIT 1"""
            user, item = sql.rows(self._sql, first)[0]
            raise InputError(
                f"The held-out file has {count} rows of the kind '{kind}', the first: user "
                f"{self._events.users[user]}, item {self._events.items[item]}. Expected new items of "
                "users with training rows (`on_bad_rows=skip` drops the others)."
            )
        if kinds:
            self._keep('NOT heldout OR ("user", item) NOT IN (SELECT ("user", item) FROM contradicting)')
            self._note("bad held-out rows")

    def filter(self, min_behaviors: int, min_target: int, k_core: int) -> None:
        """Takes users and items with too few rows out, as `PrepareOptions` asks."""
        before = self._counts_for_filters
        target_rows = f"FROM kept WHERE behavior = {self._target} AND {before}"
        of_target = f"SELECT {{role}} {target_rows} GROUP BY ALL HAVING count(*) >= {{least}}"
        if min_behaviors > 1:
            of_user = f'SELECT "user" FROM kept WHERE {before} GROUP BY ALL'
            self._keep(f'"user" IN ({of_user} HAVING count(DISTINCT behavior) >= {min_behaviors})')
            self._note(f"users with fewer than {min_behaviors} kinds of behavior")
        if min_target > 0:
            self._keep(f'"user" IN ({of_target.format(role=sql.name("user"), least=min_target)})')
            self._note(f"users with fewer than {min_target} target rows")
        if k_core > 0:
            users, items = (of_target.format(role=sql.name(role), least=k_core) for role in ("user", "item"))
            while self._keep(f'"user" IN ({users}) AND item IN ({items})'):
                pass
            self._note(f"{k_core}-core of the target")

    def keep_known(self, step: str) -> None:
        """Takes out what comes after the cut of users and items that have no row before it."""
        users, items = (
            f"{role} IN (SELECT {role} FROM kept WHERE {self._counts_for_filters})"
            for role in (sql.name("user"), sql.name("item"))
        )
        if self._keep(f"{users} AND {items}"):
            self._note(step)

    def later(self) -> dict[str, int]:
        """What comes after the cut: target rows, and those of users and items that have rows before it."""
        before = self._counts_for_filters
        query = f"""
            WITH known AS (
                SELECT *, bool_or({before}) OVER (PARTITION BY "user") AS known_user,
                    bool_or({before}) OVER (PARTITION BY item) AS known_item
                FROM kept)
            SELECT count(*) FILTER (is_target) AS target_rows,
                count(DISTINCT "user") FILTER (is_target) AS target_users,
                count(*) FILTER (is_target AND known_user) AS of_known_users,
                count(*) FILTER (is_target AND known_item) AS of_known_items,
                count(DISTINCT "user") FILTER (NOT known_user) AS unseen_users,
                count(DISTINCT item) FILTER (NOT known_item) AS unseen_items
            FROM (SELECT *, behavior = {self._target} AS is_target FROM known WHERE NOT ({before}))"""
        return {name: int(column[0]) for name, column in sql.arrays(self._sql, query).items()}

    def _keep(self, condition: str) -> int:
        """Keeps the rows of a condition; returns how many went."""
        before = sql.value(self._sql, "SELECT count(*) FROM kept")
        self._sql.execute(f"CREATE OR REPLACE TABLE kept AS SELECT * FROM kept WHERE {condition}")
        return before - sql.value(self._sql, "SELECT count(*) FROM kept")

    def _note(self, step: str) -> None:
        left = self._counts("kept")
        removed = {what: self._left[what] - left[what] for what in left}
        self.report.append({"filter": step, **removed})
        self._left = left
        users = self._present("kept")
        if len(gone := np.flatnonzero(self._users & ~users)):
            self._gone.append((step, gone))
        self._users = users

    @property
    def dropped(self) -> DroppedUsers:
        """The users without rows, and the step that took their last."""
        gone = [rows for _, rows in self._gone]
        rows = np.concatenate([*gone, np.zeros(0, np.int64)])
        steps = np.repeat(np.arange(len(gone), dtype=np.int32), list(map(len, gone)))
        return DroppedUsers(self._events.users[rows], steps, tuple(step for step, _ in self._gone))

    def _present(self, table: str) -> np.ndarray:
        """Which users have rows in a table, bool."""
        present = np.zeros(len(self._events.users), bool)
        present[sql.arrays(self._sql, f'SELECT DISTINCT "user" FROM {table}')["user"]] = True
        return present

    def _counts(self, table: str) -> dict[str, int]:
        query = f'SELECT count(DISTINCT "user"), count(DISTINCT item), count(*) FROM {table}'
        return dict(zip(("users", "items", "rows"), sql.rows(self._sql, query)[0], strict=True))

    def number(self) -> None:
        """Makes `numbered` of `kept`: the rows that are left, sorted, ids numbered without gaps."""
        for role in ("user", "item"):
            self._sql.execute(f"""
                CREATE TABLE {role}s AS
                SELECT old, (row_number() OVER (ORDER BY old) - 1)::INTEGER AS code
                FROM (SELECT DISTINCT kept.{role} AS old FROM kept)""")
        rest = "".join(f", {column}" for column in self._columns)
        self._sql.execute(f"""
            CREATE TABLE numbered AS
            SELECT users.code AS "user", items.code AS item, behavior{rest}
            FROM kept JOIN users ON users.old = kept.user JOIN items ON items.old = kept.item
            ORDER BY ALL""")
        self._sql.execute("DROP TABLE kept")
