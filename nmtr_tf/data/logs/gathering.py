"""Makes `Events` of the decoded rows: numbered ids, arrays."""

from nmtr_tf.data import sql
from nmtr_tf.data.events import Events
from nmtr_tf.data.ids import WHOLE
from nmtr_tf.errors import InputError


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
    for role in ("user", "item"):
        _number(connection, role)
    unit = unit or _coarsest(connection)
    divisor = {"ms": 10**6, "us": 10**3}.get(unit, 1)
    rest = f", time // {divisor} AS time" * timed + ", heldout" * split
    columns = sql.large_arrays(
        connection,
        f"""SELECT users.code AS "user", items.code AS item, behavior{rest}
        FROM log JOIN users ON users.id = log.user JOIN items ON items.id = log.item
        ORDER BY source, row, field, behavior""",
        sql.value(connection, "SELECT count(*) FROM log"),
    )
    return Events(
        users=sql.arrays(connection, "SELECT shown FROM users ORDER BY code")["shown"],
        items=sql.arrays(connection, "SELECT shown FROM items ORDER BY code")["shown"],
        behaviors=behaviors,
        user=columns["user"],
        item=columns["item"],
        behavior=columns["behavior"],
        timestamp=columns.get("time"),
        heldout=columns.get("heldout"),
        time_unit=unit,
    )


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
