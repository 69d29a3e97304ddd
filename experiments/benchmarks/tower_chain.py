"""What the towers of a cascade come to at the least: bare products of their shapes, ReLU between them."""

from collections.abc import Callable

import tensorflow as tf

from nmtr_tf.evaluation.ranking import users_at_once
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import Network


def tower_chain(net: Network, scorer: ModelScorer, num_users: int, memory_mb: int) -> Callable[[], None]:
    """A computation: for every user and item, in each behavior's tower, ReLU of sums and products, then h.

    The halves of the first layer are given. There are no GMF parts, biases, cascades, masks or ranks.

    Args:
        net: Has a unit with `widths` for each behavior.
        scorer: Says how many users are scored at once.
        num_users: How many to score.
        memory_mb: Memory for the scores of one chunk, as a ranking has it.
    """
    num_items = net.item_rows.num_rows
    chunk = min(num_users, users_at_once(memory_mb, num_items * scorer.pair_floats))
    towers = [unit.widths for unit in net.cascade.units]  # the type of units with towers has them
    halves = [(_drawn(chunk, widths[0]), _drawn(num_items, widths[0])) for widths in towers]
    kernels = [[_drawn(*pair) for pair in zip(widths, (*widths[1:], 1), strict=True)] for widths in towers]

    @tf.function(jit_compile=True, autograph=False)
    def chain(halves, kernels):
        sums = []
        for (users, items), own in zip(halves, kernels, strict=True):
            hidden = tf.nn.relu(tf.reshape(users[:, None] + items[None], [-1, users.shape[1]]))
            for kernel in own[:-1]:
                hidden = tf.nn.relu(tf.matmul(hidden, kernel))
            sums.append(tf.matmul(hidden, own[-1]))
        return tf.reduce_sum(tf.add_n(sums))

    def compute() -> None:
        for _ in range(-(-num_users // chunk)):
            total = chain(halves, kernels)
        total.numpy()

    return compute


def _drawn(rows: int, columns: int) -> tf.Tensor:
    return tf.random.stateless_normal([rows, columns], [rows, columns])
