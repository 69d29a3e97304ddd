"""Multi-task and sequential training (Section III-D, Table V) as a list of stages. It needs no TensorFlow."""

import dataclasses

from nmtr_tf.config import ModelConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import get_method, predicted_behaviors, unit_names
from nmtr_tf.training.settings import behavior_weights, channel_weights, loss_name


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the training with an objective of its own.

    Attributes:
        behaviors: Behaviors whose instances are trained on, weakest first.
        weights: Lambda of Eq. 12, one for each.
        num_epochs: Epochs at most.
        frozen: Behaviors whose unit and item bias stay as they are.
        loss: "log", "bpr" or "squared".
    """

    behaviors: tuple[str, ...]
    weights: tuple[float, ...]
    num_epochs: int
    frozen: tuple[str, ...] = ()
    loss: str = "log"


def check_method(model: ModelConfig, training: TrainingConfig, behaviors: tuple[str, ...]) -> None:
    """Checks that a method can be trained as the options say, before anything is built.

    Args:
        model: The method.
        training: The options.
        behaviors: All of the training view, weakest first, target last.

    Raises:
        InputError: If there is no such method, or an option does not fit it or the behaviors.
    """
    predicted = predicted_behaviors(model, behaviors)
    unit_names(model, predicted)
    make_stages(model, training, predicted)
    if get_method(model.method).negatives == "multi_channel":
        channel_weights(model, training, behaviors)


def make_stages(model: ModelConfig, training: TrainingConfig, behaviors: tuple[str, ...]) -> list[Stage]:
    """The stages of a training: one for all behaviors, or one for each, weakest first.

    A later stage of sequential training goes on with the embeddings and keeps what earlier units learned.
    With `num_epochs` for each stage, all stages together see as many instances as multi-task training does.

    Args:
        model: The method.
        training: Kind of training, epochs and loss weights.
        behaviors: The predicted behaviors, weakest first.

    Raises:
        InputError: If loss weights or epochs do not fit the behaviors, or the method cannot be trained in
            sequence.
    """
    weights, loss = behavior_weights(model, training, behaviors), loss_name(model, training)
    if training.train_mode == "multitask":
        return [Stage(behaviors, weights, training.num_epochs, (), loss)]
    if len(behaviors) < 2 or not get_method(model.method).cascade:
        raise InputError(
            f"--train_mode=sequential goes from behavior to behavior of a cascade: expected an NMTR method "
            f"and at least two behaviors. Received: --method={model.method} for {', '.join(behaviors)}."
        )
    epochs = training.stage_epochs or (training.num_epochs,) * len(behaviors)
    if len(epochs) != len(behaviors):
        raise InputError(
            f"--stage_epochs should hold one number for each of the {len(behaviors)} behaviors "
            f"({', '.join(behaviors)}). Received: {len(epochs)}."
        )
    return [
        Stage((name,), (1.0,), count, tuple(other for other in behaviors if other != name), loss)
        for name, count in zip(behaviors, epochs, strict=True)
    ]
