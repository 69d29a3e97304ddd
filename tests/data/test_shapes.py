"""Shapes of logs that shops have: files per behavior, folders, JSON, wide tables, times, encodings."""

import gzip
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.data import sql
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.preparation import prepare
from nmtr_tf.errors import InputError

TWO: dict[str, Any] = {"behaviors": ("view", "buy")}
HEADER = "user,item,behavior,timestamp\n"


def rows(events: Events) -> list[tuple]:
    kinds = [events.behaviors[code] for code in events.behavior]
    return list(
        zip(events.users[events.user].tolist(), events.items[events.item].tolist(), kinds, strict=True)
    )


def times(events: Events) -> list[int]:
    assert events.timestamp is not None
    return events.timestamp.tolist()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def error(source, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_log(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_per_behavior_with_columns_of_its_own(folder):
    write(folder / "views.csv", "user,item,timestamp\nann,tea,1714566600\nbob,tea,1714566601\n")
    write(folder / "orders.csv", "customer;product;when\nann;tea;2024-05-01 13:00:00\n")
    columns = {"buy.user": "customer", "buy.item": "product", "buy.timestamp": "when"}
    events = read_log({"view": "views.csv", "buy": "orders.csv"}, columns=columns)
    assert rows(events) == [("ann", "tea", "view"), ("bob", "tea", "view"), ("ann", "tea", "buy")]
    assert times(events) == [1714566600000, 1714566601000, 1714568400000]
    assert "orders.csv, line 1: expected one column 'user'" in error(
        {"view": "views.csv", "buy": "orders.csv"}
    )


def test_a_file_per_behavior_of_a_format_with_names_of_its_own(folder):
    write(folder / "p", "1,2,9,anything,1511600000\n")
    write(folder / "b", "1,2,9,anything,1511600001\n")
    events = read_log({"view": "p", "buy": "b"}, format="userbehavior")
    assert rows(events) == [(1, 2, "view"), (1, 2, "buy")]


def test_folders_and_patterns_are_their_files_in_order(folder):
    for day in (2, 1):
        write(folder / f"log/day-{day}.csv", f"user,item,behavior\nu{day},a,view\nu{day},a,buy\n")
    write(folder / "log/.hidden.csv", "x\n")
    write(folder / "log/_SUCCESS", "")
    expected = [("u1", "a", "view"), ("u1", "a", "buy"), ("u2", "a", "view"), ("u2", "a", "buy")]
    for source in ("log", "log/day-*.csv", folder / "log"):
        events = read_log(source, **TWO)
        assert rows(events) == expected
        assert list(events.origin["checksums"]) == ["day-1.csv", "day-2.csv"]
    assert error("log/week-*.csv", **TWO) == "log/week-*.csv: no file is of this name"
    (folder / "none").mkdir()
    assert error("none", **TWO) == "none: holds no files"


def test_folders_that_name_the_behavior(folder):
    for name in ("buy", "view"):
        write(folder / f"log/behavior={name}/part-0.csv", "user,item\nann,tea\n")
    assert rows(read_log("log", **TWO)) == [("ann", "tea", "buy"), ("ann", "tea", "view")]
    assert rows(read_log("log", behaviors=("buy",))) == [("ann", "tea", "buy")]


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines(folder, packed):
    lines = [
        {
            "user": "ann",
            "event": {"name": "view"},
            "lines": [{"id": 7}, {"id": 8}],
            "ts": "2024-05-01T12:00:00Z",
        },
        {"user": "ann", "event": {"name": "buy"}, "lines": [{"id": 7}], "ts": "2024-05-01T12:01:00.5Z"},
    ]
    text = "\n".join(map(json.dumps, lines)).encode()
    name = "log.jsonl.gz" if packed else "log.jsonl"
    write(folder / name, gzip.compress(text) if packed else text)
    columns = {"item": "lines[].id", "behavior": "event.name", "timestamp": "ts"}
    events = read_log(name, columns=columns, **TWO)
    assert rows(events) == [("ann", 7, "view"), ("ann", 8, "view"), ("ann", 7, "buy")]
    assert times(events) == [1714564800000, 1714564800000, 1714564860500]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1, 2]", "column 'user': expected text or a number in a JSON object, got '[1, 2]'"),
        ("{oh", "column 'user': expected text or a number in a JSON object, got '{oh'"),
        ('{"item": 7, "behavior": "view"}', "column 'user': expected an id, got ''"),
        ('{"user": "é", "item": null, "behavior": "buy"}', "column 'item': expected an id, got ''"),
    ],
)
def test_bad_line_of_json(folder, line, problem):
    good = '{"user": "ann", "item": 7, "behavior": "view"}\n{"user": "ann", "item": 7, "behavior": "buy"}\n'
    write(folder / "log.jsonl", f"{good}\n{line}\n")
    assert error("log.jsonl", **TWO) == f"log.jsonl, line 4, {problem} (`on_bad_rows=skip` drops such rows)"
    events = read_log("log.jsonl", on_bad_rows="skip", **TWO)
    assert len(events) == 2


def test_nested_columns_of_parquet(folder):
    events = [
        ("u", "view", [{"id": "a"}, {"id": "b"}], {"city": "x"}),
        ("u", "buy", [{"id": "a"}], {"city": "y"}),
        ("u", "scroll", [], {"city": "z"}),
    ]
    pd.DataFrame(events, columns=["user", "name", "items", "geo"]).to_parquet(folder / "e.parquet")
    columns = {"item": "items[].id", "behavior": "name"}
    read = read_log("e.parquet", columns=columns, ignore_behaviors=["*"], **TWO)
    assert rows(read) == [("u", "a", "view"), ("u", "b", "view"), ("u", "a", "buy")]
    assert read.origin["ignored_rows"] == {"scroll": 1}
    read = read_log("e.parquet", columns=columns | {"user": "geo.city"}, ignore_behaviors=["*"], **TWO)
    assert rows(read)[2] == ("y", "a", "buy")
    message = error("e.parquet", columns=columns, ignore_behaviors=[], behaviors=("view", "buy", "scroll"))
    assert message.startswith("e.parquet, row 3, column 'items[].id': expected an id, got ''")


def test_names_that_differ_in_case_alone(folder):
    table = pd.DataFrame({"User": ["no", "no"], "user": ["ann", "ann"], "ITEM": [1, 1], "item": [2, 3]})
    table = table.assign(behavior=["view", "buy"])
    write(folder / "behavior=none/a.csv", table.to_csv(index=False))
    table.to_parquet(folder / "behavior=none/a.parquet")
    for source in (table, "behavior=none/a.csv", "behavior=none/a.parquet"):
        assert rows(read_log(source, **TWO)) == [("ann", 2, "view"), ("ann", 3, "buy")]


@pytest.mark.parametrize("place", [100, 5000, -9000])
def test_broken_parquet(folder, place):
    rng = np.random.default_rng(0)
    table = {"user": rng.integers(0, 10**6, 9000).astype(str), "item": rng.integers(0, 99, 9000)}
    pd.DataFrame(table | {"behavior": rng.choice(["view", "buy"], 9000)}).to_parquet(folder / "a.parquet")
    content = bytearray((folder / "a.parquet").read_bytes())
    content[place : place + 200] = bytes(200)
    write(folder / "a.parquet", bytes(content))
    assert error("a.parquet", **TWO).startswith("a.parquet: cannot be read: ")


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("log.csv", "user|item|behavior\nann|a,b|view\nann|a,b|buy\n", {}),
        ("log.psv", 'user|item|behavior\nann|"a,b"|view\nann|a,b|buy\n', {}),
        ("log.txt", "ann|a,b|view\nann|a,b|buy\n", {"header": ["user", "item", "behavior"]}),
        ("log", "user~item~behavior\nann~a,b~view\nann~a,b~buy\n", {"delimiter": "~"}),
    ],
)
def test_text_files(folder, name, content, options):
    write(folder / name, content)
    assert rows(read_log(name, **TWO, **options)) == [("ann", "a,b", "view"), ("ann", "a,b", "buy")]


def test_quoted_cells_over_lines(folder):
    write(
        folder / "o.csv",
        'user,item,behavior,note\nann,tea,view,"two\nlines"\nann,tea,buy,"and\n\nthree"\nann,,buy,x\n',
    )
    assert error("o.csv", **TWO).startswith("o.csv, line 7, column 'item': expected an id, got ''")
    assert len(read_log("o.csv", on_bad_rows="skip", **TWO)) == 2


def test_wide_tables(folder):
    write(folder / "w.csv", "user,item,views,bought\nann,tea,3,1\nann,pot,2.0,0\nbob,tea,,1\n")
    events = read_log("w.csv", wide=["views", "bought"])
    expected = [
        ("ann", "tea", "views"),
        ("ann", "tea", "bought"),
        ("ann", "pot", "views"),
        ("bob", "tea", "bought"),
    ]
    assert rows(events) == expected
    assert events.origin["rows_read"] == 3
    for cell in (b"many", b"\xff"):
        write(folder / "w.csv", b"user,item,views,bought\nann,tea,3,1\nann,pot," + cell + b",0\n")
        message = error("w.csv", wide=["views", "bought"])
        assert message.startswith("w.csv, line 3, column 'count': expected a count, got ")


def test_thresholds(folder):
    write(folder / "r.csv", "user,item,rating\n1,10,5.0\n1,20,3\n2,10,1\n")
    events = read_log("r.csv", columns={"behavior": "rating"}, thresholds={"seen": 0, "liked": 4})
    assert rows(events) == [(1, 10, "seen"), (1, 10, "liked"), (1, 20, "seen"), (2, 10, "seen")]
    write(folder / "r.csv", "user,item,rating\n1,10,5.0\n1,20,good\n")
    message = error("r.csv", columns={"behavior": "rating"}, thresholds={"seen": 0, "liked": 4})
    assert message.startswith("r.csv, line 3, column 'count': expected a count, got 'good'")


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (1714521600, 1717200000, "times from 2024-05-01 to 2024-06-01 (seconds)"),
        (1714521600000, 1717200000000, "times from 2024-05-01 to 2024-06-01 (milliseconds)"),
        (1714521600000000, 1717200000000000, "times from 2024-05-01 to 2024-06-01 (microseconds)"),
        (1714521600000000000, 1717200000000000000, "times from 2024-05-01 to 2024-06-01 (nanoseconds)"),
        (45413, 45444, "times from 2024-05-01 to 2024-06-01 (days of a spreadsheet)"),
        ("2024-05-01", "2024-06-01", "times from 2024-05-01 to 2024-06-01 (dates)"),
    ],
)
def test_units_are_told_by_size_and_said(folder, first, second, shown):
    write(folder / "a.csv", f"{HEADER}ann,tea,view,{first}\nann,tea,buy,{second}\n")
    events = read_log("a.csv", **TWO)
    assert times(events) == [1714521600000, 1717200000000]
    assert events.origin["times"] == shown


def test_order_alone(folder):
    write(folder / "a.csv", f"{HEADER}ann,tea,view,0\nann,tea,buy,30\nann,pot,buy,29\n")
    events = read_log("a.csv", time_unit="order", **TWO)
    assert (times(events), events.time_unit) == ([0, 30, 29], "order")
    assert events.origin["times"] == "times that only order, from 0 to 30"
    dataset = prepare(events).save(folder / "d")
    loaded = Dataset.load(folder / "d")
    assert times(loaded.events) == times(dataset.events)
    assert loaded.events.time_unit == "order"
    assert "as no unit puts them between 1990 and 2100" in read_log("a.csv", **TWO).origin["times"]


def test_a_unit_that_does_not_fit_names_the_one_that_does(folder):
    write(folder / "a.csv", f"{HEADER}ann,tea,view,1714521600000\nann,tea,buy,1717200000000\n")
    assert error("a.csv", time_unit="s", **TWO) == (
        "a.csv, column 'timestamp': `time_unit=s` puts times before 1990 or after 2100; "
        "`time_unit=ms` would fit"
    )


def test_times_that_are_not_found_are_named(folder):
    write(folder / "a.csv", "user,item,behavior,time,price\nann,tea,view,1,2\nann,tea,buy,1,2\n")
    assert read_log("a.csv", **TWO).origin["times"] == (
        "no times: held-out rows are a random choice (columns: time, price; name one with `columns`)"
    )


def test_formats_of_times(folder):
    write(folder / "a.csv", f"{HEADER}ann,tea,view,05/01/2024 00:08\nann,tea,buy,05/01/2024 00:09\n")
    assert "expected a time in s since 1970 or as ISO-8601 text, got '05/01/2024 00:08'" in error(
        "a.csv", **TWO
    )
    for time_format, first in (("%d/%m/%Y %H:%M", 1704413280000), ("%m/%d/%Y %H:%M", 1714522080000)):
        events = read_log("a.csv", time_format=time_format, **TWO)
        assert times(events) == [first, first + 60000]
    message = error("a.csv", time_format="%Y", **TWO)
    assert "expected a time as %Y, got '05/01/2024 00:08'" in message


@pytest.mark.parametrize("as_frame", [False, True])
def test_days_without_separators_are_dates_where_all_are(folder, as_frame):
    def found(*days, **options):
        table = pd.DataFrame({"user": "ann", "item": range(len(days)), "behavior": "buy", "timestamp": days})
        table.to_csv(folder / "a.csv", index=False)
        return times(read_log(table if as_frame else "a.csv", behaviors=("buy",), **options))

    assert found(20240131, 20240229, 19991231) == [1706659200000, 1709164800000, 946598400000]
    assert found(20240131, 20240229, time_unit="s") == [20240131000, 20240229000]
    assert found(20240131, 20241331) == [20240131000, 20241331000]  # no such month: they are seconds
    assert found(20240131, 1709164800) == [20240131000, 1709164800000]


def test_the_later_of_two_times_100_microseconds_apart_is_held_out(folder):
    times = [f"2024-05-01T12:00:00.0001{n}Z" for n in range(4)]
    for seed in range(5):
        table = pd.DataFrame(
            [(f"u{user}", f"i{n}", "buy", time) for user in range(20) for n, time in enumerate(times)],
            columns=["user", "item", "behavior", "timestamp"],
        )
        dataset = prepare(read_log(table, behaviors=("buy",)), seed=seed)
        assert set(dataset.held_out["test"][:, 1].tolist()) == {3}
    dataset.save(folder / "d")
    stored = Dataset.load(folder / "d")
    assert stored.events.time_unit == "us"
    np.testing.assert_array_equal(stored.events.timestamp, dataset.events.timestamp)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "cp1252"])
def test_encodings(folder, encoding):
    text = "user,item,behavior\nzoë,thé,view\nzoë,thé,buy\n"
    write(folder / "a.csv", text.encode(encoding))
    assert rows(read_log("a.csv", encoding=encoding, **TWO)) == [
        ("zoë", "thé", "view"),
        ("zoë", "thé", "buy"),
    ]


def test_encodings_that_are_not_said_are_named(folder):
    text = "user,ïtem,behavior\nzoë,thé,view\n"
    for encoding in ("utf-16", "latin-1"):
        write(folder / "a.csv", text.encode(encoding))
        message = error("a.csv", **TWO)
        assert message.startswith("a.csv, line 1: expected UTF-8 text, got b'")
        assert f"`encoding={encoding}`" in message
    assert "`encoding` should be one that Python knows" in error("a.csv", encoding="utf-9", **TWO)
    write(folder / "a.csv", b"user,item,behavior\nzo\xeb,tea,view\n")
    assert "line 2, column 'user': expected UTF-8 text, got b'zo\\xeb'" in error("a.csv", **TWO)
    write(folder / "a.csv", (HEADER + "zoë,tea,view,1\n").encode("utf-16")[:-1])
    assert error("a.csv", encoding="utf-16", **TWO).startswith("a.csv: cannot be read: ")


def test_unknown_behaviors_are_listed_at_once(folder):
    names = ["view", "buy", "scroll", "wish", "scroll", "scroll", "share"]
    write(folder / "a.csv", "user,item,behavior\n" + "".join(f"ann,tea,{name}\n" for name in names))
    assert error("a.csv", **TWO) == (
        "a.csv, line 4, column 'behavior': expected one of 'view', 'buy', or one in `ignore_behaviors`, got "
        "'scroll' (unknown, with their rows: 'scroll' 3, 'share' 1, 'wish' 1; `ignore_behaviors=*` passes "
        "them over)"
    )


def test_rows_of_other_behaviors_are_not_validated(folder):
    lines = [
        "ann,tea,view,1714521600",
        "ann,tea,buy,1714521601",
        ",,scroll,soon",
        ",,page,",
        "ann,tea,wish,x",
    ]
    write(folder / "a.csv", HEADER + "\n".join(lines))
    events = read_log("a.csv", ignore_behaviors=["*"], **TWO)
    assert events.origin["ignored_rows"] == {"page": 1, "scroll": 1, "wish": 1}
    assert not events.origin["bad_rows"]
    assert len(events) == 2


def test_bad_rows_are_shown_and_too_many_are_refused(folder):
    good = "ann,tea,view\nann,tea,buy\n" * 100
    write(folder / "a.csv", f"user,item,behavior\n{good}" + ",tea,view\n" * 12 + "1,2,3,4\n")
    events = read_log("a.csv", on_bad_rows="skip", **TWO)
    assert events.origin["bad_rows"] == {"expected an id": 12, "expected 3 fields": 1}
    shown = events.origin["first_bad_rows"]
    assert len(shown) == 10
    assert shown[0] == "a.csv, line 202, column 'user': expected an id, got ''"
    message = error("a.csv", on_bad_rows="skip", max_bad_share=0.05, **TWO)
    assert message == (
        "13 of 213 rows are bad (12 expected an id, 1 expected 3 fields), more than `max_bad_share=0.05` "
        "lets go. The first: a.csv, line 202, column 'user': expected an id, got ''"
    )
    assert "`max_bad_share` should be from 0 to 1" in error("a.csv", max_bad_share=2, **TWO)


def test_one_behavior_is_enough():
    table = pd.DataFrame({"user": [1, 1, 1, 2], "item": [1, 2, 3, 1], "behavior": "buy"})
    dataset = prepare(table, behaviors=("buy",))
    assert dataset.behaviors == ("buy",)
    assert len(dataset.held_out["test"]) == 1
    assert dataset.user_ids.tolist() == ["1", "2"]


@pytest.mark.parametrize("memory_mb", [0, 200])
def test_memory_and_threads_change_nothing(folder, memory_mb):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "user": rng.integers(0, 500, 20000),
            "item": rng.integers(0, 300, 20000),
            "behavior": rng.choice(["view", "buy"], 20000),
            "timestamp": rng.integers(1714521600, 1714521700, 20000),
        }
    )
    table.to_csv(folder / "log.csv", index=False)
    (folder / "spill").mkdir()
    events = read_log("log.csv", memory_mb=memory_mb, spill_dir=folder / "spill", **TWO)
    dataset = prepare(events, k_core=3, memory_mb=memory_mb, spill_dir=folder / "spill")
    assert list((folder / "spill").iterdir()) == []
    assert dataset.fingerprint == prepare(table, k_core=3, **TWO).fingerprint


def test_memory_that_does_not_do(folder):
    write(folder / "a.csv", HEADER + "ann,tea,view,1714521600\n" * 200000)
    assert error("a.csv", memory_mb=1, **TWO).startswith("`memory_mb=1` does not do here, with ")


def test_the_database_draws_no_bar_of_its_own():
    with sql.session() as connection:
        assert sql.value(connection, "SELECT current_setting('enable_progress_bar')") is False
