"""Flags of the options of baselines, made from their table."""

import numbers
from collections.abc import Iterable
from typing import Any

from absl import flags

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.table import BASELINES, baseline_options


def define_baseline_options(values: flags.FlagValues) -> None:
    """Defines a flag for each option of the table that has none yet; it is None where it is not given."""
    for name, option in baseline_options().items():
        if name not in values:
            is_whole = isinstance(option.default, numbers.Integral)
            define = flags.DEFINE_integer if is_whole else flags.DEFINE_float
            text = f"For baselines: {option.about} Default: {option.default:g}."
            define(name, None, text, flag_values=values)


def given_baseline_options(values: flags.FlagValues, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The options that are given, for each of some baselines those that it has.

    Raises:
        InputError: If one is given that none of them has.
    """
    defined = [name for name in baseline_options() if name in values]  # none of a registered baseline
    given = {name: values[name].value for name in defined if values[name].present}
    found = {name: {one: given[one] for one in BASELINES[name].options if one in given} for name in names}
    if foreign := set(given) - {option for own in found.values() for option in own}:
        owners = ", ".join(name for name, row in BASELINES.items() if min(foreign) in row.options)
        raise InputError(f"`{min(foreign)}` is an option of {owners}. Received: {', '.join(found)}.")
    return found
