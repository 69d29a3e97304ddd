"""What an epoch is: by gradient, many small steps; in closed form, the solution.

A learner has `epoch() -> logs`, which changes the model and begins anywhere between two calls of a graph, and
says what an epoch costs; the trainer asks for nothing else.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.methods.combinations import CLOSED_FORM, LEAST_SQUARES
from nmtr_tf.methods.plan import Plan
from nmtr_tf.methods.stages import Stage
from nmtr_tf.models.network import network
from nmtr_tf.models.optimizers import sum_repeated_rows
from nmtr_tf.training.closed_form import ClosedFormLearner
from nmtr_tf.training.least_squares import LeastSquaresLearner
from nmtr_tf.training.objective import Objective
from nmtr_tf.training.objectives import make_objective
from nmtr_tf.training.replicas import replicated_step
from nmtr_tf.training.sampling import padded
from nmtr_tf.training.state import Position
from nmtr_tf.training.totals import FirstBad, batch_totals, epoch_logs
from nmtr_tf.training.trained import TrainedPart

# XLA compiles the step in one to three seconds, and then saves a few milliseconds a step.
_STEPS_WORTH_COMPILING = 500
# Weights, all of which the compiled step updates, in the time that it saves for one instance.
_WEIGHTS_PER_INSTANCE = 600
# Rough cost of one instance's memory traffic (gather, scatter, update), in multiply-adds of a ranking per
# embedding dimension.
_ROW_COST = 80


class GradientLearner:
    """Learns a stage by gradient steps on the batches of an objective.

    Args:
        model: Made by `build_model` and compiled.
        plan: What it was built for.
        stage: What is trained.
        view: The training view.
        training: Batches, loss reduction and L2.

    Attributes:
        sampler: The stream of batches.
        num_steps: Steps of an epoch.
        capacities: Rows of each behavior that XLA compiles the step for; empty: it does not.
        totals: Of every call of this epoch so far; `make_train_steps` says what they are.
    """

    def __init__(
        self, model: keras.Model, plan: Plan, stage: Stage, view: TrainingView, training: TrainingConfig
    ):
        self.stage = stage
        objective = make_objective(plan)
        self.sampler = objective.sampler(view, training, stage.behaviors)
        self.num_steps = self.sampler.steps_per_epoch
        self.capacities = self._capacities(model)
        self._first_bad = FirstBad(stage.behaviors)
        self.train_steps = make_train_steps(
            model, objective, training, stage, self.capacities, self._first_bad
        )
        pair_cost = sum(unit.pair_cost for unit in network(model).cascade.units)
        self.cost = self.sampler.num_instances * (3 * pair_cost + _ROW_COST * plan.embedding_dim)
        self.totals: list[np.ndarray] = []
        # Sums over replicas of what varies in size work once in a call of a graph.
        self._steps_per_call = 1 if tf.distribute.has_strategy() else training.steps_per_call
        self._batches: Iterator | None = None

    def _capacities(self, model: keras.Model) -> tuple[int, ...]:
        """The sampler's capacities where XLA makes these steps faster; empty where it does not.

        It does not where the training is short, where the tables are large next to a step, where the sizes
        follow from histories, nor under a strategy, whose sums over replicas it does not compile.
        """
        if network(model).from_history or tf.distribute.has_strategy():
            return ()
        num_weights = sum(math.prod(variable.shape) for variable in model.trainable_variables)
        is_long = self.stage.num_epochs * self.num_steps >= _STEPS_WORTH_COMPILING
        is_dense = num_weights * self.num_steps <= _WEIGHTS_PER_INSTANCE * self.sampler.num_instances
        return self.sampler.capacities if is_long and is_dense else ()

    def epoch(
        self, before: Callable[[int], object], after: Callable[[int], object], start: Position | None = None
    ) -> dict[str, float]:
        """One epoch; they come one after the other.

        Args:
            before: Called with the number of the next step (from 0) before every graph call.
            after: Called with the number of the last step after every graph call.
            start: Where to begin; None: with the stage.

        Returns:
            "train/loss", the objective with its L2 terms per instance, and "train/loss_<behavior>", the loss
            of a behavior per instance of its own.

        Raises:
            NotFiniteError: If a loss is no longer finite.
        """
        start = start or Position()
        if self._batches is None:
            self._batches = iter(self.sampler.batches(start.epoch_of_stage * self.num_steps + start.step))
        self.totals = [*start.totals]
        for first in range(start.step, self.num_steps, self._steps_per_call):
            count = min(self._steps_per_call, self.num_steps - first)
            before(first)
            self.totals.append(self.train_steps(self._batches, tf.constant(count)).numpy())
            self._first_bad.check(first)
            after(first + count - 1)
        return epoch_logs(self.totals, self.stage)


Learner = GradientLearner | LeastSquaresLearner | ClosedFormLearner


def make_learner(
    model: keras.Model, plan: Plan, stage: Stage, view: TrainingView, training: TrainingConfig
) -> Learner:
    """The learner of a plan for a stage; arguments as for `GradientLearner`."""
    if plan.learner == CLOSED_FORM:
        return ClosedFormLearner(model, plan, view)
    if plan.learner == LEAST_SQUARES:
        return LeastSquaresLearner(model, plan, stage, view, training)
    return GradientLearner(model, plan, stage, view, training)


def make_train_steps(
    model: keras.Model,
    objective: Objective,
    training: TrainingConfig,
    stage: Stage,
    capacities: Sequence[int] = (),
    first_bad: FirstBad | None = None,
) -> Callable[[Iterator, tf.Tensor], tf.Tensor]:
    """A graph that takes several training steps in one call: (iterator, number of steps) -> totals.

    In the scope of a `tf.distribute` strategy its replicas take them together.

    The totals, float32 [1 + 2 L] for the L behaviors of the stage, are sums over the steps: the objective
    before any reduction to a mean, the loss of every behavior, the number of instances of every behavior.

    Args:
        model: Made by `build_model` and compiled.
        objective: Gives the loss of a batch.
        training: Loss reduction and L2.
        stage: What is trained on what; the iterator gives what the objective reads for its behaviors.
        capacities: Rows of each behavior: XLA compiles the step for batches padded to them, and whole
            tables are updated. Empty: as the batches come, and only the rows of the batch are updated.
        first_bad: Notes the first step of a call whose totals are not finite; None: nobody does.
    """
    net, optimizer = network(model), model.optimizer
    trained = TrainedPart(net, stage)
    # In the model's order, and for all of it, so that a saved model finds its optimizer's state again.
    optimizer.build(model.trainable_variables)
    variables = [variable for variable in model.trainable_variables if id(variable) in trained.ids]
    sums_rows = getattr(optimizer, "sums_repeated_rows", False)

    def plain_step(batches: Any) -> tf.Tensor:
        with tf.GradientTape() as tape:
            total, losses, counts = batch_totals(net, objective, trained, training, batches)
            scale = tf.add_n(counts) if training.loss_reduction == "mean" else 1.0
            minimised = tf.math.divide_no_nan(total, scale)
        gradients = tape.gradient(
            minimised,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        if capacities:
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        elif not sums_rows:
            gradients = [sum_repeated_rows(gradient) for gradient in gradients]
        optimizer.apply(gradients, variables)
        return tf.stack([total, *losses, *counts])

    step: Callable[[Any], tf.Tensor] = plain_step
    if tf.distribute.has_strategy():
        step = replicated_step(net, objective, trained, training, optimizer, variables)
    elif capacities:
        step = tf.function(plain_step, autograph=False, jit_compile=True)

    @tf.function(autograph=False)  # which takes long, for one loop
    def train_steps(iterator: tf.data.Iterator, num_steps: tf.Tensor) -> tf.Tensor:
        def one_more(number: tf.Tensor, totals: tf.Tensor, num_good: tf.Tensor, seen: tf.Tensor) -> tuple:
            batches = next(iterator)
            if capacities:
                batches = [padded(batch, size) for batch, size in zip(batches, capacities, strict=True)]
            own = step(batches)
            if first_bad is not None:
                num_good, seen = FirstBad.passed(num_good, seen, own)
            return number + 1, totals + own, num_good, seen

        none, zero = tf.zeros([1 + 2 * len(stage.behaviors)]), tf.constant(0)
        start = zero, none, zero, none
        _, totals, num_good, seen = tf.while_loop(lambda number, *_: number < num_steps, one_more, start)
        if first_bad is not None:
            first_bad.note(num_good, seen)
        return totals

    return train_steps
