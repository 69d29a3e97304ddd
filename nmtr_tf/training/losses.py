"""Losses over positives and their sampled negatives; labels are implicit. All sums, not means."""

from collections.abc import Sequence

import tensorflow as tf


def log_loss(
    positive_logits: tf.Tensor, negative_logits: tf.Tensor, negative_weights: tf.Tensor
) -> tf.Tensor:
    """Log loss of one behavior, its term of Eq. 12 without lambda, summed over the instances.

    Args:
        positive_logits: float32 [n].
        negative_logits: float32 [n, num_negatives].
        negative_weights: float32 [n], 0 where the negatives do not count.

    Returns:
        float32 scalar: -sum log sigmoid(positive) - sum weight * log(1 - sigmoid(negative)).
    """
    positive = tf.reduce_sum(tf.nn.softplus(-positive_logits))
    negative = tf.reduce_sum(tf.nn.softplus(negative_logits), axis=1)
    return positive + tf.reduce_sum(negative_weights * negative)


def l2_of_rows(table: tf.Variable, ids: Sequence[tf.Tensor]) -> tf.Tensor:
    """Sum of squares of the distinct rows of a table that the ids (int32, any shape) name."""
    distinct, _ = tf.unique(tf.concat([tf.reshape(part, [-1]) for part in ids], axis=0))
    return tf.reduce_sum(tf.square(tf.gather(table, distinct)))
