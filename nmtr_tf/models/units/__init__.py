"""Interaction functions f(p_u, q_i) of the NCF framework (Eq. 6 to 8), each in three parts.

A unit scores rows of users against rows of items. What depends on one side only is computed once per
row, by `user_part` and `item_part`; `combine` does the rest for every user row with every item row:

    user_part: [..., m, E] -> [..., m, D]        item_part: [..., k, E] -> [..., k, D]
    combine:   [..., m, D], [..., k, D] -> [..., m, k]

So pairs ([n, 1, D] with [n, 1, D]), positives with their negatives ([n, 1, D] with [n, 1 + k, D]) and a
block of the score matrix ([users, D] with [items, D]) are one piece of code. All tensors are float32.
"""

from nmtr_tf.models.units.base import Unit
from nmtr_tf.models.units.linear import Linear
from nmtr_tf.models.units.mlp import MLP
from nmtr_tf.models.units.neumf import NeuMF
from nmtr_tf.models.units.plus_linear import PlusLinear
from nmtr_tf.models.units.products import GMF, MF

__all__ = ["GMF", "MF", "MLP", "Linear", "NeuMF", "PlusLinear", "Unit"]
