"""What an objective is on a batch, and what is logged of an epoch."""

from collections.abc import Sequence
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
    weighted, losses, counts = weighted_losses(net, objective, trained, batch)
    return weighted + objective.penalty(trained, batch, training), losses, counts


def weighted_losses(
    net: Network, objective: Objective, trained: TrainedPart, batch: Any
) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
    """What `batch_totals` gives, without L2; arguments likewise."""
    stage = trained.stage
    places = [net.behaviors.index(name) for name in stage.behaviors]
    losses, counts = map(list, zip(*objective.losses(net, places, batch), strict=True))
    weighted = [weight * loss for weight, loss in zip(stage.weights, losses, strict=True)]
    return tf.add_n(weighted), losses, counts


def epoch_logs(totals: list[np.ndarray], stage: Stage) -> dict[str, float]:
    """The logs of an epoch.

    Args:
        totals: float32 [1 + 2 L] each, to be summed: the objective, then the loss, then the number of
            instances of each of the L behaviors.
        stage: Names the behaviors. One without a training row has no instance, and no loss in the logs.
    """
    summed = np.sum([part.astype(np.float64) for part in totals], axis=0)
    losses, counts = np.split(summed[1:], 2)
    logs = {"train/loss": summed[0] / counts.sum()}
    logs |= {
        f"train/loss_{name}": losses[r] / counts[r] for r, name in enumerate(stage.behaviors) if counts[r]
    }
    return {name: float(value) for name, value in logs.items()}


class NotFiniteError(Exception):
    """A loss is infinite or not a number.

    Attributes:
        step: The step of the epoch at which it first was, from 0.
        what: Whose loss: "loss of buy", or "objective" where its L2 terms alone are.
        value: What it was.
    """

    def __init__(self, step: int, what: str, value: float):
        super().__init__(f"The {what} is {value} at step {step + 1}.")
        self.step, self.what, self.value = step, what, value


class FirstBad:
    """Finds the first step of a graph call whose totals are not finite, without a look at each from outside.

    Args:
        behaviors: Whose losses are among the totals.
    """

    def __init__(self, behaviors: Sequence[str]):
        self._behaviors = behaviors
        self._noted = tf.Variable(tf.zeros([2 + 2 * len(behaviors)]), trainable=False)

    @staticmethod
    def passed(num_good: tf.Tensor, seen: tf.Tensor, own: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What is known after a step, in the graph.

        Args:
            num_good: int32, steps of the call before the first bad one, so far.
            seen: Totals of that one, or of the last step; zeros before the first.
            own: Those of this step.
        """
        seen = tf.where(_all_finite(seen), own, seen)
        return num_good + tf.cast(_all_finite(seen), tf.int32), seen

    def note(self, num_good: tf.Tensor, seen: tf.Tensor) -> None:
        """Keeps what is known after a call, in the graph."""
        self._noted.assign(tf.concat([tf.cast(num_good, tf.float32)[None], seen], axis=0))

    def check(self, first: int) -> None:
        """Looks at the last call, whose first step is given.

        Raises:
            NotFiniteError: If a step's totals are not finite.
        """
        noted = self._noted.numpy()
        if np.isfinite(noted).all():
            return
        num_good, objective, *parts = noted.tolist()
        losses = dict(zip(self._behaviors, parts, strict=False))
        bad = [name for name, loss in losses.items() if not np.isfinite(loss)]
        what = f"loss of {', '.join(bad)}" if bad else "objective"
        raise NotFiniteError(first + int(num_good), what, losses[bad[0]] if bad else objective)


def _all_finite(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(values))
