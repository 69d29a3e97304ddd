"""A TOML file that describes the sources of a log: a table [[source]] for each, see data/README.md."""

import dataclasses
import difflib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nmtr_tf.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclasses.dataclass(frozen=True)
class Description:
    """What a file says of one source.

    Attributes:
        where: The file and the line of the table, for messages.
        files: Paths, folders and patterns, from the folder of the description.
        behavior: Of all its rows; None: a column tells.
        options: What else is said of how to read it: fields of `ReadOptions`.
        heldout: Its rows are held-out rows of the target.
    """

    where: str
    files: tuple[str, ...]
    behavior: str | None
    options: Mapping[str, Any]
    heldout: bool


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TEXT = ("a text", _is_text)
_TEXTS = ("a list of texts", _are_texts)
_KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "file": ("a path or a list of paths", lambda value: _is_text(value) or _are_texts(value)),
    "behavior": _TEXT,
    "heldout": ("true or false", lambda value: isinstance(value, bool)),
    "columns": (
        "a table such as {user = 'customer'}",
        lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    ),
    "header": _TEXTS,
    "delimiter": _TEXT,
    "encoding": _TEXT,
    "time_unit": _TEXT,
    "time_format": _TEXT,
    "wide": _TEXTS,
    "thresholds": (
        "a table such as {liked = 4}",
        lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    ),
}
"""What a table may say: in words, and whether a value is such."""
_OWN = ("file", "behavior", "heldout")  # the others are options of reading


def read_descriptions(path: Path) -> list[Description]:
    """Reads a description.

    Raises:
        InputError: If it is missing or not TOML, or says something that is unknown or of the wrong kind.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        found = tomllib.loads(text)
    except FileNotFoundError:
        raise InputError(f"{path}: does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected TOML that describes the sources of a log: {error}") from None
    for name in found:
        if name != "source":
            raise InputError(
                f"{path}{_line(text, 0, name)}: expected a table [[source]] for each source, got {name!r}"
            )
    tables = found.get("source", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{path}: expected a table [[source]] for each source, with a `file`")
    return [_description(path, text, number, table) for number, table in enumerate(tables, 1)]


def _description(path: Path, text: str, number: int, table: Mapping[str, Any]) -> Description:
    for name, value in table.items():
        where = f"{path}{_line(text, number, name)}"
        if name not in _KEYS:
            close = difflib.get_close_matches(name, _KEYS, 1)
            hint = f"{close[0]!r}, perhaps" if close else f"one of {', '.join(_KEYS)}"
            raise InputError(f"{where}: {name!r} says nothing of a source; expected {hint}")
        expected, fits = _KEYS[name]
        if not fits(value):
            raise InputError(f"{where}: {name!r} should be {expected}. Received: {value!r}.")
    where = f"{path}{_line(text, number)}"
    if "file" not in table:
        raise InputError(f"{where}: expected a `file` of the source, a path or a pattern")
    options = {name: value for name, value in table.items() if name not in _OWN}
    telling = [name for name in ("behavior", "heldout", "wide", "thresholds") if table.get(name)]
    if len(telling) > 1:
        raise InputError(f"{where}: {telling[0]!r} and {telling[1]!r} exclude each other; give one of them")
    files = table["file"] if isinstance(table["file"], list) else [table["file"]]
    options |= {name: tuple(options[name]) for name in ("header", "wide") if name in options}
    paths = tuple(str(path.parent / file) for file in files)
    return Description(where, paths, table.get("behavior"), options, table.get("heldout", False))


def _line(text: str, number: int, name: str = "") -> str:
    """Where a table, counted from 1, says something: ", line 7"; "" where that is not written on a line.

    Table 0 is the whole file.
    """
    lines = text.splitlines()
    starts = [place for place, line in enumerate(lines) if re.match(r"\s*\[\[\s*source\s*\]\]", line)]
    if number > len(starts):
        return ""
    begin, end = [*starts, len(lines)][number - 1 : number + 1] if number else (0, len(lines))
    if not name:
        return f", line {begin + 1}"
    written = rf"\s*(\[+\s*(source\s*\.\s*)?)?[\"']?{re.escape(name)}[\"']?\s*[=.\]]"
    found = next((place for place in range(begin, end) if re.match(written, lines[place])), None)
    return "" if found is None else f", line {found + 1}"
