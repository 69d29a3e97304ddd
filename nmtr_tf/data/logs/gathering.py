"""Makes `Events` of the decoded rows: numbered ids, arrays."""

import dataclasses

import numpy as np

from nmtr_tf.data import sql
from nmtr_tf.data.events import Events
from nmtr_tf.data.ids import WHOLE
from nmtr_tf.data.numbering import close_gaps
from nmtr_tf.errors import InputError

_SMALL_SPAN = 1 << 20


def gather(
    connection: sql.Connection, behaviors: tuple[str, ...], split: bool, timed: bool, unit: str
) -> Events:
    """Reads the table `log` in the order of its rows.

    Args:
        connection: Where it is.
        behaviors: Weakest first.
        split: The log has held-out rows.
        timed: Its rows have times.
        unit: "order" where the times are in no unit; else "".
    """
    count = sql.value(connection, "SELECT count(*) FROM log")
    codes = {role: _Codes.of(connection, role, count) for role in ("user", "item")}
    unit = unit or _coarsest(connection)
    divisor = {"ms": 10**6, "us": 10**3}.get(unit, 1)
    rest = f", time // {divisor} AS time" * timed + ", heldout" * split
    joins = "".join(one.join for one in codes.values())
    order = "" if not joins and _is_in_order(connection) else "ORDER BY source, row, field, behavior"
    columns = sql.large_arrays(
        connection,
        f"""SELECT {codes["user"].value} AS "user", {codes["item"].value} AS item, behavior{rest}
        FROM log{joins} {order}""",
        count,
    )
    return Events(
        users=codes["user"].ids(connection, columns["user"]),
        items=codes["item"].ids(connection, columns["item"]),
        behaviors=behaviors,
        user=columns["user"],
        item=columns["item"],
        behavior=columns["behavior"],
        timestamp=columns.get("time"),
        heldout=columns.get("heldout"),
        time_unit=unit,
    )


@dataclasses.dataclass(frozen=True)
class _Codes:
    """The numbers of the ids of a role.

    Attributes:
        role: "user" or "item".
        value: Expression of SQL, of `log` with what `join` joins to it.
        join: Of a table of numbers; "": ids are counted from `low` on, and gaps are left to `ids`.
        low: The least id.
        span: From there to the largest.
    """

    role: str
    value: str
    join: str = ""
    low: int = 0
    span: int = 0

    @classmethod
    def of(cls, connection: sql.Connection, role: str, count: int) -> "_Codes":
        """Chooses: ids that are numbers close to each other need no table, which takes far longer."""
        low, high, kind = sql.rows(
            connection, f"SELECT min({role}), max({role}), any_value(typeof({role})) FROM log"
        )[0]
        if kind == "BIGINT" and high - low < max(count // 2, _SMALL_SPAN):
            return cls(role, f"(log.{role} - {low})::INTEGER", low=low, span=high - low + 1)
        _number(connection, role)
        return cls(role, f"{role}s.code", f" JOIN {role}s ON {role}s.id = log.{role}")

    def ids(self, connection: sql.Connection, column: np.ndarray) -> np.ndarray:
        """The ids in the order of their numbers; a column that was counted from `low` on is numbered."""
        if self.join:
            return sql.arrays(connection, f"SELECT shown FROM {self.role}s ORDER BY code")["shown"]
        return self.low + close_gaps(column, self.span)


def _is_in_order(connection: sql.Connection) -> bool:
    """Whether the log's rows, which a query of one table gives as they were put there, are in order."""
    last = -1
    for batch in sql.batches(connection, "SELECT (source::BIGINT << 40) + row AS place FROM log"):
        places = batch["place"].to_numpy()
        if len(places) and (places[0] <= last or (places[1:] <= places[:-1]).any()):
            return False
        last = places[-1] if len(places) else last
    return True


def _number(connection: sql.Connection, role: str) -> None:
    """Numbers ids: in the order of numbers where all are whole ones, else in that of their characters."""
    connection.execute(f"CREATE OR REPLACE TABLE ids AS SELECT DISTINCT log.{role} AS id FROM log")
    whole = sql.value(connection, f"SELECT bool_and(regexp_matches(id::VARCHAR, '{WHOLE}')) FROM ids")
    connection.execute(f"""
        CREATE OR REPLACE TABLE {role}s AS
        SELECT id, shown, (row_number() OVER (ORDER BY shown) - 1)::INTEGER AS code
        FROM (SELECT id, id{"::BIGINT" if whole else ""} AS shown FROM ids)""")


def _coarsest(connection: sql.Connection) -> str:
    """The coarsest unit, of milliseconds or finer, in which all times are whole."""
    for unit, nanoseconds in (("ms", 10**6), ("us", 10**3)):
        whole = f"SELECT coalesce(bool_and(time % {nanoseconds} = 0), true) FROM log"
        if sql.value(connection, whole):
            return unit
    return "ns"


def check_complete(
    connection: sql.Connection, behaviors: tuple[str, ...], split: bool, rows_read: int
) -> None:
    """Checks that every behavior and the held-out part have rows.

    Raises:
        InputError: One has none.
    """
    counted = "SELECT behavior, heldout, count(*) FROM log GROUP BY ALL"
    counts = {(code, held): count for code, held, count in sql.rows(connection, counted)}
    if not counts:
        raise InputError(f"no rows left of {rows_read} read")
    for code, name in enumerate(behaviors):
        if (code, False) not in counts:
            raise InputError(f"behavior {name!r}: no rows left of {rows_read} read")
    if split and not any(held for _, held in counts):
        raise InputError("`heldout`: no rows left")
