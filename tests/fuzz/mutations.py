"""Ways in which files differ from what they should be: bytes and JSON that are drawn."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

_WORDS = st.sampled_from(
    ["", "buy", "view", "banana", "../x", "nan", "null", "-1", "1e999", "\x1b[0m", "\ud800", "a\nb"]
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 10**400]),
    st.floats(allow_nan=True, allow_infinity=True),
    _WORDS,
    st.text(max_size=8),
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def changed_bytes(draw, content: bytes) -> bytes:
    """Some bytes flipped, cut off, put in or taken from elsewhere."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(found) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "flip", "cut", "insert", "remove", "repeat"]))
        if kind == "flip" and found:
            found[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del found[place:]
        elif kind == "insert":
            found[place:place] = draw(st.binary(max_size=6))
        elif kind == "remove":
            del found[place : place + draw(st.integers(1, 40))]
        else:
            found[place:place] = found[place : place + draw(st.integers(1, 40))]
    return bytes(found)


def _places(value: Any, path: tuple = ()) -> list[tuple]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, part in parts for one in _places(part, (*path, key)))]


@st.composite
def changed_json(draw, content: bytes) -> bytes:
    """Entries replaced, removed or added, anywhere."""
    value = [copy.deepcopy(json.loads(content))]
    for _ in range(draw(st.integers(1, 2))):
        path = (0, *draw(st.sampled_from(_places(value[0]))))
        outer, last = path[:-1], path[-1]
        place: Any = value
        for key in outer:
            place = place[key]
        kind = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if kind == "replace" or not outer:
            place[last] = draw(VALUES)
        elif kind == "remove":
            del place[last]
        elif isinstance(place, dict):
            place[draw(_WORDS)] = draw(VALUES)
        else:
            place.append(draw(VALUES))
    return json.dumps(value[0]).encode()


def changed(content: bytes, is_json: bool) -> st.SearchStrategy[bytes]:
    """Either of the two."""
    return changed_json(content) | changed_bytes(content) if is_json else changed_bytes(content)


_FIELDS = st.one_of(
    st.sampled_from(
        ["1", "-1", "", "buy", "view", "a", "2020-01-01", "1577836800", "1e400", "\x00", '"', "=1", "中"]
    ),
    st.integers(-(10**20), 10**20).map(str),
    st.text(max_size=6),
)
_GOOD = st.tuples(
    st.sampled_from("123"),
    st.sampled_from("456"),
    st.sampled_from(["view", "buy"]),
    st.sampled_from(["10", "20"]),
).map(list)
_ROWS = st.lists(_GOOD | _GOOD | _GOOD | st.lists(_FIELDS, max_size=6), max_size=12)
_OBJECTS = st.lists(
    st.fixed_dictionaries({"user": st.integers(1, 3), "item": st.integers(4, 6), "behavior": st.just("buy")})
    | VALUES,
    max_size=6,
)


@st.composite
def text_files(draw) -> bytes:
    """Rows of fields, with a header that may be right, and bytes that may be no text."""
    delimiter = draw(st.sampled_from([",", ",", "\t", ";", " ", "::"]))
    header = draw(st.sampled_from(["user,item,behavior,timestamp", "user,item", "user,item,behavior", ""]))
    lines = [header.replace(",", delimiter), *(delimiter.join(row) for row in draw(_ROWS))]
    if draw(st.integers(0, 5)) == 0:
        lines = list(map(json.dumps, draw(_OBJECTS)))
    text = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])).join(lines)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-8-sig"]))
    content = text.encode(encoding, "surrogatepass")
    return draw(changed_bytes(content)) if draw(st.integers(0, 4)) == 0 else content
