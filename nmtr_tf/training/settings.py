"""What a method makes of the training options, checked. It needs no TensorFlow."""

from nmtr_tf.config import ModelConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import get_method


def loss_name(model: ModelConfig, training: TrainingConfig) -> str:
    """`--loss`, or the method's own: "log", "bpr" or "squared"."""
    return training.loss or get_method(model.method).loss


def behavior_weights(
    model: ModelConfig, training: TrainingConfig, behaviors: tuple[str, ...]
) -> tuple[float, ...]:
    """Lambda of Eq. 12 for the predicted behaviors: as given, or 1/R each.

    Raises:
        InputError: If the weights are not one for each behavior, or not what the method allows.
    """
    weights = training.loss_weights or (1 / len(behaviors),) * len(behaviors)
    if len(weights) != len(behaviors):
        raise InputError(
            f"--loss_weights should hold one weight for each of the {len(behaviors)} behaviors "
            f"({', '.join(behaviors)}). Received: {len(weights)}."
        )
    if get_method(model.method).weights_sum_to_one:
        allowed, expected = min(weights) >= 0 and abs(sum(weights) - 1) < 1e-3, "at least 0 each and sum to 1"
    else:
        allowed, expected = min(weights) >= 0 and 0 < max(weights) <= 1, "in [0, 1] each and not all 0"
    if not allowed:
        raise InputError(
            f"--loss_weights should be {expected} for --method={model.method}. Received: {weights}."
        )
    return weights


def channel_weights(
    model: ModelConfig, training: TrainingConfig, behaviors: tuple[str, ...]
) -> tuple[float, ...]:
    """The weight of every weaker behavior's channel: as given, or 1/(distance from the target + 1).

    Args:
        model: Its method is one with "multi_channel" negatives.
        training: Holds the weights.
        behaviors: All of the training view, weakest first, target last.

    Raises:
        InputError: If there is no weaker behavior, or the weights are not one for each.
    """
    weaker = behaviors[:-1]
    if not weaker:
        raise InputError(
            f"--method={model.method} samples from weaker behaviors than the target: expected at least two "
            f"behaviors. Received: {', '.join(behaviors)}."
        )
    weights = training.channel_weights or tuple(1 / (distance + 1) for distance in range(len(weaker), 0, -1))
    if len(weights) != len(weaker):
        raise InputError(
            f"--channel_weights should hold one weight for each of the {len(weaker)} weaker behaviors "
            f"({', '.join(weaker)}). Received: {len(weights)}."
        )
    return weights
