"""Weights of the loss in the steps of Figure 4."""

import pytest

from nmtr_tf.methods.weights import simplex


def test_steps_of_lambda():
    tenths, sixths = simplex(2), simplex(3)
    assert tenths == [(i / 10, (10 - i) / 10) for i in range(11)]
    assert len(sixths) == len(set(sixths)) == 28
    assert (2 / 6, 2 / 6, 2 / 6) in sixths
    assert all(sum(weights) == pytest.approx(1) and min(weights) >= 0 for weights in sixths)
    assert simplex(1) == [(1.0,)]
