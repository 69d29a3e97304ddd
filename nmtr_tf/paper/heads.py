"""How well the heads of the auxiliary behaviors rank: the "other types of behaviors" of Section IV-C."""

import keras

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.metrics import counted_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import network


def head_metrics(
    model: keras.Model, view: TrainingView, config: EvaluationConfig
) -> dict[str, dict[str, float]]:
    """The metrics of every auxiliary behavior that the model predicts, on the test pairs of `view.head`.

    Args:
        model: The trained model.
        view: The training view.
        config: Cut-offs, metrics and mask.

    Returns:
        Behavior -> {"num_pairs": ..., "num_users": ..., "HR@50": ...}. Behaviors without a pair are left out;
        nothing under released, where the pairs were trained on.
    """
    heads = {}
    for behavior in network(model).behaviors:
        if behavior == view.target_behavior:
            continue
        pairs_view = view.head(behavior)
        if not len(pairs_view.held_out["test"]):
            continue
        ranks = rank_held_out(ModelScorer(model, behavior), pairs_view, "test", config)
        heads[behavior] = counted_metrics(ranks, config)
    return heads
