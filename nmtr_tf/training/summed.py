"""Training a sum of embeddings and a linear part: each alone, then the weight of the sum by validation."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
from typing_extensions import override

from nmtr_tf.config import RunConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.monitoring import EpochEvaluation
from nmtr_tf.files import new_file
from nmtr_tf.methods.model import without_linear
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.network import network
from nmtr_tf.training.callbacks import set_directions
from nmtr_tf.training.checkpoints import Checkpoints
from nmtr_tf.training.closed_form import ClosedFormLearner
from nmtr_tf.training.trainer import Trained, train

COARSE = (0.25, 1.0, 4.0, 16.0, 64.0)
"""Weights of the linear part that are tried first."""
FINER = (2.0, 2.0**0.5)
"""The best of those tried is multiplied with and divided by each of these, one after the other."""


def train_sum(
    model: keras.Model,
    plan: Plan,
    view: TrainingView,
    config: RunConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Trains a model whose plan `adds_linear`; arguments, logs and errors as for `trainer.train`.

    The epochs of the embeddings come first and are evaluated without the linear part, which is solved in
    one more epoch at the end, of which there are no checkpoints. That one is evaluated as the sum, on
    `eval_users` users, with the weight of the linear part that `linear_weight` gives or that is best by the
    monitored metric. The model is saved once.

    Returns:
        What was done; where the weight was chosen or the epochs were, `chosen` has them.
    """
    set_directions(callbacks)
    hooks = keras.callbacks.CallbackList(list(callbacks), model=model)
    model.stop_training = False
    start = checkpoints.start.position if checkpoints and checkpoints.start else None
    hooks.set_params({"epochs": plan.num_epochs + 1, "steps": 1, "keeps_last": False, "start": start})
    hooks.on_train_begin()
    part = without_linear(model)
    if getattr(model, "optimizer", None) is not None:  # compiled by the user
        part.compile(optimizer=model.optimizer)
    alone = dataclasses.replace(plan, method=dataclasses.replace(plan.method, adds_linear=False))
    first = train(part, alone, view, config, [_Passed(hooks)], checkpoints=checkpoints)
    epoch = len(first.history)
    hooks.params["is_sum"] = True  # from here on: its value is none to compare those of other epochs with
    hooks.on_epoch_begin(epoch)
    learner = ClosedFormLearner(model, plan, view)
    logs = learner.epoch(hooks.on_train_batch_begin, hooks.on_train_batch_end)
    evaluate = EpochEvaluation(model, view, config.with_options(eval_sample="always"), learner.cost)
    monitor = f"validation/{config.training.monitor}"
    weight, found = _weighted(model, plan.linear.linear_weight, evaluate, monitor)
    logs |= found
    if checkpoint:
        with new_file(checkpoint) as path:
            model.save(path)
    hooks.on_epoch_end(epoch, logs)
    hooks.on_train_end(logs)
    is_evaluated = monitor in logs
    return Trained(
        history=[*first.history, {"epoch": epoch + 1, **logs}],
        best_epoch=epoch + 1 if is_evaluated else None,
        best_value=logs.get(monitor, first.best_value),
        num_evaluated=evaluate.num_users,
        stage_epochs=first.stage_epochs,
        chosen={"num_epochs": first.best_epoch or epoch, "linear_weight": weight},
    )


def _weighted(
    model: keras.Model, given: float | None, evaluate: Callable[[], dict[str, float]], monitor: str
) -> tuple[float, dict[str, float]]:
    """The weight of the linear part, which the model then has, and the metrics with it."""
    variable, results = network(model).cascade.units[-1].linear_weight, {}

    def value(weight: float) -> float:
        """Of the monitored metric."""
        if weight not in results:
            variable.assign(weight)
            results[weight] = evaluate()
        return results[weight].get(monitor, 0.0)

    if given is None:
        best = max(COARSE, key=value)
        for factor in FINER:
            best = max((best, *(float(f"{one:.4g}") for one in (best / factor, best * factor))), key=value)
    else:
        best = given
        value(best)
    variable.assign(best)
    return best, results[best]


class _Passed(keras.callbacks.Callback):
    """Tells other callbacks, which watch another model, of epochs and steps.

    Args:
        hooks: The others. Their model's `stop_training` stops this one's.
    """

    def __init__(self, hooks: keras.callbacks.CallbackList):
        super().__init__()
        self.hooks = hooks

    @override
    def on_epoch_begin(self, epoch, logs=None):
        self.hooks.params["steps"] = self.params["steps"]
        self.hooks.on_epoch_begin(epoch, logs)

    @override
    def on_train_batch_begin(self, batch, logs: Any = None):
        self.hooks.on_train_batch_begin(batch, logs)

    @override
    def on_train_batch_end(self, batch, logs: Any = None):
        self.hooks.on_train_batch_end(batch, logs)

    @override
    def on_epoch_end(self, epoch, logs=None):
        self.hooks.on_epoch_end(epoch, logs)
        self.model.stop_training = self.hooks.model.stop_training
