"""Metrics by hand, the table of them, and metrics of one's own."""

import numpy as np
import pytest

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import (
    METRICS,
    check_metrics,
    coverage,
    find_metric,
    hit_ratio,
    list_length,
    mean_metrics,
    metric_ks,
    metric_values,
    ndcg,
    reciprocal_rank,
    register_metric,
)
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.evaluation_section import shown_k


def ranks_of(*ranks: int, tied=None, top_items=None, num_items: int = 20) -> Ranks:
    n = len(ranks)
    sizes = np.ones(n, np.int64) if tied is None else np.array(tied)
    rows = np.arange(n, dtype=np.int32)
    top = None if top_items is None else np.array(top_items, np.int32)
    return Ranks(
        rows, rows, np.array(ranks, np.int64), sizes, np.full(n, num_items, np.int32), num_items, top
    )


@pytest.fixture
def own_metrics(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(METRICS, "_parts", dict(METRICS._parts))


def test_by_hand():
    ranks = np.array([0, 1, 2, 9, 10])
    np.testing.assert_array_equal(hit_ratio(ranks, 10), [1, 1, 1, 1, 0])
    np.testing.assert_allclose(ndcg(ranks, 10), [1, 0.6309297535714575, 0.5, 0.2890648263178879, 0])
    np.testing.assert_allclose(reciprocal_rank(ranks, 10), [1, 1 / 2, 1 / 3, 1 / 10, 0])


def test_a_tie_across_the_cut_off_counts_in_part():
    """The places 8, 9, 10 and 11 of a tie of four: two of them are among the first ten."""
    values = {"HR": 2 / 4, "NDCG": (1 / np.log2(10) + 1 / np.log2(11)) / 4, "MRR": (1 / 9 + 1 / 10) / 4}
    config = EvaluationConfig(ks=(10,), metrics=tuple(values))
    found = mean_metrics(ranks_of(8, tied=[4]), config)
    assert found == pytest.approx({f"{name}@10": value for name, value in values.items()})


def test_a_constant_scorer_hits_in_proportion():
    ranks = ranks_of(0, 0, tied=[116, 116])
    found = mean_metrics(ranks, EvaluationConfig(ks=(50, 60, 100), metrics=("HR",)))
    assert list(found.values()) == pytest.approx([50 / 116, 60 / 116, 100 / 116])


def test_coverage_by_hand():
    lists = np.array([[3, 1, -1], [1, 0, 4]])
    assert coverage(lists, 10) == 4 / 10
    assert coverage(lists[:, :1], 10) == 2 / 10
    assert coverage(np.full((2, 3), -1), 10) == 0


def test_every_row_of_the_table_by_hand():
    ranks = ranks_of(0, 3, 1, tied=[1, 1, 2], top_items=[[5, 6], [5, 7], [6, -1]])
    config = EvaluationConfig(ks=(1, 2), metrics=tuple(METRICS))
    assert mean_metrics(ranks, config) == pytest.approx(
        {
            "HR@1": 1 / 3,
            "NDCG@1": 1 / 3,
            "Recall@1": 1 / 3,
            "MRR@1": 1 / 3,
            "MAP@1": 1 / 3,
            "coverage@1": 2 / 20,  # 5 and 6
            # The third item is second in one half of the orders, and third in the other.
            "HR@2": (1 + 1 / 2) / 3,
            "NDCG@2": (1 + 1 / np.log2(3) / 2) / 3,
            "Recall@2": (1 + 1 / 2) / 3,
            "MRR@2": (1 + 1 / 2 / 2) / 3,
            "MAP@2": (1 + 1 / 2 / 2) / 3,
            "coverage@2": 3 / 20,
        }
    )


def test_the_order_is_that_of_the_config():
    config = EvaluationConfig(ks=(5, 1), metrics=("MRR", "HR"))
    assert list(mean_metrics(ranks_of(0), config)) == ["MRR@5", "HR@5", "MRR@1", "HR@1"]


def test_k_beyond_the_catalogue_is_always_a_hit():
    assert mean_metrics(ranks_of(3, 7), EvaluationConfig(ks=(1000,))) == {
        "HR@1000": 1.0,
        "NDCG@1000": pytest.approx((1 / np.log2(5) + 1 / np.log2(9)) / 2),
    }


def test_a_metric_by_its_name():
    places = ranks_of(0, 1, 50, 100).places
    np.testing.assert_array_equal(metric_values(places, "HR@50"), [1, 1, 0, 0])
    np.testing.assert_allclose(metric_values(places, "NDCG@100"), [1, 1 / np.log2(3), 1 / np.log2(52), 0])
    assert find_metric("MRR@7") == (METRICS["MRR"], 7)


@pytest.mark.parametrize("name", ["HR", "HR@", "HR@0", "HR@5@6", "@5", "test/HR@5", "HR@x"])
def test_a_name_that_is_none(name):
    with pytest.raises(InputError, match=r"written NAME@K here, such as NDCG@100\. Received"):
        find_metric(name)


def test_an_unknown_metric_is_one_line_with_the_known_ones():
    with pytest.raises(
        InputError, match=r"`metrics` should name a known metric: HR, NDCG, .*coverage"
    ) as one:
        check_metrics(EvaluationConfig(metrics=("HR", "fame")))
    assert one.value.option == "metrics"
    assert "Received: 'fame'" in str(one.value)
    check_metrics(EvaluationConfig(metrics=tuple(METRICS)))


def test_coverage_has_no_value_for_each_user():
    with pytest.raises(InputError, match="coverage@5 is a metric of all lists together"):
        metric_values(ranks_of(0).places, "coverage@5")


def test_lists_are_asked_for_by_metrics_of_lists_alone():
    assert list_length(EvaluationConfig(ks=(5, 9, 7), metrics=("HR", "NDCG", "Recall", "MRR", "MAP"))) == 0
    assert list_length(EvaluationConfig(ks=(5, 9, 7), metrics=("HR", "coverage"))) == 9
    with pytest.raises(ValueError, match="coverage@5 is of lists"):
        mean_metrics(ranks_of(0), EvaluationConfig(ks=(5,), metrics=("coverage",)))


def test_a_metric_of_ones_own_by_function_and_by_decorator(own_metrics):
    register_metric("inverse", lambda ranks, k: np.where(ranks < k, k - ranks, 0))

    @register_metric("spread", is_of_lists=True)
    def spread(items, num_items):
        return items.max() - items.min()

    assert spread(np.array([[1, 4]]), 0) == 3  # a decorator gives the function back
    config = EvaluationConfig(ks=(3,), metrics=("inverse", "spread"))
    check_metrics(config)
    ranks = ranks_of(0, 2, 7, top_items=[[0, 1, 2], [4, 5, 6], [9, 2, 2]])
    assert mean_metrics(ranks, config) == {"inverse@3": (3 + 1 + 0) / 3, "spread@3": 9}
    with pytest.raises(InputError, match="letters, digits and underscores"):
        register_metric("my-metric", hit_ratio)


@pytest.mark.parametrize(
    "function",
    [
        lambda ranks, k: 0.5,
        lambda ranks, k: ranks[:-1],
        lambda ranks, k: ["a"] * len(ranks),
        lambda ranks, k: ranks / 0 * 0,
        lambda ranks, k: None,
    ],
    ids=["a number", "too few", "texts", "NaN", "nothing"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_metric_that_gives_no_numbers(own_metrics, function):
    register_metric("odd", function)
    with pytest.raises(InputError, match=r"metric of odd@5 should give finite numbers of the shape \(2,\)"):
        mean_metrics(ranks_of(1, 2), EvaluationConfig(ks=(5,), metrics=("odd",)))


def test_no_ranks():
    with pytest.raises(ValueError, match="at least one rank"):
        mean_metrics(ranks_of(), EvaluationConfig(ks=(5,)))
    with pytest.raises(ValueError, match="`config` should have `ks`"):
        mean_metrics(ranks_of(0), EvaluationConfig())


def test_some_of_the_ranks():
    ranks = ranks_of(4, 0, 2, top_items=[[1], [2], [3]])
    chosen = ranks.of(np.array([True, False, True]))
    assert len(chosen) == 2
    assert chosen.ranks.tolist() == [4, 2]
    assert chosen.users.tolist() == chosen.items.tolist() == [0, 2]
    np.testing.assert_array_equal(chosen.top_items, [[1], [3]])
    assert ranks_of(4, 0).of(np.array([1])).top_items is None


def test_the_k_that_is_shown():
    assert shown_k([50, 100, 200]) == 100
    assert shown_k([10, 50, 20]) == 50
    assert metric_ks(["HR@50", "test/NDCG@100"]) == {50, 100}
