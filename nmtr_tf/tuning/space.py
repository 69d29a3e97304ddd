"""The options that a search tries: the grid of Section IV-A3, one dimension an option of the config."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nmtr_tf.methods.plan import Plan

Space = Mapping[str, Sequence[Any]]
"""{name of an option: the values to try}"""

_L2 = (0.0, 1e-6, 1e-5, 1e-4)
_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def search_space(plan: Plan) -> dict[str, Sequence[Any]]:
    """The dimensions that a method has.

    The paper's: optimizer, learning rate, layers and dropout of a tower, the weights of the loss (lambda in
    steps of Figure 4, CMF's one by one in fifths), L2 of users and items. This project's own: beta of
    multi-channel negatives in fifths, and the loss's reduction, because the same learning rate means another
    step size for a sum than for a mean.

    Args:
        plan: The method; the width of its tower limits the layers, and sequential training has no weights.
    """
    space: dict[str, Sequence[Any]] = {
        "optimizer": ("adagrad", "adam"),
        "learning_rate": (0.001, 0.005, 0.01, 0.02, 0.05),
        "loss_reduction": ("sum", "mean"),
        "l2_user": _L2,
        "l2_item": _L2,
    }
    if plan.has_tower:
        deepest = min(5, plan.tower_widths[0].bit_length())
        space["num_layers"] = range(1, deepest + 1)
        space["dropout"] = (0.0, 0.2, 0.5)
    if plan.samples_channels:
        space["beta"] = _FIFTHS
    num_weights = len(plan.predicted)
    if not plan.method.weights_sum_to_one:
        space["loss_weights"] = list(itertools.product(_FIFTHS, repeat=num_weights))[1:]  # not all 0
    elif num_weights > 1 and len(plan.stages) == 1:
        space["loss_weights"] = simplex(num_weights)
    return space


def simplex(num_weights: int) -> list[tuple[float, ...]]:
    """Weights >= 0 that sum to 1, in the steps of Figure 4: tenths for two weights, else sixths."""
    parts = 10 if num_weights == 2 else 6
    counts = itertools.product(range(parts + 1), repeat=num_weights)
    return [tuple(count / parts for count in point) for point in counts if sum(point) == parts]


def size(space: Space) -> int:
    """Number of points of the grid."""
    return math.prod(len(values) for values in space.values())


def grid_points(space: Space) -> Iterator[dict[str, Any]]:
    """Every point of the grid, the last dimension fastest."""
    for point in itertools.product(*space.values()):
        yield dict(zip(space, point, strict=True))


def random_points(space: Space, count: int, seed: int) -> list[dict[str, Any]]:
    """The first `count` points of the grid in a seeded random order, all of it where it has fewer."""
    chosen = np.random.default_rng(seed).permutation(size(space))[:count]
    places = np.unravel_index(chosen, [len(values) for values in space.values()])
    return [
        {name: space[name][place] for name, place in zip(space, point, strict=True)}
        for point in zip(*(column.tolist() for column in places), strict=True)
    ]
