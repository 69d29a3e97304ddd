"""What files that people edit have to hold: entries of known types, checked before anybody uses them."""

import contextlib
import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.errors import InputError

_ARRAYS = (tuple, list, Sequence, typing.get_origin(Sequence[int]))
_OBJECTS = (dict, Mapping, typing.get_origin(Mapping[str, int]))
_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    type(None): "null",
}
_INT_MAX = 2**63


def checked(
    where: str | Path,
    entries: Any,
    kinds: Mapping[str, Any],
    optional: Collection[str] = (),
    others: Any = None,
) -> dict[str, Any]:
    """The entries of a JSON object, if they are as expected.

    Args:
        where: The file, for messages.
        entries: What it holds.
        kinds: Entry -> its type: str, int, float, bool, None, literals, unions, tuples, lists and mappings of
            these, or Any. Whole numbers are floats, too; a field that is a tuple comes as one.
        optional: Entries that may be missing.
        others: Type of entries that are not in `kinds`; None: there may be none.

    Raises:
        InputError: If one is missing, unknown or of another type. It names the entry.
    """
    if not isinstance(entries, dict):
        raise InputError(f"{where}: expected a JSON object with entries. Received: {_short(entries)}.")
    for name in kinds:
        if name not in entries and name not in optional:
            raise InputError(f"{where}: the entry {name!r} is missing; expected {_named(kinds[name])}.")
    found = {}
    for name, value in entries.items():
        if name not in kinds and others is None:
            raise InputError(f"{where}: the entry {name!r} is unknown; expected {', '.join(kinds)}.")
        found[name] = _typed(where, name, value, kinds.get(name, others))
    return found


def one_of(choices: Sequence[str]) -> Any:
    """The type of entries that are one of some texts."""
    return typing.Literal[tuple(choices)]


def of_class(dataclass: type) -> tuple[dict[str, Any], set[str]]:
    """The types of the fields of a dataclass, and the names of those that have a default."""
    needed = (dataclasses.MISSING, dataclasses.MISSING)
    fields = dataclasses.fields(dataclass)
    optional = {field.name for field in fields if (field.default, field.default_factory) != needed}
    return typing.get_type_hints(dataclass), optional


def checksum(entries: Any) -> str:
    """sha256 of plain values, however they are laid out in a file."""
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def reading(path: str | Path, mend: str) -> Iterator[None]:
    """Answers whatever is wrong with the content of a file in one line; for blocks that only read it.

    Args:
        path: The file or directory.
        mend: What to do, such as "run prepare again".

    Raises:
        InputError: If it is damaged.
        OSError: If it cannot be read.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # each library has an error of its own for every kind of damage
        if isinstance(error, OSError) and error.errno:
            raise
        raise InputError(f"{path}: damaged: {reason(error)}; {mend}.") from error


def reason(error: Exception) -> str:
    """The first line of what an error says, and what it is where that is not much."""
    lines = str(error).strip().splitlines()
    text = lines[0][:200].rstrip(".") if lines else ""
    return f"{type(error).__name__} {text}".strip() if len(text.split()) < 3 else text


def _typed(where: str | Path, name: str, value: Any, kind: Any) -> Any:
    """The value as its type has it; raises InputError where it is none of the type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _ARRAYS and isinstance(value, list | tuple):
        parts = [_typed(where, f"{name}[{i}]", one, arguments[0]) for i, one in enumerate(value)]
        return tuple(parts) if origin is tuple else parts
    if origin in _OBJECTS and isinstance(value, dict):
        return {key: _typed(where, f"{name}.{key}", one, arguments[1]) for key, one in value.items()}
    if origin in (typing.Union, types.UnionType):
        fits = [one for one in arguments if typing.get_origin(one) is None and _is(value, one)]
        nested = [one for one in arguments if typing.get_origin(one) is not None]
        if fits:
            return value
        if nested and isinstance(value, list | dict):
            return _typed(where, name, value, nested[0])
    elif _is(value, kind):
        return value
    raise InputError(f"{where}: the entry {name!r} should be {_named(kind)}. Received: {_short(value)}.")


def _is(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if typing.get_origin(kind) is typing.Literal:
        return any(value == one and type(value) is type(one) for one in typing.get_args(kind))
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and abs(value) < 1e308 and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INT_MAX
    return isinstance(kind, type) and isinstance(value, kind)


def _named(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in _ARRAYS:
        return f"a list, each {_named(arguments[0])}"
    if origin in _OBJECTS:
        return f"an object of names and values, each {_named(arguments[1])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_named, arguments))
    return _NAMES.get(kind, "a value")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
