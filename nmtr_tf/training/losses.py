"""Losses over positives and their sampled negatives; labels are implicit. All sums, not means."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def log_loss(
    positive_logits: tf.Tensor,
    negative_logits: tf.Tensor,
    positive_weights: tf.Tensor,
    negative_weights: tf.Tensor,
) -> tf.Tensor:
    """Log loss of one behavior, its term of Eq. 12 without lambda, summed over the instances.

    Args:
        positive_logits: float32 [n].
        negative_logits: float32 [n, num_negatives].
        positive_weights: float32 [n], 0 where the positive does not count.
        negative_weights: float32 [n], 0 where the negatives do not count.

    Returns:
        float32 scalar: -sum weight * log sigmoid(positive) - sum weight * log(1 - sigmoid(negative)).
    """
    positive = tf.reduce_sum(positive_weights * tf.nn.softplus(-positive_logits))
    negative = tf.reduce_sum(tf.nn.softplus(negative_logits), axis=1)
    return positive + tf.reduce_sum(negative_weights * negative)


def bpr_loss(
    positive_logits: tf.Tensor,
    negative_logits: tf.Tensor,
    positive_weights: tf.Tensor,
    negative_weights: tf.Tensor,
) -> tf.Tensor:
    """Pairwise loss [Rendle et al. 2009] of one behavior, summed over positives with each of their negatives.

    Arguments as those of `log_loss`.

    Returns:
        float32 scalar: -sum weight * log sigmoid(positive - negative).
    """
    pairs = tf.reduce_sum(tf.nn.softplus(negative_logits - positive_logits[:, None]), axis=1)
    return tf.reduce_sum(negative_weights * pairs)


def squared_loss(
    positive_logits: tf.Tensor,
    negative_logits: tf.Tensor,
    positive_weights: tf.Tensor,
    negative_weights: tf.Tensor,
) -> tf.Tensor:
    """Squared regression of one behavior, its term of Eq. 3 without weight, summed over the instances.

    The logits are scores as they are, without a sigmoid, and should be 1 and 0.

    Arguments as those of `log_loss`.

    Returns:
        float32 scalar: sum weight * (1 - positive)^2 + sum weight * negative^2.
    """
    positive = tf.reduce_sum(positive_weights * tf.square(1.0 - positive_logits))
    negative = tf.reduce_sum(tf.square(negative_logits), axis=1)
    return positive + tf.reduce_sum(negative_weights * negative)


def l2_of_rows(table: tf.Variable, ids: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Sum of squares of the distinct rows of a table that the ids name.

    Differs from the paper: its L2 is of all parameters at every step, one coefficient to a user and an item.
    Here a step shrinks the rows that are in it, so that it costs what the step costs.

    Args:
        table: float32 [num_rows, E].
        ids: int32 [n].
        counts: bool [n], false where an id does not count.
    """
    num_rows = table.shape[0]
    rows = tf.sort(tf.where(counts, ids, num_rows))  # equal ids are neighbors; the shapes stay fixed
    is_first = tf.concat([rows[:1] < num_rows, (rows[1:] != rows[:-1]) & (rows[1:] < num_rows)], axis=0)
    squares = tf.square(tf.gather(table, tf.minimum(rows, num_rows - 1)))
    return tf.reduce_sum(tf.where(is_first[:, None], squares, 0.0))


def l2_of_weights(weights: Sequence[keras.Variable]) -> tf.Tensor:
    """Sum of squares of some variables, a float32 scalar."""
    return tf.add_n([tf.constant(0.0), *(tf.reduce_sum(tf.square(one.value)) for one in weights)])
