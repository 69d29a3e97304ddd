"""What an objective is on a batch, and what is logged of an epoch."""

from typing import Any

import numpy as np
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.methods.stages import Stage
from nmtr_tf.models.network import Network
from nmtr_tf.training.objective import Objective
from nmtr_tf.training.trained import TrainedPart


def batch_totals(
    net: Network, objective: Objective, trained: TrainedPart, training: TrainingConfig, batch: Any
) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
    """The objective on a batch, and what it is made of.

    Args:
        net: The parts of the model.
        objective: Gives losses and L2.
        trained: What the stage changes.
        training: The coefficients of L2.
        batch: What the objective reads.

    Returns:
        The weighted sum of the losses with L2, and the loss and the number of instances of each behavior:
        float32 scalars.
    """
    stage = trained.stage
    places = [net.behaviors.index(name) for name in stage.behaviors]
    losses, counts = map(list, zip(*objective.losses(net, places, batch), strict=True))
    weighted = [weight * loss for weight, loss in zip(stage.weights, losses, strict=True)]
    return tf.add_n(weighted) + objective.penalty(trained, batch, training), losses, counts


def epoch_logs(totals: list[np.ndarray], stage: Stage) -> dict[str, float]:
    """The logs of an epoch.

    Args:
        totals: float32 [1 + 2 L] each, to be summed: the objective, then the loss, then the number of
            instances of each of the L behaviors.
        stage: Names the behaviors.
    """
    summed = np.sum([part.astype(np.float64) for part in totals], axis=0)
    losses, counts = np.split(summed[1:], 2)
    logs = {"train/loss": summed[0] / counts.sum()}
    logs |= {f"train/loss_{name}": losses[r] / counts[r] for r, name in enumerate(stage.behaviors)}
    return {name: float(value) for name, value in logs.items()}
