"""What the commands share: flags made from the config dataclasses, one-line errors, progress bars."""

import contextlib
import dataclasses
import fractions
import os
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import flags
from tqdm import tqdm

from nmtr_tf.errors import InputError


def new_flags(*sections: type, only: Sequence[str] = ()) -> flags.FlagValues:
    """A command's own set of flags, with one flag per field of each config dataclass.

    Args:
        *sections: Config dataclasses of `nmtr_tf.config`.
        only: Names of the fields to define; empty: all.
    """
    values = flags.FlagValues()
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    flags.DEFINE_bool("quiet", False, "Print errors only.", flag_values=values)
    for section in sections:
        types = typing.get_type_hints(section)
        for field in dataclasses.fields(section):
            if not only or field.name in only:
                _define(values, field, types[field.name])
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
            str: flags.DEFINE_string,
        }[kind]
        define(field.name, default, text, flag_values=values)


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


def whole_numbers(values: flags.FlagValues, name: str) -> list[int]:
    """The distinct whole numbers of a list flag, in order.

    Raises:
        InputError: If one is no whole number, is negative or stands twice.
    """
    numbers = [_parse(name, text, int) for text in values[name].value]
    if len(set(numbers)) < len(numbers) or min(numbers, default=0) < 0:
        raise InputError(
            f"--{name} should be different whole numbers, at least 0. "
            f"Received: {','.join(values[name].value)}."
        )
    return numbers


def _parse(name: str, text: str, kind: type) -> Any:
    try:
        return float(fractions.Fraction(text.strip())) if kind is float else kind(text.strip())
    except (ValueError, ZeroDivisionError):
        expected = {int: "whole numbers", float: "numbers or fractions such as 1/3"}[kind]
        raise InputError(f"--{name} should be {expected}, separated by commas. Received: {text!r}.") from None


def run(
    command: Callable[..., None],
    values: flags.FlagValues,
    about: str,
    argv=None,
    takes_arguments: bool = False,
) -> int:
    """Parses the flags and runs a command.

    Args:
        command: Called with the parsed flags.
        values: The command's flags.
        about: What the command is for, shown by --help.
        argv: Arguments, the program's name first; None: the process's.
        takes_arguments: Whether arguments that are no flags go to `command`, a list of str after the
            flags; they are refused otherwise.

    Returns:
        Exit status: 0; 2 after printing one line about bad input; 130 and 141 where the user, or what reads
        the output, had enough.
    """
    argv = list(sys.argv if argv is None else argv)
    values.unparse_flags()
    for name in values:
        values[name].unparse()
    try:
        rest = values(argv)[1:]
        if values.help:
            print(_help(values, about), flush=True)
            return 0
        if rest and not takes_arguments:
            raise InputError(f"Unexpected argument {rest[0]!r}; flags are written --name=value, see --help.")
        command(values, *([rest] if takes_arguments else []))
        sys.stdout.flush()
    except BrokenPipeError:
        # As with `| head`. Python would complain once more when it closes the output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except (flags.Error, InputError, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _help(values: flags.FlagValues, about: str) -> str:
    lines = [about.strip(), "", "Flags (--flagfile=FILE reads them from a file, one a line):"]
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


def require(values: flags.FlagValues, *names: str) -> None:
    """Checks that flags without a default were given.

    Raises:
        InputError: If one was not.
    """
    for name in names:
        if not values[name].value:
            raise InputError(f"--{name} is needed: {values[name].help}")


def say(values: flags.FlagValues, text: str) -> None:
    """Prints to standard output, unless --quiet."""
    if not values.quiet:
        print(text, flush=True)


def progress_bar(values: flags.FlagValues, total: int | None, unit: str, **options: Any) -> tqdm:
    """A bar on standard error; none with --quiet or where that is no terminal."""
    hidden = True if values.quiet else None  # None: tqdm looks whether it is a terminal
    scale = total is None or total >= 10_000
    return tqdm(total=total, unit=unit, unit_scale=scale, disable=hidden, leave=False, **options)


def import_tensorflow() -> None:
    """Imports TensorFlow without the lines it writes about the machine.

    They come from C++, before its log levels are read, so only the file descriptor can stop them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _silenced(2):
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.get_logger().setLevel("ERROR")  # a command may build many models, which is no reason to warn


@contextlib.contextmanager
def _silenced(descriptor: int) -> Iterator[None]:
    saved, null = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
        os.close(null)
