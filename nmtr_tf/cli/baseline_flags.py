"""Flags of the options of baselines, made from their table."""

import numbers
from collections.abc import Iterable
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
