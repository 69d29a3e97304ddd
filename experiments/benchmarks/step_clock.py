"""This project's own training, step by step: the parts that the trainer uses."""

import dataclasses
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from nmtr_tf.config import ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import Stage, resolve
from nmtr_tf.training.learners import GradientLearner
from nmtr_tf.training.optimizers import make_optimizer
from nmtr_tf.training.sampling import PairSampler

# What the sampler may have drawn ahead of the steps: not part of what is timed.
_STEPS_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class StepClock:
    """A model and what trains it, before the first step, to be timed.

    Attributes:
        model: With an optimizer of its own.
        config: With all defaults but the method's.
        learner: Of the only stage of its training.
    """

    model: keras.Model
    config: TrainingConfig
    learner: GradientLearner

    @property
    def stage(self) -> Stage:
        """What is trained."""
        return self.learner.stage

    @property
    def sampler(self) -> PairSampler:
        """Of the training view."""
        return self.learner.sampler

    @property
    def instances_per_step(self) -> float:
        """Instances of an average step."""
        return self.sampler.num_instances / self.sampler.steps_per_epoch

    def measurement(self, block: int) -> Callable[[], float]:
        """A measurement: seconds of `block` steps in one call. The graph is traced before this returns."""
        batches = iter(self.sampler.batches())
        ahead = tf.constant(_STEPS_AHEAD)
        self.learner.train_steps(batches, ahead)

        def seconds() -> float:
            self.learner.train_steps(batches, ahead).numpy()
            started = time.perf_counter()
            self.learner.train_steps(batches, tf.constant(block)).numpy()
            return time.perf_counter() - started

        return seconds

    def single_steps(self, block: int, repeats: int) -> list[float]:
        """Seconds of `block` steps, a call each as under a strategy, measured `repeats` times."""
        batches, one, found = iter(self.sampler.batches()), tf.constant(1), []
        for number in range(repeats + 1):  # the first one traces
            started = time.perf_counter()
            for _ in range(block):
                self.learner.train_steps(batches, one).numpy()
            if number:
                found.append(time.perf_counter() - started)
        return found


def make_clock(view: TrainingView, method: str, training: TrainingConfig | None = None) -> StepClock:
    """The training of a method with its defaults, as `nmtr_tf.training.trainer.train` sets it up."""
    training = training or TrainingConfig()
    plan = resolve(RunConfig(model=ModelConfig(method=method), training=training), view.behaviors)
    model = build_model(plan, view.num_users, view.num_items, training.seed)
    model.compile(optimizer=make_optimizer(training))
    (stage,) = plan.stages
    return StepClock(model, training, GradientLearner(model, plan, stage, view, training))


def make_model(view: TrainingView, method: str) -> keras.Model:
    """The untrained model of a method with its defaults."""
    plan = resolve(RunConfig(model=ModelConfig(method=method)), view.behaviors)
    return build_model(plan, view.num_users, view.num_items, seed=0)
