"""The stages of training: multi-task in one, sequential in one for each behavior. It needs no TensorFlow."""

import dataclasses

from nmtr_tf.config import ModelConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.table import Method
from nmtr_tf.methods.weights import behavior_weights


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the training with an objective of its own (Section III-D, Table V).

    Attributes:
        behaviors: Behaviors whose instances are trained on, weakest first.
        weights: Lambda of Eq. 12, one for each.
        num_epochs: Epochs at most.
        frozen: Behaviors whose unit and item bias stay as they are.
    """

    behaviors: tuple[str, ...]
    weights: tuple[float, ...]
    num_epochs: int
    frozen: tuple[str, ...] = ()


def resolve_stages(
    model: ModelConfig, training: TrainingConfig, method: Method, predicted: tuple[str, ...]
) -> tuple[Stage, ...]:
    """One stage for all behaviors, or one for each, weakest first.

    A later stage of sequential training goes on with the embeddings and keeps what earlier units learned.
    With `num_epochs` for each stage, all stages together see at most as many instances as multi-task training
    does.

    Differs from the paper: it does not say what becomes of units that were trained before, nor when a stage
    ends. Here they and their item biases are frozen, while the embeddings, which are shared, go on moving
    under them; a stage is validated on the head of its own behavior, stops early there, and the next one
    starts from its best epoch (`nmtr_tf.evaluation.monitoring.validation_of`).
    """
    weights = behavior_weights(model.method, training, predicted)
    if training.train_mode == "multitask":
        return (Stage(predicted, weights, training.num_epochs),)
    if len(predicted) < 2 or not method.cascade:
        raise InputError(
            f"`train_mode=sequential` goes from behavior to behavior of a cascade: expected an NMTR method "
            f"and at least two behaviors. Received: `method={model.method}` for {', '.join(predicted)}."
        )
    epochs = training.stage_epochs or (training.num_epochs,) * len(predicted)
    if len(epochs) != len(predicted):
        raise InputError(
            f"`stage_epochs` should hold one number for each of the {len(predicted)} behaviors "
            f"({', '.join(predicted)}). Received: {len(epochs)}."
        )
    return tuple(
        Stage((name,), (1.0,), count, tuple(other for other in predicted if other != name))
        for name, count in zip(predicted, epochs, strict=True)
    )
