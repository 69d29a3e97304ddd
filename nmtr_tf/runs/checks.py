"""Whether a run's settings fit its data and its method. It needs no TensorFlow."""

import dataclasses

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import check_metrics
from nmtr_tf.models.plan import Plan, resolve


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What a run is made of, before anything is trained.

    Attributes:
        config: With behaviors, protocol and data set directory spelled out.
        plan: What the method means for these behaviors.
        view: The training view.
    """

    config: RunConfig
    plan: Plan
    view: TrainingView


def set_up(config: RunConfig, dataset: Dataset) -> RunSetup:
    """Resolves a config for a data set.

    Raises:
        InputError: If an option fits neither the method nor the data set.
    """
    config = dataset.resolved(config)
    plan = resolve(config, config.data.behaviors)
    check_metrics(config.evaluation)
    view = dataset.view(config)
    if config.data.validation == "random" and not len(view.held_out["validation"]):
        raise InputError("The data set has no validation pairs; use `validation=none`.")
    return RunSetup(config, plan, view)
