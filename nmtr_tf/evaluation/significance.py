"""Whether two rankings differ: paired statistics over the same users.

References:
    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
    Smucker, Allan and Carterette, "A comparison of statistical significance tests for information
    retrieval evaluation", CIKM 2007: the randomization test, Student's t and the bootstrap.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import stats

from nmtr_tf.errors import InputError

CONFIDENCE = 0.95
_BATCH_FLOATS = 2**20  # resampled values held at once, 8 MiB
_ROUNDING = 1e-12  # relative: differences below it come from the order of additions


@dataclasses.dataclass(frozen=True)
class PairedComparison:
    """A run against the baseline on one metric, in units of the metric.

    Attributes:
        mean: Mean over the users, of the run.
        baseline_mean: Mean over the users, of the baseline.
        difference: `mean` - `baseline_mean`.
        low: Lower end of the bootstrap interval of the difference.
        high: Upper end.
        t_test_p: Two-sided p-value of the paired t-test.
        permutation_p: Two-sided p-value of the paired permutation test.
        t_test_p_holm: `t_test_p` after Holm's correction; equal to it for a single comparison.
        permutation_p_holm: `permutation_p` likewise.
    """

    mean: float
    baseline_mean: float
    difference: float
    low: float
    high: float
    t_test_p: float
    permutation_p: float
    t_test_p_holm: float
    permutation_p_holm: float


def compare_to_baseline(
    runs: Mapping[str, np.ndarray], baseline: np.ndarray, num_resamples: int = 10_000, seed: int = 0
) -> dict[str, PairedComparison]:
    """Compares every run with the baseline and corrects the p-values for the number of runs.

    Args:
        runs: Name and values of the metric, float64 [num_users], the users in the baseline's order.
        baseline: float64 [num_users].
        num_resamples: Resamples of the bootstrap and of the permutation test.
        seed: Seed of both; a run's numbers do not depend on which other runs are there.

    Raises:
        InputError: If there are fewer than two users.
        ValueError: If the shapes differ.
    """
    rows = [compare_paired(values, baseline, num_resamples, seed) for values in runs.values()]
    t_tests = holm(np.array([row.t_test_p for row in rows])).tolist()
    permutations = holm(np.array([row.permutation_p for row in rows])).tolist()
    return {
        name: dataclasses.replace(row, t_test_p_holm=t_test, permutation_p_holm=permutation)
        for name, row, t_test, permutation in zip(runs, rows, t_tests, permutations, strict=True)
    }


def compare_paired(
    run: np.ndarray, baseline: np.ndarray, num_resamples: int = 10_000, seed: int = 0
) -> PairedComparison:
    """Compares two runs on one metric, user by user.

    Args:
        run: float64 [num_users].
        baseline: float64 [num_users], the users in the same order.
        num_resamples: Resamples of the bootstrap and of the permutation test.
        seed: Seed of both.

    Raises:
        InputError: If there are fewer than two users.
        ValueError: If the shapes differ.
    """
    run, baseline = np.asarray(run, np.float64), np.asarray(baseline, np.float64)
    if run.shape != baseline.shape or run.ndim != 1:
        raise ValueError(
            "The runs that are compared should have one shape [num_users]. "
            f"Received: {run.shape} and {baseline.shape}."
        )
    if len(run) < 2:
        raise InputError(f"A comparison needs at least two users. Found: {len(run)}.")
    differences = run - baseline
    differences[np.abs(differences) <= _ROUNDING * np.maximum(np.abs(run), np.abs(baseline))] = 0
    rng = np.random.default_rng(seed)
    low, high = bootstrap_interval(differences, num_resamples, rng)
    t_test = t_test_p(differences)
    permutation = permutation_p(differences, num_resamples, rng)
    means = float(run.mean()), float(baseline.mean()), float(differences.mean())
    return PairedComparison(*means, low, high, t_test, permutation, t_test, permutation)


def bootstrap_interval(
    differences: np.ndarray, num_resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean difference, 95 %: users are drawn with replacement.

    The percentile interval suffices for the mean of many bounded differences; BCa would only add a
    jackknife over the users.

    Args:
        differences: float64 [num_users].
        num_resamples: Times that the users are drawn.
        rng: Source of the draws.

    Returns:
        Both ends, in units of the differences.
    """
    if _is_constant(differences):
        return float(differences[0]), float(differences[0])
    result = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=num_resamples,
        batch=_batch_size(differences),
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=rng,
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def t_test_p(differences: np.ndarray) -> float:
    """Two-sided p-value of Student's t-test on the differences: `scipy.stats.ttest_rel` of the two runs.

    Args:
        differences: float64 [num_users].

    Returns:
        The p-value; where all differences are equal, so that t has no value, 1 if they are 0, else 0.
    """
    if _is_constant(differences):
        return float(differences[0] == 0)
    return float(stats.ttest_rel(differences, np.zeros_like(differences)).pvalue)


def permutation_p(differences: np.ndarray, num_resamples: int, rng: np.random.Generator) -> float:
    """Two-sided p-value of the paired permutation test (randomization test) of the mean difference.

    To swap a user's two values is to flip the sign of the difference, so signs are drawn, for all users
    with a difference: `scipy.stats.permutation_test` with permutation_type="samples", without its sorts.

    Args:
        differences: float64 [num_users].
        num_resamples: Times that the signs are drawn.
        rng: Source of the draws.

    Returns:
        (1 + resamples at least as far from 0 as the observed mean) / (1 + num_resamples).
    """
    values = differences[differences != 0]
    if not len(values):
        return 1.0
    observed = abs(values.sum()) - _ROUNDING * np.abs(values).sum()
    batch, num_bytes, extreme = _batch_size(values), -(-len(values) // 8), 0
    for first in range(0, num_resamples, batch):
        shape = (min(batch, num_resamples - first), num_bytes)
        flipped = np.unpackbits(rng.integers(0, 256, shape, np.uint8), axis=1, count=len(values))
        sums = values.sum() - 2 * (flipped.astype(np.float64) @ values)
        extreme += int(np.count_nonzero(np.abs(sums) >= observed))
    return (1 + extreme) / (1 + num_resamples)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction: the family-wise error rate stays below the level they are read at.

    Args:
        p_values: float64 [num_tests].

    Returns:
        Corrected p-values, float64 [num_tests], in the same order, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return corrected


@dataclasses.dataclass(frozen=True)
class Trend:
    """Whether values of users rise or fall with a count of theirs.

    Attributes:
        correlation: Spearman's rho, in [-1, 1]: that of the ranks, those of ties averaged.
        p_value: Two-sided, of no monotone relation.
    """

    correlation: float
    p_value: float


def trend(values: np.ndarray, counts: np.ndarray) -> Trend:
    """Spearman's rank correlation of values and counts.

    The p-value is that of Student's t with num_users - 2 degrees of freedom: with the hundreds of users that
    a data set has, that of a permutation test but for a few thousandths, ties or none.

    Args:
        values: float64 [num_users], of a metric or of a difference.
        counts: int [num_users].

    Returns:
        The trend; where the values or the counts are all the same, none: 0, with a p-value of 1.

    Raises:
        InputError: If there are fewer than three users.
    """
    if len(values) < 3:
        raise InputError(f"A trend needs at least three users. Found: {len(values)}.")
    if _is_constant(np.asarray(values, np.float64)) or np.ptp(counts) == 0:
        return Trend(0.0, 1.0)
    found = stats.spearmanr(values, counts)
    return Trend(float(found.statistic), float(found.pvalue))


def _is_constant(differences: np.ndarray) -> bool:
    return bool(np.ptp(differences) <= _ROUNDING * np.abs(differences).max())


def _batch_size(values: np.ndarray) -> int:
    return max(1, _BATCH_FLOATS // len(values))
