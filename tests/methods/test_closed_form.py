"""The solution in closed form, and what goes with it."""

import dataclasses

import numpy as np
import pytest
from conftest import BEHAVIORS, make_view
from numpy_ease import objective, plain, random_pair
from scipy import sparse

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods import closed_form
from nmtr_tf.methods.closed_form import gated_rows, item_scales, item_weights, minimum, problem_of
from nmtr_tf.methods.plan import Stage, resolve

OPTIONS = {"ease_lambda": 2.0, "ease_beta": 0.3, "ease_dropout": 0.3, "ease_theta": 0.7}


@pytest.mark.parametrize(("chunk", "users"), [(5, 3), (5, 4), (512, 1000)])
@pytest.mark.parametrize("shape", [(40, 12), (9, 14), (5, 14), (7, 14), (4, 14)])
def test_the_solution_and_its_minimum(monkeypatch, shape, chunk, users):
    monkeypatch.setattr(closed_form, "CHUNK", chunk)
    monkeypatch.setattr(closed_form, "USERS", users)
    all_of, target = random_pair(shape)
    matrices = [make_view({"buy": dense}).target for dense in (all_of, target)]
    problem = problem_of(*matrices, *OPTIONS.values())
    weights, expected = item_weights(problem), plain(all_of, target, **OPTIONS)
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=2e-5)
    assert not np.diag(weights).any()
    least = objective(all_of, target, expected, **OPTIONS)
    assert minimum(problem, weights) == pytest.approx(least, rel=1e-5)
    moved = expected + 0.1 * (1 - np.eye(shape[1]))
    assert objective(all_of, target, moved, **OPTIONS) > 1.01 * least


def wide_problem(shape, ridge):
    """All behaviors as one, the target, and their problem without dropout."""
    all_of, target = random_pair(shape)
    touched, bought = (make_view({"buy": dense}).target for dense in (all_of, target))
    return all_of, target, problem_of(touched, bought, ridge, 0.3, 0.0, 1.0)


@pytest.mark.parametrize("ridge", [10.0, 1e-2, 1e-5])
def test_few_users_are_solved_however_small_lambda_is(ridge):
    """P itself is of the size of 1/lambda there, and would cancel."""
    all_of, target, problem = wide_problem((40, 90), ridge)
    expected = plain(all_of, target, ridge, 0.3)
    weights = item_weights(problem)
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    least = objective(all_of, target, expected, ridge, 0.3)
    scale = objective(all_of, target, 0 * expected, ridge, 0.3)  # of no weights
    assert minimum(problem, weights) == pytest.approx(least, rel=1e-4, abs=1e-6 * scale)


@pytest.mark.parametrize("ridge", [1e-4, 1e-5])
def test_what_float32_does_not_solve_is_no_solution(ridge):
    """More users than half the items, fewer than items: G has no inverse, and G + L hardly one."""
    _, _, problem = wide_problem((100, 130), ridge)
    with pytest.raises(np.linalg.LinAlgError, match="no solution in float32"):
        item_weights(problem)
    _, _, problem = wide_problem((100, 130), 0.1)
    item_weights(problem)


@pytest.mark.parametrize("ridge", [500.0, 1e6, 1e12])
@pytest.mark.parametrize("shape", [(40, 90), (40, 12)])
def test_a_large_lambda_is_no_error(shape, ridge):
    """What is left of the diagonal's multipliers is rounding then, and the weights are next to nothing."""
    all_of, target, problem = wide_problem(shape, ridge)
    expected = plain(all_of, target, ridge, 0.3)
    np.testing.assert_allclose(item_weights(problem), expected, rtol=1e-3, atol=1e-5 * expected.max())
    without = dataclasses.replace(problem, target=sparse.csr_array(target.shape, dtype=np.float32))
    expected = plain(all_of, 0 * target, ridge, 0.3)
    np.testing.assert_allclose(item_weights(without), expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_gates_are_the_weights_of_the_strongest_behavior():
    done = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])  # bits: view, cart, buy
    gates = (0.25, 0.5, 3.0)
    expected = [[0, 0.25, 0.5, 0.5], [3, 3, 3, 3]]
    histories = sparse.csr_array(done.astype(np.int32))
    np.testing.assert_array_equal(gated_rows(histories, gates).toarray(), expected)
    assert histories.dtype == np.int32
    assert histories.toarray().tolist() == done.tolist()


def test_the_solution_of_gated_rows_and_its_minimum():
    """Also where a gate is 0."""
    all_of, target = random_pair((40, 12))
    rows = all_of * np.random.default_rng(2).choice([0, 0.4, 1.5], all_of.shape, p=[0.2, 0.5, 0.3])
    matrix = sparse.csr_array(all_of).astype(np.float32)
    matrix.data = rows[all_of != 0].astype(np.float32)
    problem = problem_of(matrix, sparse.csr_array(target), *OPTIONS.values())
    degrees = all_of.sum(axis=1)  # what a gate of 0 hides counts as an item of the user
    expected = plain(rows, target, **OPTIONS, degrees=degrees)
    weights = item_weights(problem)
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=2e-5)
    least = objective(rows, target, expected, **OPTIONS, degrees=degrees)
    assert minimum(problem, weights) == pytest.approx(least, rel=1e-5)


def plan_of(method="nmtr_linear", **options):
    return resolve(RunConfig().with_options(method=method, **options), BEHAVIORS)


def test_scales_of_items_follow_the_users_who_touched_them_whatever_gate_they_have():
    """Counts 4, 1 and none, which is taken as 1, so that their mean is 2."""
    histories = sparse.csr_array(np.array([[1, 2, 0], [2, 0, 0], [1, 0, 0], [3, 0, 0]], np.int32))
    problem = problem_of(gated_rows(histories, (0.0, 2.0)), None, 1.0, 0.3, 0.0, 1.0)
    np.testing.assert_allclose(item_scales(problem, 0.5), [2**-0.5, 2**0.5, 2**0.5], rtol=1e-6)
    np.testing.assert_allclose(item_scales(problem, -1.0), [2, 0.5, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(item_scales(problem, 0.0), np.ones(3, np.float32))


def test_its_plan():
    plan = plan_of(num_epochs=7, linear_lambda=3)
    assert (plan.predicted, plan.learned_from, plan.parents) == (("buy",), BEHAVIORS, ((),))
    assert (plan.unit_names, plan.learner, plan.from_history) == (("linear",), "closed_form", True)
    assert plan.stages == (Stage(("buy",), (1.0,), 1),)  # there is one solution
    assert plan.linear.linear_lambda == 3.0
    assert plan_of(units=("linear",)) == plan_of()
    assert plan_of().linear_gates == plan_of(linear_gates=(1, 1, 1)).linear_gates == ()
    assert plan_of(linear_gates=(1, 0, 2)).linear_gates == (1.0, 0.0, 2.0)
    assert (plan_of("gmf").learner, plan_of("gmf").from_history) == ("gradient", False)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (
            "nmtr_gmf",
            {"units": ("gmf", "linear", "gmf")},
            r"^`units=linear` and `method=nmtr_linear` go toge",
        ),
        ("gmf", {"units": ("linear",)}, r"Received: `units=linear`, `method=gmf`\.$"),
        ("nmtr_linear", {"units": ("gmf",)}, r"Received: `units=gmf`, `method=nmtr_linear`\.$"),
        ("nmtr_linear", {"units": ("linear",) * 3}, "^`units` should name one unit for each of the 1 behav"),
        (
            "nmtr_linear",
            {"dropout": 0.1},
            r"^`dropout` has no meaning for `method=nmtr_linear`.*ved: 0\.1\.$",
        ),
        ("nmtr_linear", {"item_bias": True}, "^`item_bias` has no meaning"),
        ("nmtr_linear", {"share_embeddings": False}, "^`share_embeddings` has no meaning"),
        ("nmtr_linear", {"train_mode": "sequential"}, "^`train_mode` has no meaning"),
        ("nmtr_linear", {"loss": "bpr"}, "^`loss` has no meaning"),
        ("nmtr_linear", {"loss_weights": (1.0,)}, "^`loss_weights` has no meaning"),
        ("nmtr_linear", {"l2_item": 0.1}, "^`l2_item` has no meaning"),
        ("nmtr_linear", {"objective": "mine"}, "^`objective` has no meaning"),
        (
            "nmtr_gmf",
            {"linear_beta": 0.0},
            r"^`linear_beta` is an option of `method=nmtr_linear` and of `nmtr_linear_gmf`\. Received: `",
        ),
        ("nmtr_linear", {"linear_lambda": 0.0}, r"^`linear_lambda` should be positive\. Received: 0\.0\.$"),
        ("nmtr_linear", {"linear_lambda": float("nan")}, "^`linear_lambda` should be finite numbers"),
        ("nmtr_linear", {"linear_rank": -1}, r"^`linear_rank` should be at least 0\. Received: -1\.$"),
        ("nmtr_linear", {"linear_beta": -1.0}, "^`linear_beta` should be at least 0"),
        ("nmtr_linear", {"linear_dropout": 1.0}, r"^`linear_dropout` should be in \[0, 1\)"),
        (
            "nmtr_linear",
            {"linear_gates": (1.0,)},
            "^`linear_gates` should hold one weight",
        ),
        (
            "nmtr_linear",
            {"linear_gates": (0.0, 0.0, 0.0)},
            "^`linear_gates` should be at least 0 ",
        ),
        (
            "nmtr_linear",
            {"linear_gates": (1.0, -1.0, 1.0)},
            "^`linear_gates` should be at least 0 ",
        ),
        (
            "nmtr_gmf",
            {"linear_gates": (1.0, 1.0, 2.0)},
            "^`linear_gates` is an option of `method",
        ),
        ("nmtr_linear", {"linear_theta": -1.0}, "^`linear_theta` should be at least 0"),
        ("nmtr_linear", {"linear_theta": "much"}, "^`linear_theta` should be finite numbers"),
    ],
)
def test_what_does_not_go_together_is_one_line(method, options, message):
    with pytest.raises(InputError, match=message) as caught:
        plan_of(method, **options)
    assert "\n" not in str(caught.value)
