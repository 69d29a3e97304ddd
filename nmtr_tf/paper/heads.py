"""How well the heads of the auxiliary behaviors rank: the "other types of behaviors" of Section IV-C."""

import dataclasses

import keras

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import contained
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.metrics import counted_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import network


def head_view(dataset: Dataset, view: TrainingView, behavior: str) -> TrainingView:
    """The view in which an auxiliary behavior is the target.

    Its held-out pairs are those of the target that the user had shown this behavior too, before protocol
    strict took them out of training; its training rows are masked in its rankings.

    Args:
        dataset: The data set.
        view: The training view of it.
        behavior: An auxiliary behavior of the view.
    """
    shown = dataset.matrices[behavior]
    return dataclasses.replace(
        view,
        matrices={behavior: view.matrices[behavior]},
        held_out={split: pairs[contained(pairs, shown)] for split, pairs in view.held_out.items()},
    )


def head_metrics(
    model: keras.Model, dataset: Dataset, view: TrainingView, config: EvaluationConfig
) -> dict[str, dict[str, float]]:
    """The metrics of every auxiliary behavior that the model predicts, on the test pairs of `head_view`.

    Args:
        model: The trained model.
        dataset: The data set.
        view: The training view, protocol strict.
        config: Cut-offs, metrics and mask.

    Returns:
        Behavior -> {"num_pairs": ..., "num_users": ..., "HR@50": ...}. Behaviors without a pair are left out;
        nothing under released, where the pairs were trained on.
    """
    if view.protocol != "strict":
        return {}
    heads = {}
    for behavior in network(model).behaviors:
        pairs_view = head_view(dataset, view, behavior)
        if behavior == view.target_behavior or not len(pairs_view.held_out["test"]):
            continue
        ranks = rank_held_out(ModelScorer(model, behavior), pairs_view, "test", config)
        heads[behavior] = counted_metrics(ranks, config)
    return heads
