"""Columns of whole numbers, and ids that are close to each other, are read faster: to the same end."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nmtr_tf.data import sql
from nmtr_tf.data.logs import gathering
from nmtr_tf.data.logs.cells import latin_as_utf8, whole_numbers
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.errors import InputError

FORMAT: dict[str, Any] = {"format": "userbehavior", "behaviors": ("view", "buy")}
TIME = 1511600000


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["0", "7", "10", "9223372036854775807"], [0, 7, 10, 2**63 - 1]),
        ([], []),
        (["1", "9223372036854775808"], None),
        (["1", "01"], None),
        (["0", "00"], None),
        (["1", "-1"], None),
        (["1", "+1"], None),
        (["1", " 1"], None),
        (["1", "1.0"], None),
        (["1", "1e2"], None),
        (["1", "0x1F"], None),
        (["1", "1_0"], None),
        (["1", "٣"], None),
        (["1", ""], None),
        (["1", None], None),
    ],
)
def test_whole_numbers(texts, numbers):
    found = whole_numbers(pa.array(texts, pa.string()))
    assert (None if found is None else found.to_pylist()) == numbers
    if found is not None:
        assert found.cast(pa.string()).to_pylist() == texts


@pytest.mark.parametrize("raw", [b"plain", b"", b"caf\xe9", bytes(range(256))])
def test_latin_as_utf8(raw):
    assert latin_as_utf8(pa.py_buffer(raw)).decode() == raw.decode("latin-1")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file that is read in batches of a few lines."""
    monkeypatch.setattr("nmtr_tf.data.logs.text.BLOCK_BYTES", 200)
    return tmp_path / "log.csv"


def good(count: int) -> list[str]:
    return [f"{n % 7 + 1},{n % 5},3,{'buy' if n % 3 else 'pv'},{TIME + n}" for n in range(count)]


@pytest.mark.parametrize(
    ("bad", "column", "got", "expected"),
    [
        ("x,3,3,pv,1511600000", "user_id", "'x'", "a non-negative integer"),
        ("1,9223372036854775808,3,pv,1511600000", "item_id", "'9223372036854775808'", "below 2**63"),
        ("1,2,3,pv,soon", "timestamp", "'soon'", "a time in s since 1970"),
        ("1,2,3,pv,09300000000", "timestamp", "'09300000000'", "a time in s since 1970"),
        ("1,2,3,pv,9300000000", "timestamp", "'9300000000'", "a time in s since 1970"),
        ("1,2,3,seen,1511600000", "behavior_type", "'seen'", "one of 'pv'"),
    ],
)
def test_a_bad_cell_after_many_good_ones(path, bad, column, got, expected):
    path.write_text(lines(*good(60), bad, *good(3)))
    with pytest.raises(InputError) as caught:
        read_log(path, **FORMAT)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 61, column '{column}': expected ")
    assert f", got {got} " in message
    assert expected in message


def test_what_is_no_whole_number_as_one_writes_it_may_come_late(path):
    path.write_text(lines(*good(60), f"0001,02,3,pv,0{TIME}"))
    events = read_log(path, **FORMAT)
    assert (events.users[events.user[-1]], events.items[events.item[-1]]) == (1, 2)
    assert events.timestamp is not None
    assert events.timestamp.tolist()[-2:] == [1000 * (TIME + 59), 1000 * TIME]
    assert events.users[events.user[:60]].tolist() == [n % 7 + 1 for n in range(60)]


def test_ids_that_may_be_any_text_stay_texts(path):
    start = ["user,item,behavior,timestamp", *(f"{n % 3},{n % 4},view,{TIME + n}" for n in range(40))]
    path.write_text(lines(*start, f"0,1,buy,{TIME}", f"007,x,buy,{TIME}"))
    events = read_log(path, behaviors=("view", "buy"))
    assert events.users.tolist() == ["0", "007", "1", "2"]
    assert events.items.tolist() == ["0", "1", "2", "3", "x"]


def test_whole_numbers_as_texts_of_a_time_format(path):
    path.write_text(lines("user,item,behavior,timestamp", "1,2,view,20240501", "1,3,buy,20240502"))
    events = read_log(path, behaviors=("view", "buy"), time_format="%Y%m%d")
    assert events.timestamp is not None
    days = events.timestamp.astype("datetime64[ms]").astype("datetime64[D]")
    assert days.astype(str).tolist() == ["2024-05-01", "2024-05-02"]


@pytest.mark.parametrize("largest", [99, 10**17, 10**18, 2**63 - 1])
def test_ids_far_from_each_other_are_numbered_the_same(path, monkeypatch, largest):
    rows = good(30)
    rows[11] = rows[11].replace("5,1,", f"{largest},1,", 1)
    path.write_text(lines(*rows))
    events = read_log(path, **FORMAT)
    monkeypatch.setattr(gathering, "_SMALL_SPAN", 0)
    joined = read_log(path, **FORMAT)
    for found in (events, joined):
        assert found.users.dtype == np.int64
        assert found.users.tolist() == sorted({int(row.split(",")[0]) for row in rows})
        assert [str(one) for one in found.users[found.user]] == [row.split(",")[0] for row in rows]
        assert [str(one) for one in found.items[found.item]] == [row.split(",")[1] for row in rows]
    assert events.items.dtype == joined.items.dtype == np.int64


@pytest.mark.parametrize(
    ("places", "ordered"),
    [
        ([(0, 0), (0, 5), (1, 0), (1, 1)], True),
        ([], True),
        ([(0, 0), (0, 0)], False),
        ([(0, 1), (0, 0)], False),
        ([(1, 0), (0, 1)], False),
    ],
)
def test_order_is_looked_at(places, ordered):
    with sql.session() as connection:
        connection.execute("CREATE TABLE log (source INTEGER, row BIGINT)")
        for place in places:
            connection.execute("INSERT INTO log VALUES (?, ?)", place)
        assert gathering._is_in_order(connection) is ordered


def test_rows_of_several_behaviors_come_in_the_order_of_these(path):
    # The columns are named the other way round, so that rows have to be sorted.
    path.write_text(lines("user,item,buys,views", "1,5,1,1", "2,5,0,1", "2,6,1,2"))
    events = read_log(path, behaviors=("views", "buys"), wide=("buys", "views"))
    assert events.behavior.tolist() == [0, 1, 0, 0, 1]
    assert events.users[events.user].tolist() == [1, 1, 2, 2, 2]
