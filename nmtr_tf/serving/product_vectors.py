"""Vectors of users and items whose inner products are scores.

Where all units are inner products, the target's logit is one, with r over the behaviors whose terms it is
the sum of:

    [sum_r a^r; 1] . [q; sum_r b^r]             where all behaviors read one item table,
    [a^1; ...; a^R; 1] . [q^1; ...; q^R; sum_r b^r]     else,

a^r the user part of unit r. Of two stages, the first is [a_u; 1] W: see `nmtr_tf.serving.two_stages`.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import Network
from nmtr_tf.serving.two_stages import TwoStages, with_one


def user_vectors(net: Network, parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """User vectors float32 [n, D + 1] of user parts, float32 [n, D] for each behavior."""
    return with_one(tf.add_n(parts) if net.has_one_product else tf.concat(parts, axis=1))


def item_vectors(net: Network, parts: Sequence[tf.Tensor], biases: Sequence[tf.Tensor]) -> tf.Tensor:
    """Item vectors float32 [n, D + 1] of item parts [n, D] and biases [n], one of each for each behavior."""
    parts = parts[:1] if net.has_one_product else parts
    return tf.concat([*parts, tf.add_n(biases)[:, None]], axis=1)


def all_item_vectors(scorer: ModelScorer, stages: TwoStages | None) -> np.ndarray:
    """Vectors float32 [num_items, D + 1] of all items: of the first stage, or of the model."""
    if stages:
        return np.ascontiguousarray(stages.weights.numpy().T)
    return item_vectors(scorer.network, *scorer.item_side()).numpy()
