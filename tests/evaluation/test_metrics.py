"""HR and NDCG by hand."""

import numpy as np
import pytest

from nmtr_tf.evaluation.metrics import hit_ratio, mean_metrics, metric_ks, metric_values, ndcg, shown_k


def test_by_hand():
    ranks = np.array([0, 1, 2, 9, 10])
    np.testing.assert_array_equal(hit_ratio(ranks, 10), [1, 1, 1, 1, 0])
    np.testing.assert_allclose(ndcg(ranks, 10), [1, 0.6309297535714575, 0.5, 0.2890648263178879, 0])


def test_a_tie_across_the_cut_off_counts_by_its_mean_rank():
    assert hit_ratio(np.array([9.5]), 10) == 1
    assert hit_ratio(np.array([10.0]), 10) == 0
    assert ndcg(np.array([0.5]), 10)[0] == pytest.approx(1 / np.log2(2.5))


def test_k_beyond_the_catalogue_is_always_a_hit():
    assert mean_metrics(np.array([3, 7]), [1000]) == {
        "HR@1000": 1.0,
        "NDCG@1000": pytest.approx((1 / np.log2(5) + 1 / np.log2(9)) / 2),
    }


def test_order_of_the_metrics():
    assert list(mean_metrics(np.array([0]), [5, 1])) == ["HR@5", "NDCG@5", "HR@1", "NDCG@1"]


def test_a_metric_by_its_name():
    ranks = np.array([0, 1, 50, 100])
    np.testing.assert_array_equal(metric_values(ranks, "HR@50"), [1, 1, 0, 0])
    np.testing.assert_allclose(metric_values(ranks, "NDCG@100"), [1, 1 / np.log2(3), 1 / np.log2(52), 0])


def test_no_ranks():
    with pytest.raises(ValueError, match="at least one rank"):
        mean_metrics(np.array([]), [1])


def test_the_k_that_is_shown():
    assert shown_k([50, 100, 200]) == 100
    assert shown_k([10, 50, 20]) == 50
    assert metric_ks(["HR@50", "test/NDCG@100"]) == {50, 100}
