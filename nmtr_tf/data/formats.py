"""The known log formats, one row of `FORMATS` each, and how the text of their columns is decoded.

Decoders take the distinct texts of one batch, so their cost hardly grows with the number of rows.
"""

import dataclasses
import datetime
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc


@dataclasses.dataclass(frozen=True)
class Format:
    """Where a source keeps its users, items, behaviors and times.

    Attributes:
        description: One line for --help.
        delimiter: Between fields; None: told by the file's suffix. Only comma-separated fields may
            be in double quotes.
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
        split: Comes with a held-out file of target rows.
        adjacency: Lines of `user item item ...` instead of a table.
        free_columns: The caller may rename the columns and leave out the time.
        typed_header: The header gives each name with a type, as in `name:type`.
    """

    description: str
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


def _beijing_midnight(day: str) -> int:
    return int(datetime.datetime.fromisoformat(f"{day}T00:00+08:00").timestamp()) * 1000


FORMATS: dict[str, Format] = {
    "log": Format(
        "any CSV, TSV or Parquet log with one event per row; name its columns with --columns",
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
        "RecBole's .inter files; name the column of behaviors with --columns",
        delimiter="\t",
        timestamp="timestamp",
        behavior="behavior",
        id_type="any",
        time="unit",
        free_columns=True,
        typed_header=True,
    ),
}

# Milliseconds per unit of time.
TIME_UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
# Later times come from a wrong unit. Below it, doubles hold milliseconds exactly.
_YEAR_10000 = 253402300800000
_NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_ZONE = r"(Z|[+-]\d\d:?\d\d)$"
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d:?\d\d)?)?$"
_EXPECTED_TIME = {
    "mmdd": "a day of 2014 as mmdd",
    "utc": "a time such as 2019-10-01 00:00:00 UTC",
    "any": "a time in {unit} since 1970 or as ISO-8601 text",
}

# Values (null where bad), and per check the mask of the texts that pass it and what it expects.
Decoded = tuple[pa.Array, list[tuple[pa.Array, str]]]


def cast_or_null(array: pa.Array, to: pa.DataType) -> pa.Array:
    """Casts `array`, with null for the values that do not cast.

    Halves the array around bad values, as Arrow only says that there are some.
    """
    try:
        return array.cast(to)
    except pa.ArrowInvalid:
        if len(array) == 1:
            return pa.nulls(1, to)
    half = len(array) // 2
    return pa.concat_arrays([cast_or_null(array[:half], to), cast_or_null(array[half:], to)])


def _where(mask: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(mask, values, pa.scalar(None, values.type))


def decode_ids(text: pa.Array, id_type: str) -> Decoded:
    """Decodes ids.

    Args:
        text: String [n], null where it was not UTF-8.
        id_type: "int" or "any".

    Returns:
        int64 [n] for "int", else `text` itself, and the checks.
    """
    if id_type == "any":
        one_line = pc.invert(pc.match_substring_regex(text, "[\r\n]"))
        checks = [(pc.not_equal(text, ""), "an id"), (one_line, "an id without line breaks")]
        return text, [(ok.fill_null(False), expected) for ok, expected in checks]
    digits = pc.ascii_is_decimal(text).fill_null(False)
    values = cast_or_null(_where(digits, text), pa.int64())
    expected = "a non-negative integer"
    return values, [(digits, expected), (values.is_valid(), f"{expected} below 2**63")]


def decode_times(text: pa.Array, encoding: str, unit: str) -> Decoded:
    """Decodes times.

    Args:
        text: String [n], null where it was not UTF-8.
        encoding: See `Format.time`.
        unit: Key of `TIME_UNITS`, the unit of numbers for the encodings "unit" and "any".

    Returns:
        int64 [n], milliseconds since 1970-01-01 UTC, and the check.
    """
    unit = encoding if encoding in TIME_UNITS else unit
    if encoding == "mmdd":
        mmdd = pc.utf8_lpad(_where(pc.match_substring_regex(text, r"^\d{3,4}$"), text), 4, "0")
        values = _iso_times(pc.replace_substring_regex(mmdd, r"^(\d\d)(\d\d)$", r"2014-\1-\2"))
    elif encoding == "utc":
        values = _iso_times(text)
    else:
        values = _number_times(text, TIME_UNITS[unit])
        if encoding == "any":
            values = pc.coalesce(values, _iso_times(text))
    expected = _EXPECTED_TIME.get(encoding, "a time in {unit} since 1970").format(unit=unit)
    return values, [(values.is_valid(), expected)]


def _number_times(text: pa.Array, milliseconds: float) -> pa.Array:
    numbers = cast_or_null(_where(pc.match_substring_regex(text, _NUMBER), text), pa.float64())
    values = pc.round(pc.multiply(numbers, milliseconds))
    return _where(pc.less(pc.abs(values), _YEAR_10000), values).cast(pa.int64())


def _iso_times(text: pa.Array) -> pa.Array:
    text = _where(pc.match_substring_regex(text, _ISO), text)
    text = pc.replace_substring_regex(text, r"(\.\d{3})\d+", r"\1")
    text = pc.replace_substring_regex(text, " ?UTC$", "Z")
    zoned = pc.match_substring_regex(text, _ZONE)
    with_zone = cast_or_null(_where(zoned, text), pa.timestamp("ms", "UTC"))
    without = cast_or_null(_where(pc.invert(zoned), text), pa.timestamp("ms"))
    return pc.coalesce(with_zone.cast(pa.int64()), without.cast(pa.int64()))
