"""Logs whose rows hold lists and objects: JSON lines and Parquet files."""

import json
from typing import Any

import pandas as pd
import pytest

from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.errors import InputError

TWO: dict[str, Any] = {"behaviors": ("view", "buy")}


def rows(events: Events) -> list[tuple]:
    kinds = [events.behaviors[code] for code in events.behavior]
    return list(
        zip(events.users[events.user].tolist(), events.items[events.item].tolist(), kinds, strict=True)
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


def error(source, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_log(source, **options)
    return str(caught.value)


ITEMS = [{"kind": "buy"}, {"id": "b"}, {"id": "c", "kind": "view"}]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_fields_of_an_element_stay_together(folder, kind):
    rows_of = [{"user": "u1", "items": ITEMS}, {"user": "u2", "items": [{"id": "b", "kind": "buy"}]}]
    if kind == "jsonl":
        write(folder / "log.jsonl", "\n".join(map(json.dumps, rows_of)))
    else:
        pd.DataFrame(rows_of).to_parquet(folder / "log.parquet")
    columns = {"item": "items[].id", "behavior": "items[].kind"}
    assert "expected an id, got ''" in error(f"log.{kind}", columns=columns, **TWO)
    events = read_log(f"log.{kind}", columns=columns, on_bad_rows="skip", **TWO)
    assert rows(events) == [("u1", "c", "view"), ("u2", "b", "buy")]
    assert sum(events.origin["bad_rows"].values()) == 2


def test_lists_in_lists_and_side_by_side(folder):
    orders = [
        {"kind": "view", "items": [{"id": 1}, {"id": 2}]},
        {"kind": "buy", "items": [{"id": 2}]},
        {"kind": "buy", "items": []},
        None,
    ]
    write(folder / "log.jsonl", json.dumps({"user": "ann", "orders": orders}))
    columns = {"item": "orders[].items[].id", "behavior": "orders[].kind"}
    events = read_log("log.jsonl", columns=columns, on_bad_rows="skip", **TWO)
    assert rows(events) == [("ann", 1, "view"), ("ann", 2, "view"), ("ann", 2, "buy")]
    assert events.origin["bad_rows"] == {"expected an id": 1}  # rows of the file
    write(folder / "log.jsonl", json.dumps({"user": "ann", "ids": [[1], [2, 3]], "kinds": ["view", "buy"]}))
    columns = {"item": "ids[][]", "behavior": "kinds[]"}
    events = read_log("log.jsonl", columns=columns, **TWO)
    assert rows(events) == [("ann", 1, "view"), ("ann", 2, "buy"), ("ann", 3, "buy")]


@pytest.mark.parametrize("key", ["item.id", "item[]", "item/id", "item~1", 'it"em', "*", "item[].id"])
def test_keys_that_look_like_paths(folder, key):
    lines = [{"user": "ann", key: 7, "behavior": name, "item": [{"id": 8}]} for name in ("view", "buy")]
    write(folder / "log.jsonl", "\n".join(map(json.dumps, lines)))
    events = read_log("log.jsonl", columns={"item": key}, **TWO)
    assert rows(events) == [("ann", 7, "view"), ("ann", 7, "buy")]


@pytest.mark.parametrize("value", [["x"], {"a": 1}, []])
@pytest.mark.parametrize("role", ["user", "item"])
def test_objects_and_lists_are_no_ids(folder, role, value):
    good = [{"user": "ann", "item": "tea", "behavior": name} for name in ("view", "buy")]
    write(folder / "log.jsonl", "\n".join(map(json.dumps, [*good, good[1] | {role: value}])))
    assert error("log.jsonl", **TWO).startswith(
        f"log.jsonl, line 3, column '{role}': expected text or a number in a JSON object, got '{{\"user"
    )
    events = read_log("log.jsonl", on_bad_rows="skip", **TWO)
    assert rows(events) == [("ann", "tea", "view"), ("ann", "tea", "buy")]
    assert events.origin["bad_rows"] == {"expected text or a number in a JSON object": 1}


def test_objects_and_lists_are_no_ids_in_parquet(folder):
    items = [[{"id": {"a": 1}, "tags": ["x"], "json": 3}], [{"id": {"a": 2}, "tags": ["y"], "json": 4}]]
    frame = pd.DataFrame({"user": "ann", "items": items, "behavior": ["view", "buy"], "json": 1})
    frame.to_parquet(folder / "log.parquet")
    for path, kind in (("items[].id", "struct<a: int64>"), ("items[].tags", "list<element: string>")):
        assert error("log.parquet", columns={"item": path}, **TWO) == (
            f"log.parquet, column '{path}': expected text or numbers, got {kind}"
        )
    for path, ids in (("items[].id.a", [1, 2]), ("items[].tags[]", ["x", "y"]), ("items[].json", [3, 4])):
        events = read_log("log.parquet", columns={"item": path, "user": "json"}, **TWO)
        assert rows(events) == [(1, ids[0], "view"), (1, ids[1], "buy")]


def test_the_element_that_is_bad_is_shown(folder):
    for kinds, shown in (("buy", "huh"), "'huh' (unknown"), (("view", ["x"]), "'{\"user"):
        items = [{"id": "tea", "kind": kind} for kind in kinds]
        write(folder / "log.jsonl", json.dumps({"user": "ann", "items": items}))
        message = error("log.jsonl", columns={"item": "items[].id", "behavior": "items[].kind"}, **TWO)
        assert f", got {shown}" in message
    write(folder / "wide.csv", "user,item,views,bought\nann,tea,1,many\n")
    assert "expected a count, got 'many'" in error("wide.csv", wide=["views", "bought"])
