"""Log formats of one's own."""

import json

import pandas as pd
import pytest

from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.formats import FORMATS, Format, register_format
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.errors import InputError

CLICKS = Format(
    delimiter="|",
    user="who",
    item="what",
    behavior="how",
    timestamp="when",
    behaviors={"c": "click", "o": "order"},
    default_behaviors=("click", "order"),
    ignored_behaviors=("share",),
    time="ms",
)


@pytest.fixture(autouse=True)
def _only_here(monkeypatch):
    monkeypatch.setattr(FORMATS, "_parts", dict(FORMATS))


def rows(events: Events) -> list[tuple]:
    kinds = [events.behaviors[code] for code in events.behavior]
    return list(
        zip(events.users[events.user].tolist(), events.items[events.item].tolist(), kinds, strict=True)
    )


def test_registered_format(tmp_path):
    (tmp_path / "log.txt").write_text("when|who|what|how\n5|1|10|c\n6|1|10|o\n7|2|10|share\n8|2|20|c\n")
    assert register_format("clicks", CLICKS) is CLICKS
    events = read_log(tmp_path / "log.txt", format="clicks")
    assert rows(events) == [(1, 10, "click"), (1, 10, "order"), (2, 20, "click")]
    assert events.timestamp is not None
    assert events.timestamp.tolist() == [5, 6, 8]
    assert events.origin["source"] == "clicks"
    assert events.origin["ignored_rows"] == {"share": 1}
    with pytest.raises(InputError, match=r"has 'click', 'order' here\. Received: 'view'"):
        read_log(tmp_path / "log.txt", format="clicks", behaviors=("view", "order"))


def test_format_has_to_be_registered_first(tmp_path):
    with pytest.raises(InputError) as caught:
        read_log(tmp_path / "log.txt", format="clicks")
    assert str(caught.value).startswith("`format` should name a known log format: log, adjacency, ")
    assert str(caught.value).endswith("Received: 'clicks'.")


def json_lines(path) -> pd.DataFrame:
    return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])


LINES = Format(
    user="user", item="item", behavior="behavior", id_type="any", free_columns=True, read=json_lines
)


def test_format_with_a_reader_of_its_own(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"user": "ann", "item": 7, "behavior": "view"}\n{"user": "bob", "item": 7, "behavior": "buy"}\n'
    )
    register_format("json_lines", LINES)
    events = read_log(path, format="json_lines", behaviors=("view", "buy"))
    assert rows(events) == [("ann", 7, "view"), ("bob", 7, "buy")]
    assert list(events.origin["checksums"]) == ["log.jsonl"]
    path.write_text('{"item": 7, "behavior": "view"}\n{"user": "ann", "item": 7, "behavior": "buy"}\n')
    with pytest.raises(InputError) as caught:
        read_log(path, format="json_lines", behaviors=("view", "buy"))
    assert str(caught.value).startswith(f"{path}, row 1, column 'user': expected an id, got ''")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (json_lines, "cannot be read: Expecting value"),
        (lambda path: pd.read_csv(path.with_suffix(".no")), "cannot be read: "),
        (lambda path: [1, 2], "expected a pandas DataFrame from `read` of its format, got list"),
    ],
)
def test_reader_that_fails(tmp_path, read, message):
    path = tmp_path / "log.jsonl"
    path.write_text("no json\n")
    register_format("json_lines", Format(behavior="behavior", read=read))
    with pytest.raises(InputError) as caught:
        read_log(path, format="json_lines", behaviors=("view", "buy"))
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"time": "h"}, "`time` should be None or one of s, ms, mmdd, utc, unit, any. Received: 'h'."),
        ({"id_type": "str"}, "`id_type` should be 'int' or 'any'. Received: 'str'."),
    ],
)
def test_bad_format(fields, message):
    with pytest.raises(InputError) as caught:
        Format(**fields)
    assert str(caught.value) == message
