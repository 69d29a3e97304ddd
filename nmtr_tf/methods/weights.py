"""The weights of behaviors: lambda of Eq. 12, of unobserved pairs, of channels of negatives, in histories."""

import itertools

from nmtr_tf.config import LinearConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.table import get_method


def behavior_weights(method: str, training: TrainingConfig, predicted: tuple[str, ...]) -> tuple[float, ...]:
    """Lambda of Eq. 12 for the predicted behaviors: as given, or 1/R each.

    Raises:
        InputError: If the weights are not one for each behavior, or not what the method allows.
    """
    weights = training.loss_weights or (1 / len(predicted),) * len(predicted)
    if len(weights) != len(predicted):
        raise InputError(
            f"`loss_weights` should hold one weight for each of the {len(predicted)} behaviors "
            f"({', '.join(predicted)}). Received: {len(weights)}."
        )
    if get_method(method).weights_sum_to_one:
        allowed, expected = min(weights) >= 0 and abs(sum(weights) - 1) < 1e-3, "at least 0 each and sum to 1"
    else:
        allowed, expected = min(weights) >= 0 and 0 < max(weights) <= 1, "in [0, 1] each and not all 0"
    if not allowed:
        raise InputError(f"`loss_weights` should be {expected} for `method={method}`. Received: {weights}.")
    return weights


def unobserved_weights(training: TrainingConfig, predicted: tuple[str, ...]) -> tuple[float, ...]:
    """Weight of an unobserved pair of each predicted behavior: as given, or the one that is for all.

    Raises:
        InputError: If there are several that are not one for each behavior.
    """
    weights = training.unobserved_weight
    if len(weights) not in (1, len(predicted)):
        raise InputError(
            f"`unobserved_weight` should hold one weight, or one for each of the {len(predicted)} behaviors "
            f"({', '.join(predicted)}). Received: {len(weights)}."
        )
    return weights * len(predicted) if len(weights) == 1 else weights


def channel_weights(method: str, training: TrainingConfig, behaviors: tuple[str, ...]) -> tuple[float, ...]:
    """The weight of every auxiliary behavior's channel: as given, or 1/(distance from the target + 1).

    Args:
        method: Name of a method that samples from channels.
        training: Holds the weights.
        behaviors: All of the training view, weakest first, target last.

    Raises:
        InputError: If there is no auxiliary behavior, or the weights are not one for each.
    """
    *auxiliary, _ = behaviors
    if not auxiliary:
        raise InputError(
            f"`method={method}` samples from behaviors other than the target: expected at least two "
            f"behaviors. Received: {', '.join(behaviors)}."
        )
    weights = training.channel_weights or tuple(1 / (away + 1) for away in range(len(auxiliary), 0, -1))
    if len(weights) != len(auxiliary):
        raise InputError(
            f"`channel_weights` should hold one weight for each of the {len(auxiliary)} auxiliary behaviors "
            f"({', '.join(auxiliary)}). Received: {len(weights)}."
        )
    return weights


def linear_gates(linear: LinearConfig, behaviors: tuple[str, ...]) -> tuple[float, ...]:
    """The weight of an item in a user's row by the strongest behavior shown; empty: 1 for each.

    Raises:
        InputError: If there are some that are not one for each behavior.
    """
    gates = linear.linear_gates
    if gates and len(gates) != len(behaviors):
        raise InputError(
            f"`linear_gates` should hold one weight for each of the {len(behaviors)} behaviors "
            f"({', '.join(behaviors)}). Received: {len(gates)}."
        )
    return () if set(gates) == {1.0} else gates


def simplex(num_weights: int) -> list[tuple[float, ...]]:
    """Weights >= 0 that sum to 1, in the steps of Figure 4: tenths for two weights, else sixths."""
    parts = 10 if num_weights == 2 else 6
    counts = itertools.product(range(parts + 1), repeat=num_weights)
    return [tuple(count / parts for count in point) for point in counts if sum(point) == parts]
