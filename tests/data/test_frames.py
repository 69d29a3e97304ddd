"""Reading of pandas data frames, straight from memory."""

import datetime

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.errors import InputError

BEHAVIORS = ("view", "buy")
TEXTS = ["b", "a", "b", "c"]
NUMBERS = [10, 9, 10, -3]
KINDS = ["view", "buy", "buy", "view"]
SECONDS = [1714566600, 0, -1, 1714608000]
DATETIMES = pd.to_datetime(SECONDS, unit="s")


def frame(**columns) -> pd.DataFrame:
    """Four rows, with other columns where they are given; None: without that column."""
    table = {"user": TEXTS, "item": NUMBERS, "behavior": KINDS, "timestamp": SECONDS} | columns
    return pd.DataFrame({name: values for name, values in table.items() if values is not None})


def read(table: pd.DataFrame, **options) -> Events:
    return read_log(table, **({"behaviors": BEHAVIORS} | options))


def error(table: pd.DataFrame, **options) -> str:
    with pytest.raises(InputError) as caught:
        read(table, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows(events: Events) -> list[tuple]:
    kinds = [events.behaviors[code] for code in events.behavior]
    return list(
        zip(events.users[events.user].tolist(), events.items[events.item].tolist(), kinds, strict=True)
    )


IDS = {
    "text": (TEXTS, TEXTS),
    "text objects": (pd.Series(TEXTS, dtype=object), TEXTS),
    "text of pandas": (pd.Series(TEXTS, dtype="string"), TEXTS),
    "text of Arrow": (pd.Series(TEXTS, dtype="string[pyarrow]"), TEXTS),
    "bytes": ([text.encode() for text in TEXTS], TEXTS),
    "text of digits": (["10", "9", "10", "-3"], NUMBERS),
    "text of a number and more": (["10", "9", "10", "007"], ["10", "9", "10", "007"]),
    "text categories": (pd.Categorical(TEXTS), TEXTS),
    "categories that do not occur": (pd.Categorical(TEXTS, ["z", "c", "b", "a"]), TEXTS),
    "integers": (NUMBERS, NUMBERS),
    "small integers": (np.array(NUMBERS, np.int8), NUMBERS),
    "unsigned": (np.array([10, 9, 10, 10**17], np.uint64), [10, 9, 10, 10**17]),
    "integers of pandas": (pd.array(NUMBERS, "Int64"), NUMBERS),
    "integer objects": (pd.Series(NUMBERS, dtype=object), NUMBERS),
    "floats that are whole": ([float(number) for number in NUMBERS], NUMBERS),
    "integer categories": (pd.Categorical(NUMBERS), NUMBERS),
}


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("role", ["user", "item"])
def test_ids(name, role):
    values, expected = IDS[name]
    events = read(frame(**{role: values}))
    column = 0 if role == "user" else 1
    assert [row[column] for row in rows(events)] == expected
    vocabulary = events.users if role == "user" else events.items
    assert vocabulary.tolist() == sorted(set(expected))
    assert vocabulary.dtype == (np.int64 if isinstance(expected[0], int) else object)


MILLISECONDS = [1000 * seconds for seconds in SECONDS]
TIMES = {
    "integers": (SECONDS, "s", MILLISECONDS),
    "floats": ([seconds + 0.25 for seconds in SECONDS], "s", [1000 * seconds + 250 for seconds in SECONDS]),
    "large floats": ([1e3 * seconds for seconds in SECONDS], "ms", MILLISECONDS),
    "datetimes": (DATETIMES, "s", MILLISECONDS),
    "nanoseconds": (DATETIMES.astype("datetime64[ns]"), "ms", MILLISECONDS),
    "datetimes in UTC": (DATETIMES.tz_localize("UTC"), "s", MILLISECONDS),
    "datetimes of a zone": (
        DATETIMES.tz_localize("UTC").tz_convert("America/New_York"),
        "s",
        MILLISECONDS,
    ),
    "parts of a millisecond": (
        pd.to_datetime([1999, 1000, 999, 0], unit="us"),
        "s",
        [1999, 1000, 999, 0],
    ),
    "datetime objects": (pd.Series(DATETIMES.to_pydatetime(), dtype=object), "s", MILLISECONDS),
    "text": ([f"{time:%Y-%m-%d %H:%M:%S}" for time in DATETIMES], "s", MILLISECONDS),
    "dates": (
        [datetime.date(2024, 5, day) for day in (1, 2, 3, 4)],
        "s",
        [1714521600000 + 86400000 * n for n in range(4)],
    ),
}


@pytest.mark.parametrize("name", TIMES)
def test_times(name):
    values, unit, expected = TIMES[name]
    events = read(frame(timestamp=values), time_unit=unit)
    assert events.timestamp is not None
    assert events.timestamp.tolist() == expected
    assert events.timestamp.dtype == np.int64


def test_frame_without_times_and_with_further_columns():
    events = read(frame(timestamp=None, price=[1.5, None, 3, 4], tags=[[1], [], None, ["x"]]))
    assert rows(events) == list(zip(TEXTS, NUMBERS, KINDS, strict=True))
    assert events.timestamp is None
    assert events.heldout is None


@pytest.mark.parametrize("kinds", [pd.Categorical(KINDS), pd.Series(KINDS, dtype=object)])
def test_behaviors(kinds):
    events = read(frame(behavior=kinds), behaviors=["buy", "view"])
    assert events.behaviors == ("buy", "view")
    assert events.behavior.tolist() == [1, 0, 0, 1]


def test_renamed_columns_and_any_index():
    names = {"user": "visitor", "item": 3, "behavior": "event", "timestamp": "when"}
    table = frame().rename(columns=names).set_index(pd.Index([7, 7, 0, -1]))
    before = table.copy()
    events = read(table, columns={role: str(name) for role, name in names.items()})
    assert rows(events) == rows(read(frame()))
    pd.testing.assert_frame_equal(table, before)


def test_origin_says_what_was_read():
    table = frame(user=["a", None, "b", "c"], behavior=["view", "view", "buy", "wish"])
    events = read(table, ignore_behaviors=["wish"], on_bad_rows="skip")
    assert events.origin == {
        "source": "data frame",
        "checksums": {},
        "rows_read": 4,
        "bad_rows": {"expected an id": 1},
        "ignored_rows": {"wish": 1},
        "impossible_times": 0,
        "times": "times from 1969-12-31 to 2024-05-01 (seconds)",
        "first_bad_rows": ["data frame, row 2, column 'user': expected an id, got ''"],
    }


def test_frame_of_another_format():
    table = pd.DataFrame(
        {
            "timestamp": [1433221332117, 1433221332118, 1433221332119],
            "visitorid": [2, 5, 2],
            "event": ["view", "addtocart", "transaction"],
            "itemid": [9, 9, 9],
        }
    )
    events = read_log(table, format="retailrocket")
    assert rows(events) == [(2, 9, "view"), (5, 9, "cart"), (2, 9, "buy")]
    assert events.timestamp is not None
    assert events.timestamp.tolist() == table.timestamp.tolist()


def test_frame_equals_its_files(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "item": pd.Categorical(rng.choice([f"i{n:02}" for n in range(40)], 300)),
            "user": rng.integers(-50, 10**6, 300),
            "behavior": rng.choice(["view", "cart", "buy"], 300),
            "timestamp": pd.to_datetime(rng.integers(0, 10**9, 300), unit="s", utc=True),
        }
    )
    table.to_csv(tmp_path / "log.csv", index=False)
    table.to_parquet(tmp_path / "log.parquet", index=False)
    seen: list[int] = []
    events = read(table, ignore_behaviors=("cart",), progress=seen.append)
    assert sum(seen) == 300
    for name in ("log.csv", "log.parquet"):
        other = read_log(tmp_path / name, behaviors=BEHAVIORS, ignore_behaviors=("cart",))
        for column in ("users", "items", "user", "item", "behavior", "timestamp"):
            np.testing.assert_array_equal(getattr(events, column), getattr(other, column))
        assert {**events.origin, "source": "log", "checksums": {}} == {**other.origin, "checksums": {}}


ISO = "a time in s since 1970 or as ISO-8601 text"
BAD_CELLS = {
    "None": ("user", ["b", "a", None, "c"], "an id", "''"),
    "NaN among text": ("user", ["b", "a", float("nan"), "c"], "an id", "''"),
    "NaN among integers": ("item", [10, 9, float("nan"), 3], "an id", "''"),
    "NaN alone": ("item", [float("nan")] * 4, "an id", "''"),
    "NA among integers": ("item", pd.array([10, 9, None, 3], "Int64"), "an id", "''"),
    "no category": ("user", pd.Categorical(["b", "a", None, "c"]), "an id", "''"),
    "empty": ("user", ["b", "a", "", "c"], "an id", "''"),
    "two lines": ("user", ["b", "a", "x\ny", "c"], "an id without line breaks", r"'x\ny'"),
    "behavior": (
        "behavior",
        ["view", "buy", "wish", "buy"],
        "one of 'view', 'buy', or one in `ignore_behaviors`",
        "'wish'",
    ),
    "no behavior": (
        "behavior",
        ["view", "buy", None, "buy"],
        "one of 'view', 'buy', or one in `ignore_behaviors`",
        "''",
    ),
    "NaT": ("timestamp", [*DATETIMES[:2], pd.NaT, DATETIMES[3]], ISO, "''"),
    "NaN for a time": ("timestamp", [1.0, 2.0, float("nan"), 4.0], ISO, "''"),
    "late": ("timestamp", [1, 2, 2**61, 4], ISO, "'2305843009213693952'"),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_bad_cell(name):
    role, values, expected, got = BAD_CELLS[name]
    table = frame(**{role: values})
    place = "data frame, row 1" if name == "NaN alone" else "data frame, row 3"
    cure = "`on_bad_rows=skip` drops such rows"
    if role == "behavior":
        cure = f"unknown, with their rows: {got} 1; `ignore_behaviors=*` passes them over"
    assert error(table) == f"{place}, column '{role}': expected {expected}, got {got} ({cure})"
    if name != "NaN alone":
        events = read(table, on_bad_rows="skip")
        assert len(events) == 3
        assert events.origin["bad_rows"] == {f"expected {expected}": 1}


def test_integers_next_to_missing_ones_stay_integers():
    events = read(frame(item=[10, 9, float("nan"), 2**53 - 1]), on_bad_rows="skip")
    assert events.items.tolist() == [9, 10, 2**53 - 1]
    assert events.items.dtype == np.int64


def test_text_and_whole_numbers_in_one_column_are_text():
    """As they come from a spreadsheet, or with the first id that is no number."""
    events = read(frame(user=["x1", 12, np.int64(7), "0012"], item=[10**30, 3, "3", "tea"]))
    assert events.users[events.user].tolist() == ["x1", "12", "7", "0012"]
    assert events.items[events.item].tolist() == [str(10**30), "3", "3", "tea"]
    events = read(frame(user=["x1", None, 7, float("nan")]), on_bad_rows="skip")
    assert events.users.tolist() == ["7", "x1"]
    assert events.origin["bad_rows"] == {"expected an id": 2}


NAN = float("nan")
BAD_COLUMNS = {
    "fractions": ([1.0, 2.5, 3.0, 4.0], "expected ids as text or integers, got double"),
    "fractions and NaN": ([1.5, NAN, 3.0, 4.0], "expected ids as text or integers, got double"),
    "inexact floats and NaN": ([1e18, NAN, 3.0, 4.0], "expected ids as text or integers, got double"),
    "infinity and NaN": ([np.inf, NAN, 3.0, 4.0], "expected ids as text or integers, got double"),
    "half floats and NaN": (
        np.array([1.5, NAN, 3, 4], np.float16),
        "expected ids as text or integers, got halffloat",
    ),
    "float categories": (
        pd.Categorical([1.0, 2.5, 1.0, 2.5]),
        "expected ids as text or integers, got double",
    ),
    "booleans": ([True, False, True, True], "expected ids as text or integers, got bool"),
    "mixed": (["a", 1.5, None, "b"], "expected text, numbers or times, all of one kind, got float, str"),
    "text and booleans": (
        ["a", True, None, "b"],
        "expected text, numbers or times, all of one kind, got bool, str",
    ),
    "objects": ([object()] * 4, "expected text, numbers or times, all of one kind, got object"),
    "lists": ([[1], [2], [3], [4]], "expected text or numbers, got list<item: int64>"),
}


@pytest.mark.parametrize("name", BAD_COLUMNS)
@pytest.mark.parametrize("role", ["user", "item"])
def test_column_that_holds_no_ids(name, role):
    values, message = BAD_COLUMNS[name]
    assert error(frame(**{role: values}), on_bad_rows="skip") == f"data frame, column '{role}': {message}"


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (frame(item=None), {}, "'item' for the item, got 'user', 'behavior', 'timestamp'"),
        (
            frame(),
            {"columns": {"user": "who"}},
            "'who' for the user, got 'user', 'item', 'behavior', 'timestamp'",
        ),
        (
            pd.concat([frame(), frame()["user"]], axis=1),
            {},
            "'user' for the user, got 'user', 'item', 'behavior', 'timestamp', 'user'",
        ),
    ],
    ids=["missing", "renamed", "twice"],
)
def test_missing_column(table, options, message):
    assert error(table, **options) == (
        f"data frame: expected one column {message} (`columns` tells which to take)"
    )


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (frame()[:0], {}, "data frame: no rows"),
        (pd.DataFrame(), {}, "data frame: no rows"),
        (frame(), {"heldout": "test.csv"}, "test.csv: does not exist"),
        (frame(), {"heldout": 7}, "A log should be a file or files, or a pandas DataFrame. Received: int."),
        (frame(), {"behaviors": ()}, "`behaviors` should be one or more different names, weakest first"),
        (frame(), {"format": "adjacency"}, "The log format 'adjacency' is of files. Received: a data frame."),
        (frame(), {"format": "nmtr"}, "The log format 'nmtr' takes a file for each behavior, behavior:file."),
    ],
)
def test_bad_input(table, options, message):
    assert error(table, **options).startswith(message)
