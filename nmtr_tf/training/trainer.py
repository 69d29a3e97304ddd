"""The one training loop: stages, callbacks, evaluation, the best epoch."""

import contextlib
import dataclasses
import functools
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
from nmtr_tf.training.checkpoints import Checkpoints
from nmtr_tf.training.learners import Learner, make_learner
from nmtr_tf.training.optimizers import make_optimizer
from nmtr_tf.training.state import Position, TrainingState, give_values, values_of
from nmtr_tf.training.totals import NotFiniteError


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
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Trains a model; it ends with its best weights, or its last without validation.

    Sequential training goes through its stages one after the other. Epochs are numbered through, each stage
    starts with a new optimizer, and is validated on the head of its own behavior: it stops early there, and
    the next one starts from its best weights. Only the last one, which trains the target, chooses the model.

    Args:
        model: Made by `build_model` for the plan. If it was compiled, its optimizer trains it, a copy of it
            each stage; else the one that the config names. If it was made in the scope of a `tf.distribute`
            strategy, the replicas train it together, each with a part of every batch.
        plan: What is trained, and in which stages.
        view: The training view.
        config: `training` and `evaluation` are read.
        callbacks: Keras callbacks. The logs of an epoch hold "train/loss" (the objective of Eq. 12 with its
            L2 terms, per instance), "train/loss_<behavior>" (its loss per instance, unweighted) and, where
            the epoch was evaluated, "validation/HR@K", "validation/NDCG@K" and the same for test; in an
            earlier stage "validation_<behavior>/HR@K", ... of its head.
        checkpoint: Where to save the model at each improvement (`.keras`); None: nowhere.
        checkpoints: When to write down what the training holds, and what it goes on from: the weights, the
            logs and the best epoch are then, on a CPU bit for bit, those of a training that was never cut.
            Callbacks of the user's begin anew. None: it begins, and nothing is written down.

    Raises:
        InputError: If an option has no meaning here, or the loss is no longer finite.
        Interrupted: If `checkpoints` were told that the process is to stop.
    """
    training = config.training
    if getattr(model, "optimizer", None) is not None:  # compiled by the user
        training = dataclasses.replace(training, optimizer=model.optimizer)
    best = BestEpoch(f"validation/{training.monitor}", training.patience, checkpoint)
    set_directions(callbacks)
    # The best weights come back last, after callbacks have seen the last ones.
    hooks = keras.callbacks.CallbackList([*callbacks, best], model=model)
    model.stop_training = False
    start = checkpoints.start if checkpoints else None
    history = list(start.history) if start else []
    num_evaluated: dict[str, int] = {}
    stage_epochs = list(start.stage_epochs) if start else []
    begun = start.position.stage if start else 0
    for number, stage in list(enumerate(plan.stages))[begun:]:
        behavior = None if stage is plan.stages[-1] else stage.behaviors[-1]
        split = f"validation_{behavior}" if behavior else "validation"
        best.begin(f"{split}/{training.monitor}", None if behavior else checkpoint)
        if model.stop_training:  # by a callback, in an earlier stage: the last weights stay
            break
        with model.distribute_strategy.scope():  # and nothing else: what callbacks make is their own
            model.compile(optimizer=make_optimizer(training))
            learner = make_learner(model, plan, stage, view, training)
        evaluation = EpochEvaluation(model, view, config, learner.cost, behavior)
        hooks.set_params(
            {"epochs": plan.num_epochs, "steps": learner.num_steps, "start": start and start.position}
        )
        position = Position(number, len(history), len(history))
        if checkpoints and start and number == begun:
            position = _restore(checkpoints, start, model, best)
        if number == begun:
            hooks.on_train_begin()
        epochs = _Stage(learner, stage.num_epochs, evaluation, training.eval_every, hooks, best, checkpoints)
        epochs.run(position, history, stage_epochs)
        if behavior:
            best.end_stage()
        else:
            num_evaluated = evaluation.num_users
        stage_epochs.append((len(history) if best.epoch is None else best.epoch + 1) - position.first)
    hooks.on_train_end(history[-1])
    epoch = None if best.epoch is None else best.epoch + 1
    return Trained(history, epoch, best.value, num_evaluated, tuple(stage_epochs))


def _restore(checkpoints: Checkpoints, start: TrainingState, model: keras.Model, best: BestEpoch) -> Position:
    """Gives the model, its optimizer and the best epoch what they had, and says where."""
    give_values(model, start.variables)
    if checkpoints.learning_rate is not None:
        with contextlib.suppress(TypeError):  # of a schedule, which has its own
            model.optimizer.learning_rate = checkpoints.learning_rate
    best.restore(start.best, start.best_weights)
    model.stop_training = start.is_stopped
    return start.position


@dataclasses.dataclass
class _Stage:
    """The epochs of a stage."""

    learner: Learner
    num_epochs: int
    evaluate: Callable[[], dict[str, float]]
    eval_every: int
    hooks: keras.callbacks.CallbackList
    best: BestEpoch
    checkpoints: Checkpoints | None

    def run(self, start: Position, history: list[dict[str, float]], stage_epochs: list[int]) -> None:
        """Adds the logs of the stage's epochs to the history, from a position on."""
        last = start.first + self.num_epochs
        state = functools.partial(self._state, history, stage_epochs)
        for epoch in range(start.epoch, last):
            if self.hooks.model.stop_training:
                return
            here = start if epoch == start.epoch else Position(start.stage, start.first, epoch)
            self.hooks.on_epoch_begin(epoch)
            logs = self._epoch(here, state)
            if (epoch + 1) % self.eval_every == 0 or epoch + 1 == last:
                logs |= self.evaluate()
            history.append({"epoch": epoch + 1, **logs})
            self.hooks.on_epoch_end(epoch, logs)
            if self.checkpoints:
                self.checkpoints.after_epoch(state(Position(start.stage, start.first, epoch + 1)))

    def _epoch(self, start: Position, state: Callable[[Position], TrainingState]) -> dict[str, float]:
        """An epoch, with a checkpoint after any call of a graph."""
        done = start.step

        def after(step: int) -> None:
            nonlocal done
            self.hooks.on_train_batch_end(step)
            if self.checkpoints:
                self.checkpoints.after_call(step + 1 - done, lambda: state(self._within(start, step + 1)))
            done = step + 1

        try:
            logs = self.learner.epoch(self.hooks.on_train_batch_begin, after, start)
        except NotFiniteError as bad:
            what, where = f"{bad.what} is {bad.value}", f"epoch {start.epoch + 1}, step {bad.step + 1}"
            raise InputError(f"The {what} in {where}; try a smaller `learning_rate`.") from None
        if not np.isfinite(logs["train/loss"]):
            raise InputError(
                f"The loss is {logs['train/loss']} in epoch {start.epoch + 1}; try a smaller `learning_rate`."
            )
        return logs

    def _within(self, start: Position, step: int) -> Position:
        """After a step of the epoch that was begun or gone on with at `start`."""
        return dataclasses.replace(start, step=step, totals=np.array(self.learner.totals, np.float32))

    def _state(self, history: list[dict[str, float]], stage_epochs: list[int], at: Position) -> TrainingState:
        """What is held at a position."""
        model, best = self.hooks.model, self.best
        assert self.checkpoints
        return TrainingState(
            position=at,
            variables=values_of(model),
            best_weights=best.weights,
            best=best.state(),
            history=history,
            stage_epochs=stage_epochs,
            is_stopped=bool(model.stop_training),
            notes=self.checkpoints.notes(),
        )
