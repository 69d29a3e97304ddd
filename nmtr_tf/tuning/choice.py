"""What a search draws from: what a method or a baseline has to search, and what its user asks for."""

import dataclasses
import difflib
import itertools
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from nmtr_tf.config import OPTION_TYPES, RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.table import Baseline
from nmtr_tf.methods.plan import Plan, resolve
from nmtr_tf.options import option_value
from nmtr_tf.tuning.options import TuneConfig
from nmtr_tf.tuning.space import (
    LEAST,
    LOGARITHMIC,
    OPTIONAL,
    ZERO,
    Space,
    as_options,
    between,
    ends_of,
    gates_space,
    is_list,
    listed,
    option_of,
    own_space,
)


@dataclasses.dataclass(frozen=True)
class Searchable:
    """What can be searched.

    Attributes:
        label: Of what has the options.
        own: What is searched unless users say otherwise.
        more: What is searched where it is named.
        kinds: Option -> its type.
        logarithmic: Names of the options whose ranges are drawn on a logarithmic scale.
    """

    label: str
    own: Space
    more: Space
    kinds: Mapping[str, Any]
    logarithmic: Collection[str]


def of_method(plan: Plan, tuning: TuneConfig) -> Searchable:
    """What a method has to search."""
    own = own_space(plan, tuning.sampler == "grid")
    more = {name: one for name, one in OPTIONAL.items() if name.startswith("linear") == plan.is_closed_form}
    if plan.is_closed_form:
        more |= gates_space(plan, tuning.sampler == "grid")
    return Searchable(plan.method.label, own, more, OPTION_TYPES, LOGARITHMIC)


def of_baseline(baseline: Baseline, tuning: TuneConfig) -> Searchable:
    """What a baseline has to search: the ranges of its options. It has no grid of its own."""
    kinds = {name: type(one.default) for name, one in baseline.options.items()}
    ranges = {
        name: between(kinds[name](one.low), kinds[name](one.high), one.log)
        for name, one in baseline.options.items()
        if one.low is not None and tuning.sampler != "grid"
    }
    logarithmic = [name for name, one in baseline.options.items() if one.log]
    numbers = {name: kind for name, kind in kinds.items() if kind in (int, float)}
    return Searchable(baseline.label, ranges, {}, numbers, logarithmic)


def parse(
    text: str, kinds: Mapping[str, Any] = OPTION_TYPES, logarithmic: Collection[str] = LOGARITHMIC
) -> tuple[str, BaseDistribution]:
    """An option and what a user wants to have drawn: "learning_rate=0.001..0.1", "embedding_dim=64:128".

    Args:
        text: The text.
        kinds: Option -> its type.
        logarithmic: Names of the options whose ranges are drawn on a logarithmic scale.

    Raises:
        InputError: If it is no such text.
    """
    name, _, values = text.partition("=")
    if values and name not in kinds:
        near = difflib.get_close_matches(name, kinds) or list(logarithmic or kinds)[:3]
        raise InputError(
            f"`space` names no option that can be searched, {name!r}; {', '.join(near)} can. "
            f"Received: {text!r}."
        )
    try:
        kind = kinds[name]
        if ".." in values and is_list(kind):
            (kind, *_) = typing.get_args(kind)  # one value for all
        if ".." in values and kind == (float | None):
            kind = float
        first, *others = [option_value(part, kind) for part in values.replace("..", ":").split(":")]
        if ".." not in values:
            return name, listed((first, *others))
        (high,), log = others, name in logarithmic
        has_zero = log and kind is float and first == 0
        if not max(first, LEAST * has_zero) < high or kind not in (int, float):
            raise ValueError
        return name, between(ZERO if has_zero else first, high, log)
    except (ValueError, KeyError, TypeError):
        raise InputError(
            "`space` should be options with a range or values, such as learning_rate=0.01..0.1 (from low to "
            f"high) or embedding_dim=64:128. Received: {text!r}."
        ) from None


def chosen_space(what: Searchable, tuning: TuneConfig, fixed: Collection[str]) -> dict[str, BaseDistribution]:
    """What a search draws from.

    Args:
        what: What can be searched.
        tuning: The sampler, and what the user wants searched.
        fixed: Options that are not searched unless `tuning` names them.

    Raises:
        InputError: If it names what cannot be searched.
    """
    given = dict(parse(text, what.kinds, what.logarithmic) for text in tuning.space)
    known = {**what.own, **what.more, **given}
    wanted = {*(tuning.search or set(map(option_of, what.own)) - set(fixed)), *given}
    if unknown := set(tuning.search) - set(map(option_of, known)):
        example = next(map(option_of, what.own), "none")
        raise InputError(
            f"`search` should name options of {what.label}, such as `{example}`; others need "
            f"their values in `space`. Received: {min(unknown)!r}."
        )
    space = {
        name: one
        for name, one in known.items()
        if option_of(name) in wanted and (name in given or option_of(name) not in given)
    }
    if not space:
        raise InputError(
            f"There is nothing to search: {what.label} has no options."
            if not what.kinds
            else f"There is nothing to search: no option of {what.label} is left; `space` gives one values."
        )
    for name, one in space.items():
        if tuning.sampler == "grid" and not isinstance(one, CategoricalDistribution):
            raise InputError(f"A grid takes lists of values, no range: `space` has one of {name!r}.")
    return space


def check_space(space: Space, config: RunConfig, behaviors: Sequence[str]) -> None:
    """Refuses a space with values that the method does not take."""
    ends = {
        name: [as_options({name: end}, {name: one}) for end in ends_of(one)]
        for name, one in space.items()
        if option_of(name) == name
    }
    sizes = [own for name, own in ends.items() if name in ("embedding_dim", "num_layers", "tower_width")]
    for own in ends.values():
        for options in own:
            resolve(config.with_options(**options), behaviors)
    for point in itertools.product(*sizes):  # these limit each other
        config.with_options(**{name: value for options in point for name, value in options.items()})
