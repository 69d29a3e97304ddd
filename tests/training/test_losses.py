"""Losses by hand."""

import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.training.losses import bpr_loss, l2_of_rows, log_loss, squared_loss


def test_log_loss_by_hand():
    # sigmoid(0) = 1/2; sigmoid(ln 3) = 3/4; the second user's negatives do not count.
    loss = log_loss(
        tf.constant([0.0, np.log(3.0)], tf.float32),
        tf.constant([[0.0, np.log(3.0)], [7.0, 8.0]], tf.float32),
        tf.ones([2]),
        tf.constant([1.0, 0.0]),
    )
    assert float(loss) == pytest.approx(-np.log([0.5, 0.75, 0.5, 0.25]).sum(), rel=1e-6)


@pytest.mark.parametrize("function", [log_loss, bpr_loss, squared_loss])
def test_rows_of_weight_zero_do_not_count(function):
    positive, negative = tf.constant([0.3, 7.0]), tf.constant([[0.2, -1.0], [8.0, 9.0]])
    weights, one = tf.constant([1.0, 0.0]), tf.ones([1])
    loss = float(function(positive, negative, weights, weights))
    assert loss == float(function(positive[:1], negative[:1], one, one)) > 0


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_log_loss_of_extreme_logits_is_finite_and_exact(logit):
    loss = log_loss(tf.constant([logit]), tf.constant([[logit]]), tf.ones([1]), tf.ones([1]))
    assert float(loss) == 200.0


def test_l2_counts_each_row_once():
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    ids = tf.constant([0, 0, 2, 0, 2, 1, 2])
    assert float(l2_of_rows(table, ids, ids != 1)) == 1 + 4 + 25 + 36
    assert float(l2_of_rows(table, ids, ids < 0)) == 0


def test_the_gradient_of_l2_counts_each_row_once():
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with tf.GradientTape() as tape:
        loss = l2_of_rows(table, tf.constant([2, 0, 2, 1]), tf.constant([True, True, True, False]))
    gradient = tf.convert_to_tensor(tape.gradient(loss, table))
    np.testing.assert_array_equal(gradient, [[2, 4], [0, 0], [10, 12]])


def test_bpr_loss_by_hand():
    # Differences 0 and ln 3 for the first user, -ln 3 and 0 for the second; the third has no negatives.
    log3 = np.log(3.0)
    loss = bpr_loss(
        tf.constant([log3, 0.0, 5.0], tf.float32),
        tf.constant([[log3, 0.0], [log3, 0.0], [1.0, 2.0]], tf.float32),
        tf.ones([3]),
        tf.constant([1.0, 1.0, 0.0]),
    )
    assert float(loss) == pytest.approx(-np.log([0.5, 0.75, 0.25, 0.5]).sum(), rel=1e-6)


def test_squared_loss_by_hand():
    loss = squared_loss(
        tf.constant([0.5, 3.0]),
        tf.constant([[0.5, -2.0], [7.0, 8.0]]),
        tf.ones([2]),
        tf.constant([1.0, 0.0]),
    )
    assert float(loss) == 0.25 + 4.0 + 0.25 + 4.0


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_bpr_loss_of_extreme_differences_is_finite_and_exact(logit):
    loss = bpr_loss(tf.constant([logit]), tf.constant([[-logit]]), tf.ones([1]), tf.ones([1]))
    assert float(loss) == (400.0 if logit < 0 else 0.0)
