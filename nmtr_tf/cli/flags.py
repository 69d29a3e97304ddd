"""Flags of the commands, most of them made from the config dataclasses, and how a command runs with them."""

import dataclasses
import fractions
import functools
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from nmtr_tf.cli.console import exit_status, show
from nmtr_tf.cli.method_settings import settings_file
from nmtr_tf.cli.plugins import import_plugins
from nmtr_tf.cli.typed import as_typed
from nmtr_tf.config import (
    RunConfig,
)
from nmtr_tf.errors import InputError

SECTIONS = tuple(map(type, vars(RunConfig()).values()))
"""The dataclasses that a `RunConfig` is made of, in its order."""


def new_flags(*sections: type, only: Sequence[str] = ()) -> flags.FlagValues:
    """A command's own set of flags, with one flag per field of each config dataclass.

    Args:
        *sections: Config dataclasses of `nmtr_tf.config`.
        only: Names of the fields to define; empty: all.
    """
    values = flags.FlagValues()
    at = {"flag_values": values}
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", **at)
    flags.DEFINE_bool("quiet", False, "Print errors only.", **at)
    flags.DEFINE_list(
        "plugins",
        [],
        "Modules of your own to import first, from Python's path or the working directory: flags and runs "
        "can then name what they register.",
        **at,
    )
    for section in sections:
        types = typing.get_type_hints(section)
        for field in dataclasses.fields(section):
            if not only or field.name in only:
                _define(values, field, types[field.name])
    if "method" in values:
        flags.DEFINE_string(
            "method_settings",
            "",
            "Settings that come with the package, <data set>/<method> such as taobao/nmtr_gmf: they take the "
            "place of the defaults; a flag that is given counts more.",
            **at,
        )
    return values


def _define(values: flags.FlagValues, field: dataclasses.Field, kind: Any) -> None:
    default: Any = field.default
    text = field.metadata["help"]
    if typing.get_origin(kind) is tuple:
        flags.DEFINE_list(field.name, [str(x) for x in default], text, flag_values=values)
    elif field.metadata["choices"]:
        flags.DEFINE_enum(field.name, default, list(field.metadata["choices"]), text, flag_values=values)
    else:
        define = {
            bool: flags.DEFINE_bool,
            bool | None: flags.DEFINE_bool,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            float | None: flags.DEFINE_float,
            str: flags.DEFINE_string,
            Any: flags.DEFINE_string,  # the name of a part, which its table checks
        }[kind]
        define(field.name, default, text, flag_values=values)


def config_from_flags(values: flags.FlagValues) -> RunConfig:
    """The config of a run that the flags spell out; raises what `section_from_flags` does."""
    return RunConfig(*[section_from_flags(section, values) for section in SECTIONS])


def section_from_flags(section: type, values: flags.FlagValues) -> Any:
    """The config dataclass that the flags spell out; lists of numbers may hold fractions such as 1/3.

    Raises:
        InputError: If a value is of the wrong kind or out of range.
    """
    types = typing.get_type_hints(section)
    arguments = {}
    for field in dataclasses.fields(section):
        if field.name not in values:
            continue
        value, kind = values[field.name].value, types[field.name]
        if typing.get_origin(kind) is tuple:
            value = tuple(_parse(field.name, text, typing.get_args(kind)[0]) for text in value)
        arguments[field.name] = value
    return section(**arguments)


def given(section: type, values: flags.FlagValues) -> dict[str, Any]:
    """The fields of a config dataclass that the command line gives, with their values.

    Raises:
        InputError: As for `section_from_flags`.
    """
    config = section_from_flags(section, values)
    names = [field.name for field in dataclasses.fields(section)]
    return {name: getattr(config, name) for name in names if name in values and values[name].present}


def whole_numbers(values: flags.FlagValues, name: str) -> list[int]:
    """The distinct whole numbers of a list flag, in order.

    Raises:
        InputError: If one is no whole number, is negative or stands twice.
    """
    numbers = [_parse(name, text, int) for text in values[name].value]
    if len(set(numbers)) < len(numbers) or min(numbers, default=0) < 0:
        raise InputError(
            f"`{name}` should be different whole numbers, at least 0. "
            f"Received: {','.join(values[name].value)}."
        )
    return numbers


def _parse(name: str, text: str, kind: Any) -> Any:
    text = text.strip()
    if kind not in (int, float):
        return text
    try:
        return float(fractions.Fraction(text)) if kind is float else int(text)
    except (ValueError, ZeroDivisionError):
        expected = {int: "whole numbers", float: "numbers or fractions such as 1/3"}[kind]
        raise InputError(f"`{name}` should be {expected}, separated by commas. Received: {text!r}.") from None


def require(values: flags.FlagValues, *names: str) -> None:
    """Checks that flags without a default were given.

    Raises:
        InputError: If one was not.
    """
    for name in names:
        if not values[name].value:
            raise InputError(f"--{name} is needed: {values[name].help}")


def run(
    command: Callable[..., None],
    values: flags.FlagValues,
    about: str,
    argv: Sequence[str] | None = None,
    takes_arguments: bool = False,
) -> int:
    """Parses the flags, imports the plugins and runs a command.

    Args:
        command: Called with the parsed flags.
        values: The command's flags.
        about: What the command is for, shown by --help; examples stand there as `nmtr <name>`.
        argv: Arguments, the program's name first; None: the process's.
        takes_arguments: Whether arguments that are no flags go to `command`, a list of str after the
            flags; they are refused otherwise.

    Returns:
        Exit status: see `nmtr_tf.cli.console.exit_status`.
    """
    argv = list(sys.argv if argv is None else argv)
    return exit_status(functools.partial(_run, command, values, about, argv, takes_arguments), values)


def _run(
    command: Callable[..., None], values: flags.FlagValues, about: str, argv: list[str], takes_arguments: bool
) -> None:
    rest = parse(values, argv)
    if values.help:
        show(_help(values, about))
        return
    if rest and not takes_arguments:
        raise InputError(f"Unexpected argument {rest[0]!r}; flags are written --name=value, see --help.")
    import_plugins(values.plugins)
    command(values, *([rest] if takes_arguments else []))


def parse(values: flags.FlagValues, argv: Sequence[str]) -> list[str]:
    """Parses arguments, the program's name first, and gives those that are no flags.

    Settings that --method_settings names take the place of the defaults: they do not count as given.
    """
    _forget(values)
    try:
        rest = values(argv)[1:]
    except UnicodeDecodeError:
        raise InputError("--flagfile: expected files of flags, in UTF-8.") from None
    if "method_settings" in values and (name := values.method_settings):
        _forget(values)
        values([argv[0], f"--flagfile={settings_file(name)}"])
        for flag in values:
            values[flag].present = 0
        values(argv)
    return rest


def _forget(values: flags.FlagValues) -> None:
    """Takes back what an earlier call in this process parsed."""
    values.unparse_flags()
    for name in values:
        values[name].unparse()


def _help(values: flags.FlagValues, about: str) -> str:
    lines = [as_typed(about.strip()), "", "Flags (--flagfile=FILE reads them from a file, one a line):"]
    for name in dict.fromkeys(values[name].name for name in values):
        flag = values[name]
        default = ",".join(flag.default) if isinstance(flag.default, list) else flag.default
        if isinstance(flag, flags.BooleanFlag):
            own = "   (default: the method's own)" if default is None else ""
            head = f"  --{name}" if default is False else f"  --[no]{name}{own}"
        else:
            choices = getattr(flag.parser, "enum_values", None)
            named = "|".join(choice for choice in choices if choice) if choices else "..."
            head = f"  --{name}={named}" + (f"   (default: {default})" if default not in (None, "") else "")
        text = re.sub(r"^<[^>]*>: ", "", flag.help)  # absl repeats the choices there
        lines += [head, textwrap.fill(text, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)]
    return "\n".join(lines)
