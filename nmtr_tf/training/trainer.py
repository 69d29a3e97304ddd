"""The one training loop: stages, callbacks, evaluation, the best epoch."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nmtr_tf.config import RunConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.monitoring import EpochEvaluation
from nmtr_tf.methods.plan import Plan
from nmtr_tf.training.callbacks import BestEpoch, set_directions
from nmtr_tf.training.learners import Learner, make_learner
from nmtr_tf.training.optimizers import make_optimizer


@dataclasses.dataclass(frozen=True)
class Trained:
    """What `train` did.

    Attributes:
        history: The logs of every epoch, each with its number under "epoch" (from 1).
        best_epoch: The epoch (from 1) whose weights the model has; None: the last, for want of validation.
        best_value: The monitored value of that epoch.
        num_evaluated: Split -> users that were ranked after each epoch.
        stage_epochs: Epochs of each stage that the model's weights took; of those alone that were begun.
        chosen: Options that training chose: name -> value.
    """

    history: list[dict[str, float]]
    best_epoch: int | None
    best_value: float
    num_evaluated: dict[str, int]
    stage_epochs: tuple[int, ...]
    chosen: dict[str, Any] = dataclasses.field(default_factory=dict)


def train(
    model: keras.Model,
    plan: Plan,
    view: TrainingView,
    config: RunConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | None = None,
) -> Trained:
    """Trains a model; it ends with its best weights, or its last without validation.

    Sequential training goes through its stages one after the other. Epochs are numbered through, each stage
    starts with a new optimizer, and is validated on the head of its own behavior: it stops early there, and
    the next one starts from its best weights. Only the last one, which trains the target, chooses the model.

    Args:
        model: Made by `build_model` for the plan. If it was compiled, its optimizer trains it, a copy of it
            each stage; else the one that the config names.
        plan: What is trained, and in which stages.
        view: The training view.
        config: `training` and `evaluation` are read.
        callbacks: Keras callbacks. The logs of an epoch hold "train/loss" (the objective of Eq. 12 with its
            L2 terms, per instance), "train/loss_<behavior>" (its loss per instance, unweighted) and, where
            the epoch was evaluated, "validation/HR@K", "validation/NDCG@K" and the same for test; in an
            earlier stage "validation_<behavior>/HR@K", ... of its head.
        checkpoint: Where to save the model at each improvement (`.keras`); None: nowhere.

    Raises:
        InputError: If an option has no meaning here, or the loss is no longer finite.
    """
    training = config.training
    if getattr(model, "optimizer", None) is not None:  # compiled by the user
        training = dataclasses.replace(training, optimizer=model.optimizer)
    best = BestEpoch(f"validation/{training.monitor}", training.patience, checkpoint)
    set_directions(callbacks)
    # The best weights come back last, after callbacks have seen the last ones.
    hooks = keras.callbacks.CallbackList([*callbacks, best], model=model)
    model.stop_training = False
    history: list[dict[str, float]] = []
    num_evaluated: dict[str, int] = {}
    stage_epochs: list[int] = []
    for stage in plan.stages:
        behavior = None if stage is plan.stages[-1] else stage.behaviors[-1]
        split = f"validation_{behavior}" if behavior else "validation"
        best.begin(f"{split}/{training.monitor}", None if behavior else checkpoint)
        if model.stop_training:  # by a callback, in an earlier stage: the last weights stay
            break
        model.compile(optimizer=make_optimizer(training))
        learner = make_learner(model, plan, stage, view, training)
        evaluation = EpochEvaluation(model, view, config, learner.cost, behavior)
        hooks.set_params({"epochs": plan.num_epochs, "steps": learner.num_steps})
        if not history:
            hooks.on_train_begin()
        first = len(history)
        _run_stage(learner, stage.num_epochs, evaluation, training.eval_every, hooks, history)
        if behavior:
            best.end_stage()
        else:
            num_evaluated = evaluation.num_users
        stage_epochs.append((len(history) if best.epoch is None else best.epoch + 1) - first)
    hooks.on_train_end(history[-1])
    epoch = None if best.epoch is None else best.epoch + 1
    return Trained(history, epoch, best.value, num_evaluated, tuple(stage_epochs))


def _run_stage(
    learner: Learner,
    num_epochs: int,
    evaluate: Callable[[], dict[str, float]],
    eval_every: int,
    hooks: keras.callbacks.CallbackList,
    history: list[dict[str, float]],
) -> None:
    """Adds the logs of the stage's epochs to the history."""
    last = len(history) + num_epochs
    for epoch in range(len(history), last):
        if hooks.model.stop_training:
            return
        hooks.on_epoch_begin(epoch)
        logs = learner.epoch(hooks.on_train_batch_begin, hooks.on_train_batch_end)
        if not np.isfinite(logs["train/loss"]):
            raise InputError(
                f"The loss is {logs['train/loss']} in epoch {epoch + 1}; try a smaller `learning_rate`."
            )
        if (epoch + 1) % eval_every == 0 or epoch + 1 == last:
            logs |= evaluate()
        history.append({"epoch": epoch + 1, **logs})
        hooks.on_epoch_end(epoch, logs)
