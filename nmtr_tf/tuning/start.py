"""Where a search begins: at the settings as they are, so that it ends with none that are worse.

Of a range trials draw steps or three digits; the first has the very values. What is outside of the ranges is
the nearest that they have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from nmtr_tf.config import RunConfig
from nmtr_tf.methods.plan import Plan
from nmtr_tf.methods.weights import behavior_weights
from nmtr_tf.options import option_text, option_value
from nmtr_tf.tuning.space import (
    STEPS,
    ZERO,
    Space,
    has_free_weights,
    option_of,
    pieces_of,
    stick_of,
)
from nmtr_tf.tuning.trials import settings_of


def settings_as_they_are(config: RunConfig, plan: Plan) -> dict[str, Any]:
    """The settings of a method, with the weights that stand for empty ones."""
    weights = behavior_weights(plan.name, config.training, plan.predicted)
    gates = config.linear.linear_gates or (1.0,) * len(plan.behaviors)
    return {**settings_of(config), "loss_weights": weights, "linear_gates": gates}


def nearest(options: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """What is to be drawn for the options to be as near to these as a space has them.

    Args:
        options: Values by name. Of others, of names that a space does not list and of several values that
            are drawn as one nothing is said.
        space: What is drawn.
    """
    drawn: dict[str, Any] = {}
    pieces = pieces_of(space)
    for name in set(map(option_of, pieces)) & set(options):
        values = options[name]
        shares = values if has_free_weights(space) else stick_of(values)
        drawn |= {
            piece: _inside(space[piece], share * STEPS) for piece, share in zip(pieces, shares, strict=True)
        }
    for name, one in space.items():
        value = options.get(name)
        if isinstance(one, CategoricalDistribution):
            if (text := _listed(one.choices, value)) is not None:
                drawn[name] = text
        elif (number := _one_number(value)) is not None:
            drawn[name] = _inside(one, number)
    return drawn


def inside(options: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Those of the options that the ranges of a space hold, as they are."""
    names = set(map(option_of, space)) & set(options)
    return {name: options[name] for name in names if _holds(space.get(name), options[name])}


def _holds(one: BaseDistribution | None, value: Any) -> bool:
    """Whether a value is in a range, or all weights are in [0, 1], which are drawn one by one."""
    if one is None:
        return 0 <= min(value) <= max(value) <= 1
    number = None if isinstance(one, CategoricalDistribution) else _one_number(value)
    return number is not None and (0 if one.low == ZERO else one.low) <= number <= one.high


def _one_number(value: Any) -> float | None:
    """A number, or what all of several are; None: there is no such one."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if len(set(value)) == 1 else None
    return value if isinstance(value, int | float) else None


def _listed(choices: Sequence[str], value: Any) -> str | None:
    """The text of a value among others, of a number the nearest one; None: it is none of them."""
    if (text := option_text(value)) in choices or (number := _one_number(value)) is None:
        return text if text in choices else None
    try:
        return min(choices, key=lambda one: abs(option_value(one, float) - number))
    except ValueError:  # they are no numbers
        return None


def _inside(one: BaseDistribution, value: float) -> Any:
    """The value of a range that is nearest to a number."""
    value = min(max(value, one.low), one.high)
    if isinstance(one, FloatDistribution):
        return value if one.step is None else one.low + round((value - one.low) / one.step) * one.step
    return round(value)
