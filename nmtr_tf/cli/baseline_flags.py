"""Flags of the options of baselines, made from their table."""

import numbers
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from absl import flags

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.table import BASELINES, baseline_options


def define_baseline_options(values: flags.FlagValues) -> list[str]:
    """Defines a flag for each option of the table, None where it is not given; gives the names.

    What is a flag already stays as it is, and is not among them.
    """
    options = {name: one for name, one in baseline_options().items() if name not in values}
    for name, option in options.items():
        is_whole = isinstance(option.default, numbers.Integral)
        define = flags.DEFINE_integer if is_whole else flags.DEFINE_float
        text = f"For baselines: {option.about} Default: {option.default:g}."
        define(name, None, text, flag_values=values)
    return list(options)


def given_baseline_options(
    values: flags.FlagValues, options: Iterable[str], names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """The options that are given, for each of some baselines those that it has.

    Args:
        values: The flags.
        options: What `define_baseline_options` gave.
        names: The baselines.

    Raises:
        InputError: If one is given that none of them has.
    """
    given = {name: values[name].value for name in options if values[name].present}
    found = {name: {one: given[one] for one in BASELINES[name].options if one in given} for name in names}
    if foreign := set(given) - {option for own in found.values() for option in own}:
        owners = ", ".join(name for name, row in BASELINES.items() if min(foreign) in row.options)
        named = ", ".join(found) or "no baseline"
        raise InputError(f"`{min(foreign)}` is an option of {owners}. Received: {named}.")
    return found


def read_baseline_options(path: Path, name: str) -> dict[str, Any]:
    """The options of a baseline in a flagfile, such as tune's best.flags; its other flags are passed over.

    Args:
        path: The file; none of the options where there is none.
        name: The baseline.

    Raises:
        InputError: If an option is no number.
    """
    lines = flags.FlagValues().read_flags_from_files([f"--flagfile={path}"]) if path.is_file() else []
    texts = dict(line.removeprefix("--").split("=", 1) for line in lines if "=" in line)
    options = {option: texts[option] for option in BASELINES[name].options if option in texts}
    try:
        settings = BASELINES[name].settings(name, {one: float(text) for one, text in options.items()})
    except ValueError:
        raise InputError(f"{path}: expected numbers. Found: {options}.") from None
    return {option: settings[option] for option in options}
