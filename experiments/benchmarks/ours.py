"""This project's training, taken apart for measuring: the same sampler and steps that the trainer uses."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from nmtr_tf.config import ModelConfig, TrainingConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.models.methods import predicted_behaviors
from nmtr_tf.models.nmtr import build_model
from nmtr_tf.training.optimizers import make_optimizer
from nmtr_tf.training.sampling import PairSampler, make_sampler
from nmtr_tf.training.stages import Stage, make_stages
from nmtr_tf.training.steps import capacities_to_compile, make_train_steps

# What the sampler may have drawn ahead of the steps: not part of what is timed.
_STEPS_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class Training:
    """A model and what trains it, before the first step.

    Attributes:
        model: With an optimizer of its own.
        config: With all defaults but the method's.
        stage: What is trained.
        sampler: Of the training view.
        train_steps: (iterator, number of steps) -> totals.
    """

    model: keras.Model
    config: TrainingConfig
    stage: Stage
    sampler: PairSampler
    train_steps: Callable[[Iterator, tf.Tensor], tf.Tensor]

    def clock(self, block: int) -> Callable[[], float]:
        """A measurement: seconds of `block` steps in one call. The graph is traced before this returns."""
        batches = iter(self.sampler.batches())
        ahead = tf.constant(_STEPS_AHEAD)
        self.train_steps(batches, ahead)

        def seconds() -> float:
            self.train_steps(batches, ahead).numpy()
            started = time.perf_counter()
            self.train_steps(batches, tf.constant(block)).numpy()
            return time.perf_counter() - started

        return seconds

    @property
    def instances_per_step(self) -> float:
        """Instances of an average step."""
        return self.sampler.num_instances / self.sampler.steps_per_epoch


def make_training(
    view: Interactions, method: str, config: TrainingConfig | None = None, seed: int = 0
) -> Training:
    """The training of a method with its defaults, as `nmtr_tf.training.trainer.train` sets it up."""
    config = config or TrainingConfig(seed=seed)
    model_config = ModelConfig(method=method)
    behaviors = predicted_behaviors(model_config, view.behaviors)
    model = build_model(model_config, behaviors, view.num_users, view.num_items, seed)
    model.compile(optimizer=make_optimizer(config))
    sampler = make_sampler(view, model_config, config, behaviors)
    (stage,) = make_stages(model_config, config, behaviors)
    capacities = capacities_to_compile(model, sampler, stage.num_epochs * sampler.steps_per_epoch)
    return Training(model, config, stage, sampler, make_train_steps(model, config, stage, capacities))
