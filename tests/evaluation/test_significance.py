"""Paired statistics against SciPy and against values worked by hand."""

import numpy as np
import pytest
from scipy import stats

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.significance import (
    Trend,
    bootstrap_interval,
    compare_paired,
    compare_to_baseline,
    holm,
    permutation_p,
    trend,
)


def metric_values(seed: int, num_users: int = 300, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(num_users) < 0.3 + shift, 1 / np.log2(rng.integers(2, 50, num_users)), 0.0)


def test_means_and_t_test_are_scipys():
    run, baseline = metric_values(0, shift=0.1), metric_values(1)
    row = compare_paired(run, baseline)
    assert row.mean == run.mean()
    assert row.baseline_mean == baseline.mean()
    assert row.difference == pytest.approx(run.mean() - baseline.mean(), abs=1e-12)
    assert row.t_test_p == pytest.approx(stats.ttest_rel(run, baseline).pvalue, rel=1e-9)
    assert (row.t_test_p_holm, row.permutation_p_holm) == (row.t_test_p, row.permutation_p)


def test_interval_is_scipys_paired_bootstrap():
    run, baseline = metric_values(0, shift=0.1), metric_values(1)
    row = compare_paired(run, baseline, num_resamples=4000, seed=5)

    def difference(x, y, axis):
        return x.mean(axis) - y.mean(axis)

    expected = stats.bootstrap(
        (run, baseline), difference, paired=True, n_resamples=4000, method="percentile", random_state=7
    )
    spread = expected.standard_error
    assert row.low == pytest.approx(expected.confidence_interval.low, abs=0.15 * spread)
    assert row.high == pytest.approx(expected.confidence_interval.high, abs=0.15 * spread)
    assert row.low < row.difference < row.high


@pytest.mark.parametrize("shift", [0.0, 0.06])
def test_permutation_test_is_scipys(shift):
    run, baseline = metric_values(0, shift=shift), metric_values(1)

    def difference(x, y, axis):
        return x.mean(axis) - y.mean(axis)

    expected = stats.permutation_test(
        (run, baseline),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=4000,
        batch=200,
        random_state=7,
    )
    p = compare_paired(run, baseline, num_resamples=4000).permutation_p
    assert p == pytest.approx(expected.pvalue, abs=5 * np.sqrt(0.25 / 4000))


@pytest.mark.parametrize(
    ("differences", "exact"),
    [
        ([1.0, 1.0, 1.0, 1.0, 0.0], 2 / 16),  # all signs equal: two of 2^4
        ([1.0, 1.0, 1.0, -1.0, 0.0], 10 / 16),  # |sum| of 2 or 4: 8 + 2 of 2^4
        ([0.1, 0.2, -0.3], 1.0),  # a sum of 0, but for rounding
        ([0.1, 0.2, 0.3], 2 / 8),
    ],
)
def test_permutation_test_by_hand(differences, exact):
    p = permutation_p(np.array(differences), 20_000, np.random.default_rng(0))
    assert p == pytest.approx(exact, abs=0.02)


def test_permutation_p_is_never_zero():
    assert permutation_p(np.linspace(1, 2, 200), 999, np.random.default_rng(0)) == 1 / 1000


def test_batches_do_not_change_the_number_of_resamples(monkeypatch):
    monkeypatch.setattr("nmtr_tf.evaluation.significance._BATCH_FLOATS", 7 * 50)  # 7 does not divide 999
    differences = np.linspace(1, 2, 50)
    assert permutation_p(differences, 999, np.random.default_rng(0)) == 1 / 1000
    low, high = bootstrap_interval(differences, 999, np.random.default_rng(0))
    assert 1.4 < low < 1.5 < high < 1.6


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # x4 0.005, x3 0.01, x2 0.03, then not below
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holm_by_hand(p_values, expected):
    np.testing.assert_allclose(holm(np.array(p_values)), expected, rtol=1e-12)


def test_several_runs_are_corrected_together_and_independent_of_their_company():
    baseline = metric_values(1)
    runs = {"a": metric_values(0, shift=0.1), "b": metric_values(2), "c": baseline}
    rows = compare_to_baseline(runs, baseline, num_resamples=500)
    for kind in ("t_test_p", "permutation_p"):
        raw = np.array([getattr(row, kind) for row in rows.values()])
        assert [getattr(row, f"{kind}_holm") for row in rows.values()] == holm(raw).tolist()
    alone = compare_paired(runs["b"], baseline, num_resamples=500)
    assert (rows["b"].low, rows["b"].permutation_p) == (alone.low, alone.permutation_p)


def test_seeds_repeat():
    run, baseline = metric_values(0), metric_values(1)
    first, again, other = (compare_paired(run, baseline, 500, seed) for seed in (3, 3, 4))
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_identical_runs():
    values = metric_values(0)
    row = compare_paired(values, values.copy(), 500)
    assert (row.difference, row.low, row.high) == (0, 0, 0)
    assert row.t_test_p == row.permutation_p == 1


def test_differences_of_rounding_are_none():
    row = compare_paired(np.array([0.1 + 0.2, 0.5, 0.7]), np.array([0.3, 0.5, 0.7]), 500)
    assert (row.difference, row.low, row.high) == (0, 0, 0)
    assert row.t_test_p == row.permutation_p == 1


def test_the_same_difference_for_every_user():
    values = metric_values(0)
    row = compare_paired(values + 0.1, values, 500)
    assert (row.low, row.high) == pytest.approx((0.1, 0.1))
    assert (row.t_test_p, row.permutation_p) == (0, 1 / 501)


@pytest.mark.parametrize("shapes", [(3, 4), ((2, 2), (2, 2))])
def test_unfit_arrays_are_refused(shapes):
    with pytest.raises(ValueError, match=r"one shape \[num_users\]"):
        compare_paired(np.zeros(shapes[0]), np.zeros(shapes[1]))


@pytest.mark.parametrize("num_users", [0, 1])
def test_a_comparison_needs_two_users(num_users):
    with pytest.raises(InputError, match=f"at least two users. Found: {num_users}"):
        compare_to_baseline({"run": np.zeros(num_users)}, np.zeros(num_users))


def test_a_trend_by_hand():
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 1 - 6 (0 + .25 + .25 + 0) / (4 * 15), corrected for the tie.
    found = trend(np.array([0.0, 0.5, 0.5, 1.0]), np.array([1, 2, 4, 8]))
    assert found.correlation == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    falling = trend(np.array([1.0, 0.5, 0.5, 0.0]), np.array([1, 2, 4, 8]))
    assert falling.correlation == pytest.approx(-found.correlation)
    assert falling.p_value == pytest.approx(found.p_value)


def test_the_p_value_of_a_trend_is_that_of_a_permutation_test():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 6, 300)  # many ties, in the values too
    values = np.where(rng.random(300) < 0.65 - 0.04 * counts, 0.0, rng.random(300).round(1))
    found = trend(values, counts)
    own, other = stats.rankdata(values), stats.rankdata(counts)
    shuffled = [abs(np.corrcoef(rng.permutation(own), other)[0, 1]) for _ in range(4000)]
    assert 0.01 < found.p_value < 0.5
    assert found.p_value == pytest.approx(np.mean(np.array(shuffled) >= abs(found.correlation)), abs=0.02)


def test_what_is_the_same_for_everybody_has_no_trend():
    assert trend(np.full(5, 0.3), np.arange(5)) == trend(np.arange(5.0), np.full(5, 3)) == Trend(0.0, 1.0)
    with pytest.raises(InputError, match=r"at least three users\. Found: 2"):
        trend(np.zeros(2), np.arange(2))
