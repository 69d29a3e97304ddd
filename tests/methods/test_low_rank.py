"""Weights of low rank: dense ones at full rank, and the exact solution for inputs of the rank below it."""

import numpy as np
import pytest
from numpy_ease import objective, plain, random_pair
from scipy import sparse

from nmtr_tf.methods import closed_form
from nmtr_tf.methods.closed_form import problem_of
from nmtr_tf.methods.low_rank import low_rank_weights, rank_of, strongest_directions

OPTIONS = {"ease_lambda": 2.0, "ease_beta": 0.3, "ease_dropout": 0.3, "ease_theta": 0.7}


def problem_and_pair(shape):
    pair = random_pair(shape)
    matrices = [sparse.csr_array(dense.astype(np.float32)) for dense in pair]
    return problem_of(*matrices, *OPTIONS.values()), pair


def dense(found):
    """B of the factors."""
    weights = found.left.astype(float) @ found.right.T
    return weights - np.diag(np.diag(weights))


@pytest.mark.parametrize("users", [7, 1000])
@pytest.mark.parametrize("shape", [(40, 12), (9, 14)])
def test_at_full_rank_it_is_the_dense_solution(monkeypatch, shape, users):
    monkeypatch.setattr(closed_form, "USERS", users)
    problem, (all_of, target) = problem_and_pair(shape)
    found, expected = low_rank_weights(problem, shape[1]), plain(all_of, target, **OPTIONS)
    assert found.left.shape == found.right.shape == (shape[1], shape[1])
    np.testing.assert_allclose(dense(found), expected, rtol=1e-4, atol=5e-5)
    assert found.minimum == pytest.approx(objective(all_of, target, expected, **OPTIONS), rel=1e-5)


def test_users_who_did_the_same_are_no_direction_more():
    all_of, target = random_pair((5, 24))
    all_of[3], target[4] = all_of[1], 0
    all_of[4] = 0
    matrices = [sparse.csr_array(dense.astype(np.float32)) for dense in (all_of, target)]
    problem, expected = problem_of(*matrices, *OPTIONS.values()), plain(all_of, target, **OPTIONS)
    for rank in (5, 7):
        found = low_rank_weights(problem, rank)
        np.testing.assert_allclose(dense(found), expected, rtol=1e-4, atol=5e-5)
        assert found.left.shape == (24, rank)
        assert found.minimum == pytest.approx(objective(all_of, target, expected, **OPTIONS), rel=1e-5)


@pytest.mark.parametrize(
    ("users", "items", "rank"),
    [(2048, 8193, 2048), (2048, 8192, 0), (2049, 29_000, 0), (2049, 30_001, 1024), (5, 21, 5), (5, 20, 0)],
)
def test_the_rank_where_none_is_given(users, items, rank):
    assert rank_of(users, items) == rank
    assert rank_of(2000, 1_000_000) == 1024  # their factors would be too large


def test_below_it_is_the_least_squares_of_inputs_of_this_rank():
    """By the singular value decomposition of NumPy, and item by item with a multiplier for the diagonal."""
    rank, (problem, (all_of, target)) = 4, problem_and_pair((40, 12))
    ridge, scale = problem.ridge.astype(float), problem.scale.astype(float)[:, None]
    _, _, directions = np.linalg.svd(scale * all_of / np.sqrt(ridge))
    directions = directions[:rank]
    inputs = scale * all_of / np.sqrt(ridge) @ directions.T @ directions * np.sqrt(ridge)
    wanted = scale * (target + OPTIONS["ease_theta"] * all_of)
    expected = np.zeros((12, 12))
    for j in range(12):
        others = np.delete(np.arange(12), j)
        system = (inputs.T @ inputs + np.diag(ridge))[np.ix_(others, others)]
        expected[others, j] = np.linalg.solve(system, (inputs.T @ wanted[:, j])[others])
    found = low_rank_weights(problem, rank)
    np.testing.assert_allclose(dense(found), expected, rtol=1e-3, atol=1e-4)
    least = np.sum((wanted - inputs @ expected) ** 2) + np.sum(ridge[:, None] * expected**2)
    assert found.minimum == pytest.approx(least, rel=1e-5)
    vectors, strengths = strongest_directions(sparse.csr_array((scale * all_of).astype(np.float32)), 3, 0)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(strengths, np.linalg.svd(scale * all_of)[1][:3] ** 2, rtol=1e-4)


def test_without_a_target_it_is_ease():
    problem, (all_of, _) = problem_and_pair((40, 12))
    problem = problem_of(sparse.csr_array(all_of.astype(np.float32)), None, 2.0, 0.0, 0.0, 1.0)
    expected = plain(all_of, np.zeros_like(all_of), 2.0)
    np.testing.assert_allclose(dense(low_rank_weights(problem, 12)), expected, rtol=1e-4, atol=5e-5)


def test_the_start_is_seeded():
    problem, _ = problem_and_pair((40, 12))
    one, other = (low_rank_weights(problem, 3) for _ in range(2))
    np.testing.assert_array_equal(one.left, other.left)
    np.testing.assert_array_equal(one.right, other.right)


def test_what_float32_does_not_solve_is_no_solution():
    """As many directions as items: what they leave of the diagonal of P is rounding where lambda is small."""
    touched, bought = map(sparse.csr_array, random_pair((200, 80)))
    low_rank_weights(problem_of(touched, bought, 0.1, 0.0, 0.0, 1.0), 80)
    with pytest.raises(np.linalg.LinAlgError, match="no solution in float32"):
        low_rank_weights(problem_of(touched, bought, 1e-5, 0.0, 0.0, 1.0), 80)


@pytest.mark.parametrize("ridge", [500.0, 1e6, 1e12])
def test_a_large_lambda_is_no_error(ridge):
    touched, bought = random_pair((40, 30))
    problem = problem_of(sparse.csr_array(touched), sparse.csr_array(bought), ridge, 0.0, 0.0, 1.0)
    expected = plain(touched, bought, ridge)
    found = low_rank_weights(problem, 30)
    np.testing.assert_allclose(dense(found), expected, rtol=1e-3, atol=1e-5 * expected.max())
