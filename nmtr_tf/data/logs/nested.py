"""Texts at places such as a.b and items[].id in JSON, whose lists give a row for each of their elements."""

import itertools
from collections.abc import Collection, Sequence

from nmtr_tf.data import sql

Place = tuple[str, ...]
"""JSON pointers, of each list into the element of the one before; the last is of the text."""


def place_of(name: str, keys: Collection[str] = ()) -> Place:
    """Where a name leads: to the key that it is, or along the path that it spells."""
    if name in keys:
        return (_pointer(name),)
    pointers = [""]
    for part in name.split("."):
        key = part
        while key.endswith("[]"):
            key = key.removesuffix("[]")
        pointers[-1] += _pointer(key)
        pointers += [""] * ((len(part) - len(key)) // 2)
    return tuple(pointers)


def texts_at(places: Sequence[Place], table: str, json: str) -> tuple[str, list[str]]:
    """What to select for the texts at some places.

    Each list is unnested once, so that its element has all that is read of it in one row; lists side by side
    go by their positions.

    Args:
        places: See `Place`.
        table: What has the JSON, in SQL.
        json: Its column, of JSON; null: there is none.

    Returns:
        The table with a row for each element; and of each place an expression: its text, "" where there is
        none, null where an object or a list is.
    """
    found = {place[:depth] for place in places for depth in range(1, len(place))}
    lists = sorted(found, key=lambda one: (len(one), one))
    roots = {(): json} | {one: sql.name(f"nmtr element {n}") for n, one in enumerate(lists)}
    for _, together in itertools.groupby(lists, len):
        columns = [f"unnest({_elements(roots[one[:-1]], one[-1])}) AS {roots[one]}" for one in together]
        table = f"(SELECT *, {', '.join(columns)} FROM {table})"
    return table, [_text(roots[place[:-1]], place[-1]) for place in places]


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _elements(json: str, pointer: str) -> str:
    """The elements of a list; one that is null where there are none: a missing value, not a missing row."""
    found = f"json_extract({json}, {sql.literal(pointer)})"
    return f"CASE WHEN json_array_length({found}) > 0 THEN {found}::JSON[] ELSE [NULL::JSON] END"


def _text(json: str, pointer: str) -> str:
    place = sql.literal(pointer)
    is_one = f"coalesce(json_type({json}, {place}), '') NOT IN ('OBJECT', 'ARRAY')"
    return f"CASE WHEN {is_one} THEN coalesce(json_extract_string({json}, {place}), '') END"
