"""Fields of the config dataclasses that know their help text, and the checks of their values."""

import dataclasses
from typing import Any

from nmtr_tf.errors import InputError


def option(default: Any, help_text: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that carries its own help text and, for an enumeration, its choices."""
    return dataclasses.field(default=default, metadata={"help": help_text, "choices": choices})


def check_choices(config: Any) -> None:
    """Checks every enumeration of a config dataclass.

    Raises:
        InputError: If a value is none of its choices.
    """
    for field in dataclasses.fields(config):
        choices, value = field.metadata["choices"], getattr(config, field.name)
        if choices and value not in choices:
            allowed = ", ".join(repr(choice) for choice in choices)
            raise InputError(f"--{field.name} should be one of {allowed}. Received: {value!r}.")


def require(config: Any, condition: bool, name: str, expected: str) -> None:
    """Refuses a config dataclass whose field `name` is not as expected.

    Raises:
        InputError: If `condition` is false.
    """
    if not condition:
        raise InputError(f"--{name} should be {expected}. Received: {getattr(config, name)!r}.")
