"""What is searched: distributions of Optuna by name, and what is drawn from them as options of a run."""

import itertools
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from nmtr_tf.config import OPTION_TYPES
from nmtr_tf.evaluation.baselines.table import BASELINES
from nmtr_tf.history_section import HISTORY
from nmtr_tf.methods.combinations import CONTRASTIVE, LEAST_SQUARES, SOFTMAX, WHOLE_DATA
from nmtr_tf.methods.plan import Plan
from nmtr_tf.methods.weights import simplex
from nmtr_tf.options import option_text, option_value

Space = Mapping[str, BaseDistribution]
"""Name of an option -> what is drawn. Weights are drawn one by one: loss_weights[0], loss_weights[1], ..."""

STEPS = 20
"""Of a range, and of 1 where weights are drawn."""
LOGARITHMIC = (
    *("learning_rate", "l2_user", "l2_item", "l2_unit", "embedding_stddev", "initial_accumulator"),
    *("linear_lambda", "linear_theta", "unobserved_weight"),
)
# On a logarithmic scale that begins at 3e-5, what is drawn below 1e-4 stands for 0: a seventh of the default.
ZERO, LEAST = 3e-5, 1e-4


def listed(values: Sequence[Any]) -> CategoricalDistribution:
    """Values of an option, as texts."""
    return CategoricalDistribution([option_text(value) for value in values])


def between(low: float, high: float, log: bool = False) -> BaseDistribution:
    """Numbers of a range, both ends included: whole ones, on a logarithmic scale, or in twenty steps."""
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log, step=None if log else round((high - low) / STEPS, 12))


OPTIONAL: Space = {
    "optimizer": listed(("adagrad", "adam")),
    "embedding_dim": listed((64, 128, 256)),
    "linear_diagonal": listed((0, 0.03, 0.1, 0.3, 1, 3)),
}
"""What is searched only where it is named."""


def own_space(plan: Plan, is_grid: bool) -> dict[str, BaseDistribution]:
    """What a method has to search: ranges, or the grid of Section IV-A3.

    The paper's: optimizer, learning rate, layers and dropout of a tower, the weights of the loss (lambda in
    steps of Figure 4, CMF's one by one in fifths). It does not say which L2 it tried; beta in fifths and the
    loss's reduction are this project's own.

    Args:
        plan: The method; the width of its tower limits the layers, sequential training has no weights, and
            the whole-data loss draws no negatives.
        is_grid: Whether it is the grid.
    """
    if plan.is_closed_form:
        return _linear_space(is_grid)
    fifths, reduction = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), listed(("sum", "mean"))
    l2 = between(ZERO, 0.1, log=True), listed((0.0, 0.001, 0.01, 0.1))
    both: dict[str, tuple[BaseDistribution | None, BaseDistribution | None]] = {
        "optimizer": (None, OPTIONAL["optimizer"]),
        "learning_rate": (between(0.001, 0.3, log=True), listed((0.001, 0.005, 0.01, 0.02, 0.05))),
        "loss_reduction": (reduction, reduction),
        "l2_user": l2,
        "l2_item": l2,
        "num_negatives": (between(1, 8), None),
    }
    if plan.history.user_rows == HISTORY:  # there is no table of users
        del both["l2_user"]
    if plan.objective in (SOFTMAX, CONTRASTIVE):
        both["num_negatives"] = between(64, 1024, log=True), None
        both |= _shared_space(plan.objective)
    if plan.objective == WHOLE_DATA:
        del both["num_negatives"]
        both["unobserved_weight"] = between(0.001, 0.5, log=True), listed((0.001, 0.01, 0.1))
        if plan.learner == LEAST_SQUARES:
            for name in ("optimizer", "learning_rate", "loss_reduction"):
                del both[name]
        else:
            both["dropout"] = between(0.0, 0.8), listed((0.0, 0.3, 0.5))
    if plan.has_tower:
        deepest = min(5, plan.tower_widths[0].bit_length())
        both["num_layers"] = between(1, deepest), listed(range(1, deepest + 1))
        both["dropout"] = between(0.0, 0.5), listed((0.0, 0.2, 0.5))
    if plan.history.is_read:
        both["history_dropout"] = between(0.0, 0.9), listed((0.0, 0.5, 0.8))
    if plan.samples_channels:
        both["beta"] = between(0.0, 1.0), listed(fifths)
    count, is_free = len(plan.predicted), not plan.method.weights_sum_to_one
    if is_free or (count > 1 and len(plan.stages) == 1):
        points = list(itertools.product(fifths, repeat=count))[1:] if is_free else simplex(count)  # not all 0
        least = [0] * (count - 1) + [1] * is_free  # the target's is above 0; one fewer where they sum to 1
        both |= {f"loss_weights[{i}]": (between(low, STEPS), None) for i, low in enumerate(least)}
        both["loss_weights"] = None, listed(points)
    return {name: one for name, pair in both.items() if (one := pair[is_grid])}


def _shared_space(objective: str) -> dict[str, tuple[BaseDistribution, BaseDistribution]]:
    """What losses with shared negatives have to search: ranges, and values of a grid."""
    if objective == SOFTMAX:
        return {"temperature": (between(0.1, 2.0, log=True), listed((0.2, 0.5, 1.0)))}
    return {
        "margin": (between(0.0, 0.95), listed((0.4, 0.7, 0.9))),
        "negative_weight": (between(1.0, 1000.0, log=True), listed((10.0, 50.0, 150.0, 500.0))),
    }


def _linear_space(is_grid: bool) -> dict[str, BaseDistribution]:
    """What the linear method has to search: the ranges of the baseline that has its options, or a grid."""
    if is_grid:
        return {
            "linear_lambda": listed((1, 10, 100, 1000)),
            "linear_beta": listed((0, 0.2, 0.4)),
            "linear_dropout": listed((0, 0.3, 0.5, 0.7)),
            "linear_theta": listed((0.1, 0.3, 1, 3)),
            "linear_discount": listed((0, 0.2, 0.4)),
        }
    as_baseline = {
        name.replace("ease", "linear"): between(float(one.low or 0), float(one.high or 0), one.log)
        for name, one in BASELINES["ease_aimed"].options.items()
    }
    return {**as_baseline, "linear_discount": between(0.0, 0.5)}


def gates_space(plan: Plan, is_grid: bool) -> Space:
    """The weights of behaviors in the rows of the linear method, in (0, 1] for the target, in [0, 1] else."""
    count = len(plan.behaviors)
    if count == 1:
        return {}
    if is_grid:
        return {
            "linear_gates": listed([(*own, 1.0) for own in itertools.product((0.3, 1.0), repeat=count - 1)])
        }
    return {f"linear_gates[{s}]": between(int(s == count - 1), STEPS) for s in range(count)}


def is_list(kind: Any) -> bool:
    """Whether an option of this type has several values, of which one may stand for all."""
    return typing.get_origin(kind) is tuple


def option_of(name: str) -> str:
    """The option that a drawn number belongs to."""
    return name.partition("[")[0]


def ends_of(one: BaseDistribution) -> Sequence[Any]:
    """Values of a distribution that show whether a run takes all of them."""
    return one.choices if isinstance(one, CategoricalDistribution) else (one.low, one.high)


def in_words(space: Space) -> dict[str, str]:
    """Option -> its values, for people."""
    words: dict[str, str] = {}
    for name, one in space.items():
        if isinstance(one, CategoricalDistribution):
            words[name] = " | ".join(one.choices)
        elif option_of(name) != name:
            words[option_of(name)] = "0 to 1 each" if one.low else "at least 0, sum 1"
        else:
            low = "0, or 0.0001" if one.low == ZERO else f"{one.low:g}"
            words[name] = f"{low} to {one.high:g}" + ", logarithmic" * getattr(one, "log", False)
    return words


def as_options(drawn: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The options of a run that drawn values stand for; numbers have three digits on a logarithmic scale."""
    options: dict[str, Any] = {}
    for name in space:
        one, value = space[name], drawn[name]
        if isinstance(one, CategoricalDistribution):
            options[name] = option_value(value, OPTION_TYPES.get(name, float))
        elif isinstance(one, FloatDistribution) and one.log:
            is_zero = one.low == ZERO and value < LEAST
            options[name] = 0.0 if is_zero else min(max(float(f"{value:.3g}"), one.low), one.high)
        elif option_of(name) == name:
            options[name] = round(value, 6)
        if is_list(OPTION_TYPES.get(name)) and isinstance(one, FloatDistribution):
            options[name] = (options[name],)  # one value for all
    if pieces := pieces_of(space):
        shares = [drawn[name] / STEPS for name in pieces]
        options[option_of(pieces[0])] = tuple(shares) if has_free_weights(space) else on_simplex(shares)
    return options


def pieces_of(space: Space) -> list[str]:
    """The names of weights that are drawn one by one."""
    return [name for name in space if option_of(name) != name]


def has_free_weights(space: Space) -> bool:
    """Whether they need not sum to 1; the target's is above 0 then."""
    return space[pieces_of(space)[-1]].low == 1


def on_simplex(shares: Sequence[float]) -> tuple[float, ...]:
    """Weights that sum to 1, one more than the shares; uniform on the simplex where the shares are uniform.

    A stick is broken: each piece is a Beta(1, pieces after it) of what is left.
    """
    weights, rest = [], 1.0
    for after, share in zip(range(len(shares), 0, -1), shares, strict=True):
        weights.append(round(rest * (1 - (1 - share) ** (1 / after)), 3))
        rest = round(rest - weights[-1], 3)
    return (*weights, rest)


def stick_of(weights: Sequence[float]) -> list[float]:
    """The shares of which `on_simplex` makes such weights."""
    shares, rest = [], 1.0
    for after, weight in zip(range(len(weights) - 1, 0, -1), weights[:-1], strict=True):
        shares.append(1 - (1 - min(weight / rest, 1)) ** after if rest > 0 else 0.0)
        rest -= weight
    return shares


def grid_points(space: Space, count: int, seed: int) -> list[dict[str, str]]:
    """The first `count` points of a grid in a seeded random order, all of it where it has fewer."""
    values = list(map(ends_of, space.values()))
    chosen = np.random.default_rng(seed).permutation(math.prod(map(len, values)))[:count]
    places = np.unravel_index(chosen, list(map(len, values)))
    return [
        {name: own[place] for name, own, place in zip(space, values, point, strict=True)}
        for point in zip(*(column.tolist() for column in places), strict=True)
    ]
