"""Entries of files are checked by their types, and messages name what is wrong."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.schema import checked, checksum, of_class, one_of, reading

KINDS: dict[str, Any] = {
    "text": str,
    "whole": int,
    "number": float | None,
    "names": tuple[str, ...],
    "rows": Mapping[str, Mapping[str, int]],
    "curve": Sequence[float],
    "choice": one_of(("a", "b")),
    "anything": Any,
}
GOOD: dict[str, Any] = {
    "text": "x",
    "whole": 3,
    "number": 2,
    "names": ["a", "b"],
    "rows": {"buy": {"train": 1}},
    "curve": [0.5, 1],
    "choice": "a",
    "anything": [{}],
}


def test_good_entries_come_back_with_tuples():
    assert checked("f.json", GOOD, KINDS) == {**GOOD, "names": ("a", "b")}
    assert checked("f.json", {**GOOD, "number": None}, KINDS)["number"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": 3}, "the entry 'text' should be a text. Received: 3."),
        ({"whole": 3.0}, "the entry 'whole' should be a whole number. Received: 3.0."),
        ({"whole": True}, "the entry 'whole' should be a whole number. Received: True."),
        ({"whole": 10**30}, "the entry 'whole' should be a whole number. Received: 1000"),
        ({"number": "2"}, "the entry 'number' should be a finite number or null. Received: '2'."),
        ({"number": float("inf")}, "the entry 'number' should be a finite number or null. Received: inf."),
        ({"number": 10**400}, "the entry 'number' should be a finite number or null. Received: 1000"),
        ({"names": "ab"}, "the entry 'names' should be a list, each a text. Received: 'ab'."),
        ({"names": ["a", None]}, "the entry 'names[1]' should be a text. Received: None."),
        (
            {"rows": {"buy": {"train": "1"}}},
            "the entry 'rows.buy.train' should be a whole number. Received: '1'.",
        ),
        ({"rows": []}, "the entry 'rows' should be an object of names and values"),
        ({"curve": [0.1, []]}, "the entry 'curve[1]' should be a finite number. Received: []."),
        ({"choice": "c"}, "the entry 'choice' should be one of 'a', 'b'. Received: 'c'."),
        ({"colour": 1}, "the entry 'colour' is unknown; expected text, whole, number"),
        ({"text": "x" * 99, "whole": "y" * 99}, "Received: 'yyy"),
    ],
)
def test_unfit_entries_are_named(changes, message):
    with pytest.raises(InputError) as error:
        checked("f.json", {**GOOD, **changes}, KINDS)
    assert str(error.value).startswith("f.json: ")
    assert message in str(error.value)
    assert len(str(error.value)) < 150


@pytest.mark.parametrize("entries", [None, [], "x", 3])
def test_what_is_no_object(entries):
    with pytest.raises(InputError, match=r"f\.json: expected a JSON object with entries\. Received: "):
        checked("f.json", entries, KINDS)


def test_missing_and_further_entries():
    with pytest.raises(InputError, match="the entry 'text' is missing; expected a text"):
        checked("f.json", {}, KINDS)
    assert checked("f.json", {}, KINDS, KINDS) == {}
    assert checked("f.json", {"a": 1}, {}, others=int) == {"a": 1}
    with pytest.raises(InputError, match="the entry 'a' should be a whole number"):
        checked("f.json", {"a": "x"}, {}, others=int)


def test_types_of_a_dataclass():
    @dataclasses.dataclass
    class Point:
        x: int
        y: float = 0.0
        names: list[str] = dataclasses.field(default_factory=list)

    assert of_class(Point) == ({"x": int, "y": float, "names": list[str]}, {"y", "names"})


def test_a_checksum_is_of_the_content_not_of_the_layout():
    assert checksum({"a": 1, "b": [2]}) == checksum({"b": [2], "a": 1})
    assert checksum({"a": 1}) != checksum({"a": 2})


def test_reading_answers_in_one_line_and_keeps_what_the_system_says():
    with pytest.raises(InputError, match=r"^f: damaged: KeyError 'x'; do this\.$"), reading("f", "do this"):
        raise KeyError("x")
    with pytest.raises(PermissionError), reading("f", "do this"):
        raise PermissionError(13, "Permission denied", "f")
    with pytest.raises(InputError, match="as it was"), reading("f", "do this"):
        raise InputError("as it was")
