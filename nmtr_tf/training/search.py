"""The settings that tuning tries: the grid of Section IV-A3, one dimension an option of the config."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from nmtr_tf.config import RunConfig
from nmtr_tf.models.methods import get_method, predicted_behaviors, unit_names

Space = Mapping[str, Sequence[Any]]
"""{name of a config field: the values to try}"""

_L2 = (0.0, 1e-6, 1e-5, 1e-4)
_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def search_space(config: RunConfig, behaviors: tuple[str, ...]) -> dict[str, Sequence[Any]]:
    """The dimensions that a method has on these behaviors.

    The paper's: optimizer, learning rate, layers and dropout of a tower, the weights of the loss (lambda in
    steps of Figure 4, CMF's one by one in fifths), L2 of users and items. This project's own: beta of
    multi-channel negatives in fifths, and the loss's reduction, because the same learning rate means another
    step size for a sum than for a mean.

    Args:
        config: Names the method and its units; the width of the tower limits its layers. Sequential
            training has no weights.
        behaviors: Behaviors of the data, weakest first.
    """
    model, method = config.model, get_method(config.model.method)
    predicted = predicted_behaviors(model, behaviors)
    space: dict[str, Sequence[Any]] = {
        "optimizer": ("adagrad", "adam"),
        "learning_rate": (0.001, 0.005, 0.01, 0.02, 0.05),
        "loss_reduction": ("sum", "mean"),
        "l2_user": _L2,
        "l2_item": _L2,
    }
    if {"mlp", "neumf"} & set(unit_names(model, predicted)):
        deepest = min(5, model.tower_widths[0].bit_length())
        space["num_layers"] = range(1, deepest + 1)
        space["dropout"] = (0.0, 0.2, 0.5)
    if method.negatives == "multi_channel":
        space["beta"] = _FIFTHS
    if not method.weights_sum_to_one:
        space["loss_weights"] = list(itertools.product(_FIFTHS, repeat=len(predicted)))[1:]  # not all 0
    elif len(predicted) > 1 and config.training.train_mode == "multitask":
        space["loss_weights"] = simplex(len(predicted))
    return space


def simplex(num_weights: int) -> list[tuple[float, ...]]:
    """Weights >= 0 that sum to 1, in the steps of Figure 4: tenths for two weights, else sixths."""
    parts = 10 if num_weights == 2 else 6
    counts = itertools.product(range(parts + 1), repeat=num_weights)
    return [tuple(count / parts for count in point) for point in counts if sum(point) == parts]


def size(space: Space) -> int:
    """Number of points of the grid."""
    return math.prod(len(options) for options in space.values())


def grid_points(space: Space) -> Iterator[dict[str, Any]]:
    """Every point of the grid, the last dimension fastest."""
    for point in itertools.product(*space.values()):
        yield dict(zip(space, point, strict=True))


def random_points(space: Space, count: int, seed: int) -> list[dict[str, Any]]:
    """The first `count` points of the grid in a seeded random order, all of it where it has fewer."""
    chosen = np.random.default_rng(seed).permutation(size(space))[:count]
    places = np.unravel_index(chosen, [len(options) for options in space.values()])
    return [
        {name: space[name][place] for name, place in zip(space, point, strict=True)}
        for point in zip(*(column.tolist() for column in places), strict=True)
    ]


def with_settings(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The config with some fields, of whichever section, replaced."""
    sections = {}
    for part in dataclasses.fields(config):
        section = getattr(config, part.name)
        own = {field.name for field in dataclasses.fields(section)} & set(settings)
        sections[part.name] = dataclasses.replace(section, **{name: settings[name] for name in own})
    return dataclasses.replace(config, **sections)


def flag_text(value: Any) -> str:
    """A config value as it is written after `--name=`; 1/6 stays a fraction."""
    if isinstance(value, tuple):
        return ",".join(map(flag_text, value))
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else str(Fraction(value).limit_denominator(1000))
    return str(value).lower() if isinstance(value, bool) else str(value)
