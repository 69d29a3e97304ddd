"""Reading of every format, from tiny files in their exact layout."""

import gzip
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.errors import InputError

USERBEHAVIOR = "1,2,9,pv,1511600000\n10,30,9,buy,1511600001\n1,30,9,cart,1511600002\n"
LOG = "user,item,behavior,timestamp\n5,6,view,10\n5,7,buy,20\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Writes files, name -> content, and reads them with paths relative to their folder."""
    monkeypatch.chdir(tmp_path)

    def run(files, inputs=None, heldout=None, **options) -> tuple[Events, Mapping[str, Any]]:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        events = read_log(list(files) if inputs is None else inputs, heldout=heldout, **options)
        return events, events.origin

    return run


def rows(events):
    """Events with ids and names spelled out: (user, item, behavior[, milliseconds][, heldout])."""
    assert (events.user.dtype, events.item.dtype, events.behavior.dtype) == (np.int32, np.int32, np.int8)
    columns = [
        events.users[events.user].tolist(),
        events.items[events.item].tolist(),
        [events.behaviors[code] for code in events.behavior],
    ]
    if events.timestamp is not None:
        assert events.timestamp.dtype == np.int64
        columns.append(events.timestamp.tolist())
    if events.heldout is not None:
        assert events.heldout.dtype == np.bool_
        columns.append(events.heldout.tolist())
    return list(zip(*columns, strict=True))


def error(read, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        read(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


ADJACENCY = {"buy.txt": "1 10\t2\n 0 \n\n2 10 \n", "cart.txt": "1 2\n", "test.txt": "2 3\n"}
ADJACENCY_ROWS = [
    (1, 2, "cart", False),
    (1, 10, "buy", False),
    (1, 2, "buy", False),
    (2, 10, "buy", False),
    (2, 3, "buy", True),
]
# Name of the case -> files, arguments and rows.
FORMATS: dict[str, tuple[dict[str, str], dict[str, Any], list[tuple]]] = {
    "log": (
        {"a.csv": LOG, "b.tsv": "timestamp\titem\tx\tuser\tbehavior\n1.5\t6\t\t4\tbuy\n"},
        {"format": "log", "behaviors": ("view", "buy")},
        [(5, 6, "view", 10000), (5, 7, "buy", 20000), (4, 6, "buy", 1500)],
    ),
    "log with semicolons": (
        {"a.csv": 'user;"the;item";behavior;timestamp\n5;"6,5";view;10\n"5";7;buy;20\n'},
        {"format": "log", "behaviors": ("view", "buy"), "columns": {"item": "the;item"}},
        [(5, "6,5", "view", 10000), (5, "7", "buy", 20000)],
    ),
    "adjacency": (
        ADJACENCY,
        {"format": "adjacency", "inputs": {"cart": "cart.txt", "buy": "buy.txt"}, "heldout": "test.txt"},
        ADJACENCY_ROWS,
    ),
    "adjacency reordered": (
        ADJACENCY,
        {
            "format": "adjacency",
            "inputs": {"buy": "buy.txt", "fav": "none.txt", "cart": "cart.txt"},
            "heldout": "test.txt",
            "behaviors": ("cart", "buy"),
        },
        [*ADJACENCY_ROWS[1:4], ADJACENCY_ROWS[0], ADJACENCY_ROWS[4]],
    ),
    "ehcf named": (
        {"c.csv": "uid\tsid\n1\t2\n", "b.csv": "uid\tsid\n1\t3\n", "test.csv": "uid\tsid\n1\t4\n"},
        {"format": "ehcf", "inputs": {"cart": "c.csv", "buy": "b.csv"}, "heldout": "test.csv"},
        [(1, 2, "cart", False), (1, 3, "buy", False), (1, 4, "buy", True)],
    ),
    "ehcf third column": (
        {"train.csv": "uid\tsid\tkind\n1\t2\tcart\n1\t3\tbuy\n", "test.csv": "uid\tsid\n1\t4\n"},
        {"format": "ehcf", "inputs": "train.csv", "heldout": "test.csv", "behaviors": ("cart", "buy")},
        [(1, 2, "cart", False), (1, 3, "buy", False), (1, 4, "buy", True)],
    ),
    "nmtr": (
        {
            "x-ipv.train.rating": "0\t5\t1\n",
            "x-buy.train.rating": "0\t4\t1\n",
            "x.test.rating": "0\t6\t1\n",
        },
        {"format": "nmtr", "inputs": "x"},
        [(0, 5, "view", False), (0, 4, "buy", False), (0, 6, "buy", True)],
    ),
    "nmtr named": (
        {"v": "0\t5\t1\n", "b": "0\t4\t1\n", "t": "0\t6\t1\n"},
        {"format": "nmtr", "inputs": {"view": "v", "buy": "b"}, "heldout": "t"},
        [(0, 5, "view", False), (0, 4, "buy", False), (0, 6, "buy", True)],
    ),
    "ijcai15": (
        {
            "u.csv": "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
            "1,2,3,4,,0511,0\n1,2,3,4,5,511,2\n1,7,3,4,5,1111,3\n1,9,3,4,5,1111,2\n"
        },
        {"format": "ijcai15"},
        [(1, 2, "view", 1399766400000), (1, 2, "buy", 1399766400000), (1, 9, "buy", 1415664000000)],
    ),
    "userbehavior": (
        {"u.csv": USERBEHAVIOR},
        {"format": "userbehavior"},
        [(1, 2, "view", 1511600000000), (10, 30, "buy", 1511600001000), (1, 30, "cart", 1511600002000)],
    ),
    "retailrocket": (
        {
            "e.csv": "timestamp,visitorid,event,itemid,transactionid\n"
            "1433221332117,25,view,35,\n1433221332118,25,addtocart,35,\n1433221332119,2,transaction,35,9\n"
        },
        {"format": "retailrocket"},
        [(25, 35, "view", 1433221332117), (25, 35, "cart", 1433221332118), (2, 35, "buy", 1433221332119)],
    ),
    "rees46": (
        {
            "o.csv": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,"
            "user_session\n"
            "2019-10-01 00:00:00 UTC,view,44,2,,,1.5,54,s\n2019-10-01 00:00:01 UTC,cart,44,2,a.b,,1.5,54,s\n"
            "2019-10-01 00:00:02 UTC,remove_from_cart,45,2,,,1.5,54,s\n"
            "2019-10-01 00:00:03 UTC,purchase,44,2,,,1.5,54,s\n"
        },
        {"format": "rees46"},
        [
            (54, 44, "view", 1569888000000),
            (54, 44, "cart", 1569888001000),
            (54, 44, "buy", 1569888003000),
        ],
    ),
    "recbole": (
        {
            "x.inter": "user_id:token\titem_id:token\ttype:token\ttimestamp:float\n"
            "a\t5\tview\t1.5e3\nb\t40\tbuy\t2\n"
        },
        {"format": "recbole", "behaviors": ("view", "buy"), "columns": {"behavior": "type"}},
        [("a", 5, "view", 1500000), ("b", 40, "buy", 2000)],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dress", ["plain", "crlf", "bom"])
def test_format(read, name, dress):
    files, options, expected = FORMATS[name]
    change = {
        "plain": lambda text: text,
        "crlf": lambda text: text.replace("\n", "\r\n"),
        "bom": lambda text: "\ufeff" + text,
    }[dress]
    events, report = read({file: change(text) for file, text in files.items()}, **options)
    assert rows(events) == expected
    assert events.users.tolist() == sorted({row[0] for row in expected})
    assert events.items.tolist() == sorted({row[1] for row in expected})
    assert not report["bad_rows"]


def test_report(read, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    late = "3,4,5,pv,1512316799\n3,4,5,pv,1512316800\n3,4,5,fav,7\n"
    files = {"a/u.csv": USERBEHAVIOR, "b/u.csv": late, "c.csv": USERBEHAVIOR}
    events, report = read(files, format="userbehavior")
    assert (len(events), report["rows_read"], report["impossible_times"]) == (7, 9, 1)
    assert report["ignored_rows"] == {"fav": 1}
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    assert {
        name: report["checksums"][key] for name, key in zip(files, report["checksums"], strict=True)
    } == sums
    assert list(report["checksums"])[:2] == ["a/u.csv", "b/u.csv"]
    events, report = read(files, format="userbehavior", impossible_times="keep")
    assert (len(events), report["impossible_times"]) == (8, 1)


def test_progress_counts_rows(tmp_path):
    (tmp_path / "u.csv").write_text(USERBEHAVIOR)
    seen: list[int] = []
    read_log(tmp_path / "u.csv", format="userbehavior", progress=seen.append)
    assert sum(seen) == 3


@pytest.mark.parametrize(
    ("text", "unit", "time", "stored"),
    [
        ("1500000000", "s", 1500000000000, "ms"),
        ("1500000000.001", "s", 1500000000001, "ms"),
        ("1.5e9", "s", 1500000000000, "ms"),
        ("-1", "s", -1000, "ms"),
        ("1500000000123", "ms", 1500000000123, "ms"),
        ("1500000000123456", "us", 1500000000123456, "us"),
        ("1500000000123456789", "ns", 1500000000123456789, "ns"),
        ("42891.5", "excel", 1496664000000, "ms"),
        ("-7", "order", -7, "order"),
        ("2024-05-01T12:30:00Z", "s", 1714566600000, "ms"),
        ("2024-05-01T12:30:00.1239999+02:00", "s", 1714559400123999900, "ns"),
        ("2024-05-01T12:30:00.5-0330", "s", 1714579200500, "ms"),
        ("2024-05-01 12:30:00 UTC", "s", 1714566600000, "ms"),
        ("2024-05-01 12:30:00", "s", 1714566600000, "ms"),
        ("2024-05-01T12:30+02", "s", 1714559400000, "ms"),
        ("2024-05-01 12", "s", 1714564800000, "ms"),
        ("2024-05-01T00", "s", 1714521600000, "ms"),
        ("2024/05/01 12:30", "s", 1714566600000, "ms"),
        ("2024-05-01", "s", 1714521600000, "ms"),
        ("01.05.2024 12:30", "s", 1714566600000, "ms"),
        ("1.5.2024", "s", 1714521600000, "ms"),
    ],
)
def test_times_of_a_log(read, text, unit, time, stored):
    zero = {"excel": "25569"}.get(unit, "0")
    log = f"user,item,behavior,timestamp\n5,6,view,{text}\n5,7,buy,{zero}\n"
    events, _ = read({"a.csv": log}, format="log", behaviors=("view", "buy"), time_unit=unit)
    assert events.timestamp.tolist() == [time, 0]
    assert events.time_unit == stored


def test_log_without_times_and_renamed_columns(read):
    columns = {"user": "u", "item": "i", "behavior": "b"}
    events, _ = read({"a.csv": "u,i,b\n1,2,x\n1,2,y\n"}, format="log", behaviors=("y", "x"), columns=columns)
    assert rows(events) == [(1, 2, "x"), (1, 2, "y")]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["10", "9"], [9, 10]),
        (["-3", "9"], [-3, 9]),
        (["007", "9"], ["007", "9"]),
        (["10", "9", "é", "a"], ["10", "9", "a", "é"]),
        (["-0", "1"], ["-0", "1"]),
        (["9" * 19, "1"], ["1", "9" * 19]),
        (['"a,""b"""', "B"], ["B", 'a,"b"']),
    ],
)
def test_ids_of_a_log(read, ids, expected):
    body = "".join(f"{user},1,{kind}\n" for user in ids for kind in ("v", "b"))
    # The ignored row's id is in no vocabulary, nor does it decide about integers.
    events, report = read(
        {"a.csv": f"user,item,behavior\nzzz,zzz,w\n{body}"},
        format="log",
        behaviors=("v", "b"),
        ignore_behaviors=("w",),
    )
    assert events.users.tolist() == expected
    assert events.users.dtype == (np.int64 if isinstance(expected[0], int) else object)
    assert events.items.tolist() == [1]
    assert report["ignored_rows"] == {"w": 1}


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_typed_parquet(read, zone):
    times = pd.DatetimeIndex([1714566600123456000, 1714608000000000000]).tz_localize(zone)
    table = {"user": [7, 3], "item": pd.Categorical(["a", "b"]), "behavior": ["v", "b"], "timestamp": times}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(table)), sink)
    events, _ = read({"a.parquet": sink.getvalue().to_pybytes()}, format="log", behaviors=("v", "b"))
    shift = 7200000000 if zone else 0  # Summer time is two hours ahead of UTC.
    assert rows(events) == [(7, "a", "v", 1714566600123456 - shift), (3, "b", "b", 1714608000000000 - shift)]
    assert events.time_unit == "us"


@pytest.mark.parametrize(
    ("name", "other"), [("log[1].parquet", "log1.parquet"), ("a*.parquet", "ab.parquet")]
)
def test_names_of_parquet_files_are_no_patterns(read, name, other):
    files = {}
    for path, user in ((name, 7), (other, 8)):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"user": [user, user], "item": [1, 2], "behavior": ["v", "b"]}), sink)
        files[path] = sink.getvalue().to_pybytes()
    events, _ = read(files, [name], format="log", behaviors=("v", "b"))
    assert rows(events) == [(7, 1, "v"), (7, 2, "b")]


def test_a_parquet_file_that_duckdb_does_not_take_is_one_line(read):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"user": [1], "item": [1], "behavior": ["v"], "file_row_number": [0]}), sink)
    message = error(read, {"a.parquet": sink.getvalue().to_pybytes()}, **TWO)
    assert message.startswith("a.parquet: cannot be read: ")
    assert "file_row_number" in message


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf8", "U8"])
def test_utf_8_by_all_its_names(read, encoding):
    log = "\ufeffuser,item,behavior\na,1,view\na,2,buy\n".encode() + b"\xff,2,view\n"
    events, report = read({"a.csv": log}, **TWO, encoding=encoding, on_bad_rows="skip")
    assert rows(events) == [("a", 1, "view"), ("a", 2, "buy")]
    assert sum(report["bad_rows"].values()) == 1


def test_gzip(read):
    events, _ = read({"a.csv.gz": gzip.compress(LOG.encode())}, format="log", behaviors=("view", "buy"))
    assert len(events) == 2


def test_random_log_equals_pandas(read):
    rng = np.random.default_rng(0)
    count = 3000
    frame = pd.DataFrame(
        {
            "item": rng.choice([f"i{n:03}" for n in range(300)], count),
            "user": rng.integers(-50, 10**6, count),
            "behavior": rng.choice(["view", "cart", "buy", "share"], count),
            "timestamp": rng.integers(0, 10**9, count),
        }
    )
    text = frame.to_csv(index=False)
    events, report = read(
        {"a.csv": text}, format="log", behaviors=("view", "buy"), ignore_behaviors=("cart", "share")
    )
    kept = frame[frame.behavior.isin(["view", "buy"])]
    user, users = pd.factorize(kept.user, sort=True)
    item, items = pd.factorize(kept.item, sort=True)
    assert events.users.tolist() == users.tolist()
    assert events.items.tolist() == items.tolist()
    np.testing.assert_array_equal(events.user, user)
    np.testing.assert_array_equal(events.item, item)
    np.testing.assert_array_equal(events.behavior, kept.behavior.eq("buy"))
    np.testing.assert_array_equal(events.timestamp, kept.timestamp * 1000)
    assert report["rows_read"] == len(kept) + sum(report["ignored_rows"].values()) == count


def test_bad_first_row_is_skipped(read):
    content = b"\xff,2,9,pv,1511600000\n" + USERBEHAVIOR.encode()
    assert error(read, {"u.csv": content}, format="userbehavior").startswith(
        "u.csv, line 1, column 'user_id'"
    )
    events, report = read({"u.csv": content}, format="userbehavior", on_bad_rows="skip")
    assert (len(events), report["bad_rows"]) == (3, {"expected UTF-8 text": 1})


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_quoted_and_unused_text(read, mark):
    # Only the columns that are needed have to be UTF-8.
    content = mark + b'"1","2",\xff,pv,1511600000\n1,3,"\xc3\xa9,",buy,1511600001\n1,4,,cart,1511600002\n'
    events, report = read({"u.csv": content}, format="userbehavior")
    assert [row[:3] for row in rows(events)] == [(1, 2, "view"), (1, 3, "buy"), (1, 4, "cart")]
    assert not report["bad_rows"]


@pytest.mark.parametrize("first", ["user", "fields"])
def test_bad_rows_in_many_blocks(read, monkeypatch, first):
    monkeypatch.setattr("nmtr_tf.data.logs.text.BLOCK_BYTES", 500)
    good, wrong = ["1,2,9,pv,1511600000", "1,2,9,buy,1511600000", "1,2,9,cart,1511600000"], ["", "1,2"]
    bad = ["x,2,9,pv,1511600000"]
    parts = [bad, wrong] if first == "user" else [wrong, bad]
    content = "\n".join([*good * 100, "", *parts[0], *good * 100, *parts[1], *good * 100])
    message = error(read, {"u.csv": content}, format="userbehavior")
    assert message.startswith(
        "u.csv, line 302, column 'user_id'" if first == "user" else "u.csv, line 303: expected 5 fields"
    )
    events, report = read({"u.csv": content}, format="userbehavior", on_bad_rows="skip")
    assert (len(events), report["rows_read"]) == (900, 902)
    assert report["bad_rows"] == {"expected a non-negative integer": 1, "expected 5 fields": 1}


BIG = "9" * 19
BAD_ROWS = [  # userbehavior row, place, expected, got
    ("x7,2,9,pv,1511600000", ", column 'user_id'", "a non-negative integer", "'x7'"),
    ("-1,2,9,pv,1511600000", ", column 'user_id'", "a non-negative integer", "'-1'"),
    ("1,,9,pv,1511600000", ", column 'item_id'", "a non-negative integer", "''"),
    ("1,0x1,9,pv,1511600000", ", column 'item_id'", "a non-negative integer", "'0x1'"),
    (f"1,{BIG},9,pv,1511600000", ", column 'item_id'", "a non-negative integer below 2**63", f"'{BIG}'"),
    ("1,2,9,pw,1511600000", ", column 'behavior_type'", "one of 'pv', 'buy', 'cart', 'fav'", "'pw'"),
    ("1,2,9,pv,soon", ", column 'timestamp'", "a time in s since 1970", "'soon'"),
    ("1,2,9,pv,99999999999999", ", column 'timestamp'", "a time in s since 1970", "'99999999999999'"),
    ("1,2,9", "", "5 fields", "3"),
    (b"\xff1,2,9,pv,1511600000", ", column 'user_id'", "UTF-8 text", r"b'\xff1'"),
    (b"1,2,\xff", "", "5 fields", "3"),
    ("1,2,é", "", "5 fields", "3"),
]


@pytest.mark.parametrize(("row", "place", "expected", "got"), BAD_ROWS)
def test_bad_row(read, row, place, expected, got):
    row = row if isinstance(row, bytes) else row.encode()
    # Line 1 to 3 are good, 4 and 5 blank; the last row is bad too but not the first.
    content = USERBEHAVIOR.encode() + b"\r\n\n" + row + b"\n" + USERBEHAVIOR.encode() + b"x,x,9,pv,1\n1\n"
    message = error(read, {"u.csv": content}, format="userbehavior")
    where = f"u.csv, line 6{place}: expected {expected}, got {got}"
    cure = "`on_bad_rows=skip` drops such rows"
    if got == "'pw'":
        cure = "unknown, with their rows: 'pw' 1; `ignore_behaviors=*` passes them over"
    assert message == f"{where} ({cure})"
    events, report = read({"u.csv": content}, format="userbehavior", on_bad_rows="skip")
    assert rows(events) == FORMATS["userbehavior"][2] * 2
    assert report["bad_rows"][f"expected {expected}"] >= 1
    assert sum(report["bad_rows"].values()) == 3
    assert report["rows_read"] == 9


@pytest.mark.parametrize(
    ("row", "place", "expected", "got"),
    [
        (",6,view,1", ", column 'user'", "an id", "''"),
        ("5,6,cart,1", ", column 'behavior'", "one of 'view', 'buy', or one in `ignore_behaviors`", "'cart'"),
        (
            "5,6,view,2024-02-30",
            ", column 'timestamp'",
            "a time in s since 1970 or as ISO-8601 text",
            "'2024-02-30'",
        ),
        ("5,6,view,", ", column 'timestamp'", "a time in s since 1970 or as ISO-8601 text", "''"),
    ],
)
def test_bad_row_of_a_log(read, row, place, expected, got):
    options = {"format": "log", "behaviors": ("view", "buy")}
    message = error(read, {"a.csv": f"{LOG}{row}\n"}, **options)
    assert message.startswith(f"a.csv, line 4{place}: expected {expected}, got {got} (")
    events, report = read({"a.csv": f"{LOG}{row}\n"}, **options, on_bad_rows="skip")
    assert (len(events), report["bad_rows"]) == (2, {f"expected {expected}": 1})


@pytest.mark.parametrize(
    ("line", "place", "expected", "got"),
    [
        (b"12 4 x7 5", ", field 3", "a non-negative integer", "'x7'"),
        (b"u 4", ", field 1", "a non-negative integer", "'u'"),
        (b"u", ", field 1", "a non-negative integer", "'u'"),
        (b" 3 -4", ", field 2", "a non-negative integer", "'-4'"),
        (b"3 " + BIG.encode(), ", field 2", "a non-negative integer below 2**63", f"'{BIG}'"),
        (b"3 \xff", "", "UTF-8 text", r"b'3 \xff'"),
    ],
)
def test_bad_line_of_adjacency(read, line, place, expected, got):
    files = {"b.txt": b"1 2\n\n2\n" + line + b"\ny\n", "c.txt": "1 2\n", "t.txt": "1 3\n"}
    options = {"format": "adjacency", "inputs": {"c": "c.txt", "b": "b.txt"}, "heldout": "t.txt"}
    message = error(read, files, **options)
    where = f"b.txt, line 4{place}: expected {expected}, got {got}"
    assert message == f"{where} (`on_bad_rows=skip` drops such rows)"
    events, report = read(files, **options, on_bad_rows="skip")
    assert rows(events) == [(1, 2, "c", False), (1, 2, "b", False), (1, 3, "b", True)]
    assert (report["rows_read"], sum(report["bad_rows"].values())) == (6, 2)


def test_bad_row_of_parquet(read):
    table = pa.table(
        {"user": ["a", "b\nc", None, "d"], "item": [1, 1, 1, 1], "behavior": ["v", "v", "b", "b"]}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    files = {"a.parquet": sink.getvalue().to_pybytes()}
    message = error(read, files, format="log", behaviors=("v", "b"))
    assert message.startswith(
        r"a.parquet, row 2, column 'user': expected an id without line breaks, got 'b\nc'"
    )
    events, report = read(files, format="log", behaviors=("v", "b"), on_bad_rows="skip")
    assert rows(events) == [("a", 1, "v"), ("d", 1, "b")]
    assert report["bad_rows"] == {"expected an id": 1, "expected an id without line breaks": 1}


@pytest.mark.parametrize(
    ("ids", "kind"),
    [(pa.array([1.0, 2.5]), "double"), (pa.array([True, False]), "bool")],
)
@pytest.mark.parametrize("name", ["user", "item"])
@pytest.mark.parametrize("distinct", [False, True])
def test_ids_of_parquet_are_text_or_integers(read, ids, kind, name, distinct):
    table = {"user": [1, 2], "item": [3, 4], "behavior": ["view", "buy"]}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(table | {name: ids.dictionary_encode() if distinct else ids}), sink)
    message = error(read, {"a.parquet": sink.getvalue().to_pybytes()}, **TWO)
    assert message == f"a.parquet, column '{name}': expected ids as text or integers, got {kind}"


LINES = {"v.txt": "1 2\n", "b.txt": "1 2\n", "t.txt": "1 3\n"}
SPLIT = {"format": "adjacency", "inputs": {"v": "v.txt", "b": "b.txt"}, "heldout": "t.txt"}
TWO = {"format": "log", "behaviors": ("view", "buy")}
NO_PARQUET = pa.BufferOutputStream()
pq.write_table(pa.table({"user": [1], "item": [[1]], "behavior": ["v"]}), NO_PARQUET)


@pytest.mark.parametrize(
    ("files", "options", "parts"),
    [
        ({}, {"inputs": "no.csv", "format": "userbehavior"}, ["no.csv", "does not exist"]),
        ({}, {"inputs": ".", "format": "userbehavior"}, [".: holds no files"]),
        ({}, {"inputs": "x", "format": "nmtr"}, ["x-ipv.train.rating: does not exist"]),
        ({"u.csv": ""}, {"format": "userbehavior"}, ["u.csv: no rows"]),
        ({"u.csv.gz": ""}, {"format": "userbehavior"}, ["u.csv.gz: no rows"]),
        ({"a.csv": ""}, TWO, ["a.csv: no rows"]),
        ({"a.csv": "user,item,behavior\n\n"}, TWO, ["a.csv: no rows"]),
        (LINES | {"b.txt": ""}, SPLIT, ["b.txt: no rows"]),
        (LINES | {"t.txt": "1\n"}, SPLIT, ["`heldout`: no rows left"]),
        (LINES | {"b.txt": "1\n"}, SPLIT, ["behavior 'b': no rows left"]),
        (LINES | {"b.txt": " \n"}, SPLIT, ["behavior 'b': no rows left"]),
        (LINES | {"b.txt": b"\xff\n"}, SPLIT | {"on_bad_rows": "skip"}, ["behavior 'b': no rows left"]),
        (
            {"a.csv": "\nuser,x,behavior\n1,2,v\n"},
            TWO,
            ["a.csv, line 2: ", "'item'", "'user', 'x', 'behavior'", "`columns` tells"],
        ),
        (
            {"e.csv": "uid\tsid\n1\t2\n"},
            {"format": "ehcf", "behaviors": ("v", "b"), "inputs": "e.csv", "heldout": "e.csv"},
            ["e.csv, line 1: expected one column 3 with the behavior, got 'uid', 'sid'"],
        ),
        ({"a.csv": "user,user,item,behavior\n1,1,2,v\n"}, TWO, ["one column 'user'"]),
        ({"a.csv": LOG}, TWO | {"columns": {"timestamp": "when"}}, ["'when'"]),
        (
            {"a.csv": LOG, "b.csv": "user,item,behavior\n1,2,view\n"},
            TWO,
            ["only some of the files have times"],
        ),
        ({"a.csv": LOG}, TWO | {"columns": {"price": "p"}}, ["columns", "'user', 'item'", "'price'"]),
        ({"u.csv": USERBEHAVIOR}, {"format": "userbehavior", "columns": {"user": "p"}}, ["are fixed"]),
        ({"a.doc": LOG}, TWO, ["a.doc", "'.csv'", "'.parquet'"]),
        ({"a.csv": LOG.encode("utf-16")}, TWO, ["a.csv, line 1: expected UTF-8 text"]),
        ({"a.csv": LOG}, {"format": "lag"}, ["`format` should name", "log, adjacency", "'lag'"]),
        ({"a.csv": LOG}, TWO | {"time_unit": "h"}, ["`time_unit`", "'s', 'ms', 'us', 'ns'", "'h'"]),
        ({"a.csv": LOG}, TWO | {"on_bad_rows": "x"}, ["`on_bad_rows`", "'error', 'skip'"]),
        ({"a.csv": LOG}, TWO | {"impossible_times": "x"}, ["`impossible_times`", "'drop', 'keep'"]),
        ({"a.csv": LOG}, {"format": "log"}, ["`behaviors`", "one or more", "none"]),
        (
            {"a.csv": LOG},
            TWO | {"behaviors": ("buy",)},
            ["one of 'buy', or", "'view' 1; `ignore_behaviors=*`"],
        ),
        ({"a.csv": LOG}, TWO | {"behaviors": ("buy", "buy")}, ["different", "'buy', 'buy'"]),
        ({"a.csv": LOG}, TWO | {"ignore_behaviors": ("buy",)}, ["`ignore_behaviors`: 'buy' is among"]),
        ({"a.csv": LOG}, TWO | {"behaviors": ("view", "buy", "x")}, ["behavior 'x': no rows left"]),
        (
            {"u.csv": USERBEHAVIOR},
            {"format": "userbehavior", "behaviors": ("click", "buy")},
            ["`behaviors`: ", "has 'view', 'buy', 'cart', 'fav' here", "'click'"],
        ),
        (LINES, SPLIT | {"behaviors": ("v", "c")}, ["'v', 'b'", "Received: 'c'"]),
        (LINES, SPLIT | {"heldout": None}, ["`heldout` is needed", "'adjacency' comes split"]),
        ({"a.csv": LOG}, TWO | {"heldout": "b.csv"}, ["b.csv: does not exist"]),
        ({"a.csv": LOG}, TWO | {"inputs": {"view": "a.csv"}}, ["'log' has 'view' here. Received: 'buy'"]),
        (LINES, SPLIT | {"inputs": ["v.txt", "b.txt"]}, ["takes a file for each behavior", "'v.txt, b.txt'"]),
        (LINES, SPLIT | {"inputs": pd.DataFrame()}, ["'adjacency' is of files", "a data frame"]),
        ({}, TWO | {"inputs": 7}, ["a file or files, or a pandas DataFrame. Received: int"]),
        ({"a.csv": LOG}, {"behaviors": "buy"}, ["`behaviors` should be a list of names. Received: 'buy'"]),
        ({"a.csv": LOG}, {"behaviors": (0, 1)}, ["`behaviors` should be a list of names. Received: (0, 1)"]),
        ({"a.parquet": b"PAR1 no"}, TWO, ["a.parquet: cannot be read"]),
        ({"a.parquet": NO_PARQUET.getvalue().to_pybytes()}, TWO, ["a.parquet", "'item'", "list"]),
        ({"a.csv.gz": b"no gzip"}, TWO, ["a.csv.gz: cannot be read"]),
        ({"a.csv.gz": gzip.compress(LOG.encode())[:-9]}, TWO, ["a.csv.gz: cannot be read"]),
        ({"a.csv": "user,item,behavior\n1,2\n"}, TWO | {"on_bad_rows": "skip"}, ["no rows left of 1 read"]),
    ],
)
def test_bad_input(read, files, options, parts):
    message = error(read, files, **options)
    assert [part for part in parts if part not in message] == [], message
