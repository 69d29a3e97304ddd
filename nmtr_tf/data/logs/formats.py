"""The known log formats, one row of `FORMATS` each."""

import dataclasses
import datetime
import typing
from collections.abc import Callable, Mapping
from pathlib import Path

from nmtr_tf.options import require
from nmtr_tf.registry import Registry

if typing.TYPE_CHECKING:  # Who passes data frames has imported pandas; files are read without it.
    import pandas as pd

TIME_UNITS = ("auto", "s", "ms", "us", "ns", "excel", "order")
"""Units of times that are numbers; "auto": told by their size."""


@dataclasses.dataclass(frozen=True)
class Format:
    """Where a log keeps its users, items, behaviors and times; `register_format` gives it a name.

    Attributes:
        description: One line for help texts.
        delimiter: Between fields; None: told by the file's suffix. Only fields separated by commas or
            semicolons may be in double quotes.
        column_names: Names of the columns of files without a header, else None.
        user: Name of the column of user ids.
        item: Name of the column of item ids.
        behavior: Name, or position where it has no fixed name, of the column of behavior names;
            None where each file holds one behavior.
        timestamp: Name of the column of times, if any.
        id_type: "int", non-negative integers, or "any".
        behaviors: Name in the file -> name in this project; None: names are taken as they are.
        default_behaviors: Weakest first; empty where the caller has to choose.
        ignored_behaviors: Names in the file whose rows are never used.
        time: Encoding of times: "s" or "ms" since 1970, "mmdd" of 2014, "utc" text, "unit" (numbers in
            the caller's unit), "any" (such numbers, or ISO-8601 text) or None.
        time_window: First possible time and first one too late, milliseconds UTC.
        split: Comes with a held-out file of target rows, which others may have.
        adjacency: Lines of `user item item ...` instead of a table.
        free_columns: The caller may rename the columns and leave out the time.
        typed_header: The header gives each name with a type, as in `name:type`.
        read: Reads a file into a data frame with these columns, for files that are no delimited text.

    Raises:
        InputError: If there is no such `time` or `id_type`.
    """

    description: str = ""
    delimiter: str | None = ","
    column_names: tuple[str, ...] | None = None
    user: str = "user_id"
    item: str = "item_id"
    behavior: str | int | None = None
    timestamp: str | None = None
    id_type: str = "int"
    behaviors: Mapping[str, str] | None = None
    default_behaviors: tuple[str, ...] = ()
    ignored_behaviors: tuple[str, ...] = ()
    time: str | None = None
    time_window: tuple[int, int] | None = None
    split: bool = False
    adjacency: bool = False
    free_columns: bool = False
    typed_header: bool = False
    read: "Callable[[Path], pd.DataFrame] | None" = None

    def __post_init__(self):
        times = ("s", "ms", "mmdd", "utc", "unit", "any")
        require(self, self.time is None or self.time in times, "time", f"None or one of {', '.join(times)}")
        require(self, self.id_type in ("int", "any"), "id_type", "'int' or 'any'")


def _beijing_midnight(day: str) -> int:
    return int(datetime.datetime.fromisoformat(f"{day}T00:00+08:00").timestamp()) * 1000


_BUILT_IN = {
    "log": Format(
        "any CSV, TSV or Parquet log with one event per row; `columns` names its columns",
        delimiter=None,
        user="user",
        item="item",
        behavior="behavior",
        timestamp="timestamp",
        id_type="any",
        time="any",
        free_columns=True,
    ),
    "adjacency": Format(
        "'user item item ...' lines, one file per behavior and one held out",
        delimiter="\x01",  # Occurs in no line: a line is read as one field.
        column_names=("line",),
        split=True,
        adjacency=True,
    ),
    "ehcf": Format(
        "EHCF's files: 'uid sid' by tabs with a header; per behavior, or with it in a third column",
        delimiter="\t",
        user="uid",
        item="sid",
        behavior=2,
        split=True,
    ),
    "nmtr": Format(
        "NMTR's files: <prefix>-{ipv,cart,buy}.train.rating and <prefix>.test.rating",
        delimiter="\t",
        column_names=("user", "item", "rating"),
        user="user",
        item="item",
        behaviors={"ipv": "view", "cart": "cart", "buy": "buy"},
        default_behaviors=("view", "cart", "buy"),
        split=True,
    ),
    "ijcai15": Format(
        "IJCAI-15 (Tmall) user_log_format1.csv",
        behavior="action_type",
        timestamp="time_stamp",
        behaviors={"0": "view", "1": "cart", "2": "buy", "3": "fav"},
        default_behaviors=("view", "buy"),
        time="mmdd",
    ),
    "userbehavior": Format(
        "Taobao UserBehavior.csv",
        column_names=("user_id", "item_id", "category_id", "behavior_type", "timestamp"),
        behavior="behavior_type",
        timestamp="timestamp",
        behaviors={"pv": "view", "buy": "buy", "cart": "cart", "fav": "fav"},
        default_behaviors=("view", "cart", "buy"),
        time="s",
        time_window=(_beijing_midnight("2017-11-25"), _beijing_midnight("2017-12-04")),
    ),
    "retailrocket": Format(
        "Retailrocket events.csv",
        user="visitorid",
        item="itemid",
        behavior="event",
        timestamp="timestamp",
        behaviors={"view": "view", "addtocart": "cart", "transaction": "buy"},
        default_behaviors=("view", "cart", "buy"),
        time="ms",
    ),
    "rees46": Format(
        "REES46 multi-category store, <year>-<month>.csv",
        item="product_id",
        behavior="event_type",
        timestamp="event_time",
        behaviors={"view": "view", "cart": "cart", "purchase": "buy"},
        default_behaviors=("view", "cart", "buy"),
        ignored_behaviors=("remove_from_cart",),
        time="utc",
    ),
    "recbole": Format(
        "RecBole's .inter files; `columns` names the column of behaviors",
        delimiter="\t",
        timestamp="timestamp",
        behavior="behavior",
        id_type="any",
        time="unit",
        free_columns=True,
        typed_header=True,
    ),
}

FORMATS: Registry[Format] = Registry("log format", "format")
for _name, _format in _BUILT_IN.items():
    FORMATS.register(_name, _format)

register_format = FORMATS.register
