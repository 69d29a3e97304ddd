"""How well the heads of the weaker behaviors rank: the "other types of behaviors" of Section IV-C."""

import dataclasses
from typing import Any

import keras

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data import leakage
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import ModelScorer, rank_held_out
from nmtr_tf.models.nmtr import network


def head_view(interactions: Interactions, view: Interactions, behavior: str) -> Interactions:
    """The view in which a weaker behavior is the target.

    Its held-out pairs are those of the target that the user had shown this behavior too, before protocol
    strict took them out of training; its training rows are masked in its rankings.

    Args:
        interactions: The data set.
        view: Its training view.
        behavior: A weaker behavior of the view.
    """
    shown = interactions.matrices[behavior]
    return dataclasses.replace(
        view,
        matrices={behavior: view.matrices[behavior]},
        held_out={split: pairs[leakage.contained(pairs, shown)] for split, pairs in view.held_out.items()},
    )


def head_metrics(
    model: keras.Model, interactions: Interactions, view: Interactions, config: EvaluationConfig
) -> dict[str, dict[str, Any]]:
    """HR and NDCG of every weaker behavior that the model predicts, on the test pairs of `head_view`.

    Args:
        model: The trained model.
        interactions: The data set.
        view: The training view, protocol strict.
        config: Cut-offs and mask.

    Returns:
        Behavior -> {"num_pairs": ..., "HR@50": ...}. Behaviors without a pair are left out; nothing under
        released, where the pairs were trained on.
    """
    if view.protocol != "strict":
        return {}
    heads = {}
    for behavior in network(model).cascade.behaviors:
        pairs_view = head_view(interactions, view, behavior)
        if behavior == view.target_behavior or not len(pairs_view.held_out["test"]):
            continue
        ranks = rank_held_out(ModelScorer(model, behavior), pairs_view, "test", config).ranks
        heads[behavior] = {"num_pairs": len(ranks), **mean_metrics(ranks, config.ks)}
    return heads
