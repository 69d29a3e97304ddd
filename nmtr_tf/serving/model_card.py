"""The card of an exported model: all that is known of it, in plain values for programs (model.json)."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

import nmtr_tf
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.files import read_json
from nmtr_tf.models.plan import Plan

if TYPE_CHECKING:
    from nmtr_tf.evaluation.results import Evaluation

_DATA = ("source", "behaviors", "target_behavior", "num_users", "num_items", "rows", "filters", "table_one")


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """What is known of a trained model besides its plan and its training view.

    Attributes:
        dataset: The data set that it was trained on.
        config: The settings that it was trained with.
        exclude: Which items it leaves out: "none", "target" or "all", see
            `nmtr_tf.serving.recommendation.excluded_items`.
        best_epoch: The epoch (from 1) whose weights it has; None: the last.
        evaluation: Of its ranking of the test items; None: it was not evaluated.
        versions: Package -> version, of the training.
    """

    dataset: Dataset
    config: RunConfig
    exclude: str = "target"
    best_epoch: int | None = None
    evaluation: "Evaluation | None" = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
