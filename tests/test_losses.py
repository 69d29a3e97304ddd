"""Losses by hand."""

import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.training.losses import l2_of_rows, log_loss


def test_log_loss_by_hand():
    # sigmoid(0) = 1/2; sigmoid(ln 3) = 3/4; the second user's negatives do not count.
    loss = log_loss(
        tf.constant([0.0, np.log(3.0)], tf.float32),
        tf.constant([[0.0, np.log(3.0)], [7.0, 8.0]], tf.float32),
        tf.constant([1.0, 0.0]),
    )
    assert float(loss) == pytest.approx(-np.log([0.5, 0.75, 0.5, 0.25]).sum(), rel=1e-6)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_log_loss_of_extreme_logits_is_finite_and_exact(logit):
    loss = log_loss(tf.constant([logit]), tf.constant([[logit]]), tf.ones([1]))
    assert float(loss) == 200.0


def test_l2_counts_each_row_once():
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    ids = [tf.constant([0, 0]), tf.constant([[2, 0], [2, 2]])]
    assert float(l2_of_rows(table, ids)) == 1 + 4 + 25 + 36
