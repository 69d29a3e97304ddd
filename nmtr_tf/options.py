"""Fields of the config dataclasses that know their help text, and the checks of their values."""

import dataclasses
import fractions
import numbers
import typing
from typing import Any

from nmtr_tf.errors import InputError


def option(default: Any, help_text: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that carries its own help text and, for an enumeration, its choices."""
    return dataclasses.field(default=default, metadata={"help": help_text, "choices": choices})


def check_types(config: Any) -> None:
    """Checks the type of every value of a config dataclass; lists become tuples, whole numbers floats.

    Raises:
        InputError: If a value is of another type than its field.
    """
    types = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, kind = getattr(config, field.name), types[field.name]
        if typing.get_origin(kind) is tuple:
            is_list = isinstance(value, list | tuple)
            items = [_typed(item, typing.get_args(kind)[0]) for item in value] if is_list else [_WRONG]
            typed: Any = _WRONG if any(item is _WRONG for item in items) else tuple(items)
        else:
            typed = _typed(value, kind)
        if typed is _WRONG:
            expected = _EXPECTED[typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind]
            several = "a list of " if typing.get_origin(kind) is tuple else ""
            raise InputError(f"`{field.name}` should be {several}{expected}. Received: {value!r}.")
        object.__setattr__(config, field.name, typed)  # frozen, but not yet handed out


_WRONG = object()
FLOAT_MAX = 3.4e38
"""About the largest number of float32."""
_EXPECTED = {
    str: "text",
    int: "whole numbers below 2^31",
    float: "finite numbers",
    float | None: "a finite number",
    bool: "true or false",
    bool | None: "true, false or null",
    Any: "names",
}


def _typed(value: Any, kind: Any) -> Any:
    """The value as its type has it, or `_WRONG`."""
    if kind is Any or (value is None and kind in (bool | None, float | None)):
        return value
    if kind in (bool, bool | None):
        return value if isinstance(value, bool) else _WRONG
    if isinstance(value, bool):
        return _WRONG
    if kind is int:
        return int(value) if isinstance(value, numbers.Integral) and abs(int(value)) < 2**31 else _WRONG
    if kind in (float, float | None):
        return _finite(value) if isinstance(value, numbers.Real) else _WRONG
    return value if isinstance(value, kind) else _WRONG


def _finite(value: Any) -> Any:
    """The number in the range of float32, which the computations have, or `_WRONG`."""
    return float(value) if abs(value) <= FLOAT_MAX else _WRONG  # NaN compares false


def check_plain(config: Any) -> None:
    """Checks that a config dataclass can be written to a file.

    Raises:
        InputError: If an option holds a part of the user's own that has no registered name.
    """
    for name, value in vars(config).items():
        for one in value if isinstance(value, tuple) else (value,):
            if not isinstance(one, str | int | float | None):
                raise InputError(
                    f"`{name}` holds {getattr(one, '__name__', one)!s}, which has no registered name, so "
                    "that the run cannot be saved; give it one with a register_... function."
                )


def check_choices(config: Any) -> None:
    """Checks every enumeration of a config dataclass.

    Raises:
        InputError: If a value is none of its choices.
    """
    for field in dataclasses.fields(config):
        choices, value = field.metadata["choices"], getattr(config, field.name)
        if choices and value not in choices:
            allowed = ", ".join(repr(choice) for choice in choices)
            raise InputError(f"`{field.name}` should be one of {allowed}. Received: {value!r}.")


def require(config: Any, condition: bool, name: str, expected: str) -> None:
    """Refuses a config dataclass whose field `name` is not as expected.

    Raises:
        InputError: If `condition` is false.
    """
    if not condition:
        raise InputError(f"`{name}` should be {expected}. Received: {getattr(config, name)!r}.")


def option_text(value: Any) -> str:
    """A value as it is written after `name=`, in flagfiles and in tables; among several 1/6 stays a fraction.

    It is read back as the same value: by `option_value`, and by the flag of that name.

    Raises:
        InputError: If it is a part of the user's own that has no registered name.
    """
    if isinstance(value, tuple):
        return ",".join(map(_one_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(float(value))
    if not isinstance(value, str | int | None):
        raise InputError(f"{value!r} cannot be written down; register it, and give its name.")
    return str(value)


def _one_text(value: Any) -> str:
    """One of several values, such as weights: a fraction where that is it, and no short decimal."""
    text = option_text(value)
    if not isinstance(value, float) or float(f"{value:g}") == value:
        return text
    fraction = fractions.Fraction(value).limit_denominator(1000)
    return str(fraction) if float(fraction) == value else text


def option_value(text: str, kind: Any) -> Any:
    """The inverse of `option_text` for a field of this type.

    Raises:
        ValueError: If the text is none of its values.
    """
    if typing.get_origin(kind) is tuple:
        return tuple(option_value(part, typing.get_args(kind)[0]) for part in text.split(",") if text)
    if kind in (bool, bool | None):
        return {"true": True, "false": False, "None": None}[text]
    if kind == (float | None) and text == "None":
        return None
    if kind in (float, float | None):
        return float(fractions.Fraction(text))
    return int(text) if kind is int else text
