"""Alternating least squares against the plain sum over all pairs, dense least squares and implicit."""

import importlib
import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from all_pairs import ITEMS, Setup, plain_objective, random_view
from conftest import LEAST_SQUARES, make_view
from scipy import sparse

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.models.network import network
from nmtr_tf.training import row_systems
from nmtr_tf.training.least_squares import LeastSquaresLearner
from nmtr_tf.training.row_systems import RowSolver, chunks, solve
from nmtr_tf.training.trainer import train

CASES: dict[str, dict[str, Any]] = {
    "nmtr_gmf": {},
    "without biases": {"item_bias": False},
    "mf below gmf": {"units": ("mf", "gmf", "mf")},
    "cmf": {"method": "cmf", "item_bias": True},
    "cmf of gmf": {"method": "cmf", "units": ("gmf",) * 3},
    "one behavior": {"method": "gmf", "unobserved_weight": (0.3,), "loss_weights": (), "item_bias": True},
}
QUICK = ("one behavior",)  # the rest is slow


@pytest.fixture(scope="module")
def view():
    return random_view()


def learner_of(setup):
    return LeastSquaresLearner(setup.model, setup.plan, setup.stage, setup.view, setup.training)


def nothing(step):
    pass


def variables_of(setup, step):
    """What a block changes: users, items with their biases, units."""
    rows, items = setup.net.user_rows, setup.net.item_rows
    blocks = [rows.trainable_variables, items.trainable_variables, setup.net.cascade.trainable_variables]
    return [variable.value for variable in blocks[step]]


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_a_block_is_solved_where_its_gradient_is_zero_and_the_objective_never_rises(view, case):
    setup = Setup(view, learner="als", **CASES[case])
    reached = [float(plain_objective(setup))]

    def check(step):
        values = variables_of(setup, step)
        with tf.GradientTape() as tape:
            objective = plain_objective(setup)
        reached.append(float(objective))
        for gradient in tape.gradient(objective, values):
            np.testing.assert_allclose(tf.convert_to_tensor(gradient), 0.0, atol=2e-4)

    learner = learner_of(setup)
    for _ in range(4):
        logs = learner.epoch(nothing, check)
        count = sum(view.matrices[name].nnz for name in setup.plan.predicted)
        assert logs["train/loss"] == pytest.approx(reached[-1] / count, rel=1e-5)
    has_units = bool(setup.net.cascade.trainable_variables)
    assert learner.num_steps == 2 + has_units
    assert len(reached) == 1 + 4 * learner.num_steps
    for before, after in itertools.pairwise(reached):
        assert after <= before * (1 + 1e-6)
    assert reached[1] < 0.95 * reached[0]


def test_what_no_pair_and_no_l2_determines_stays(view):
    """Without weight on purchases their unit and bias change nothing."""
    weights = (0.4, 0.6, 0.0)
    setup = Setup(view, learner="als", loss_weights=weights, l2_user=0.0, l2_item=0.0, l2_unit=0.0)
    unit, bias = setup.net.cascade.units[2].h.numpy(), setup.net.item_rows.biases[2].numpy()
    before = float(plain_objective(setup))
    learner_of(setup).epoch(nothing, nothing)
    assert float(plain_objective(setup)) < 0.9 * before
    np.testing.assert_allclose(setup.net.cascade.units[2].h, unit, atol=1e-6)
    np.testing.assert_allclose(setup.net.item_rows.biases[2], bias, atol=1e-6)


def best(design, labels, weights, l2):
    """Argmin of sum of weight * (design x - label)^2 + l2 . x^2, in float64."""
    return np.linalg.solve(
        design.T @ (weights[:, None] * design) + np.diag(l2), design.T @ (weights * labels)
    )


def test_a_chain_of_two_behaviors_by_dense_least_squares():
    """Written down in full: logit_view = (p * h_0) . q + b_0, logit_buy adds (p * h_1) . q + b_1."""
    rng = np.random.default_rng(3)
    observed = [rng.random((3, 4)) < share for share in (0.6, 0.4)]
    view = make_view({"view": observed[0], "buy": observed[1]})
    config = RunConfig().with_options(
        **{"method": "nmtr_gmf", "objective": "whole_data", "learner": "als", "embedding_dim": 2},
        **{"num_layers": 1},
        **{"loss_weights": (0.3, 0.7), "unobserved_weight": (0.2, 0.1)},
        **{"l2_user": 0.5, "l2_item": 0.4, "l2_unit": 0.3},
    )
    plan = resolve(config, view.behaviors)
    model = build_model(plan, 3, 4, seed=0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    net = network(model)
    p, q = (np.array(rows.tables[0], np.float64) for rows in (net.user_rows, net.item_rows))
    b = np.array([np.array(bias) for bias in net.item_rows.biases], np.float64)
    h = np.array([np.array(unit.h) for unit in net.cascade.units], np.float64)
    weights = [w * np.where(y, 1.0, c) for w, c, y in zip((0.3, 0.7), (0.2, 0.1), observed, strict=True)]
    ways, zero = np.cumsum(h, axis=0), np.zeros(2)
    for u in range(3):
        design = np.concatenate([q * way for way in ways])
        labels = np.concatenate([y[u] - own for y, own in zip(observed, np.cumsum(b, axis=0), strict=True)])
        p[u] = best(design, labels, np.concatenate([w[u] for w in weights]), np.full(2, 0.5))
    for i in range(4):
        ones = np.ones((3, 1))
        design = np.block([[p * ways[0], ones, 0 * ones], [p * ways[1], ones, ones]])
        labels = np.concatenate([y[:, i] for y in observed])
        solved = best(design, labels, np.concatenate([w[:, i] for w in weights]), np.array([0.4, 0.4, 0, 0]))
        q[i], b[:, i] = solved[:2], solved[2:]
    rows = [(u, i) for u in range(3) for i in range(4)]
    design = np.array([np.concatenate([p[u] * q[i], zero]) for u, i in rows])
    design = np.concatenate([design, [np.concatenate([p[u] * q[i]] * 2) for u, i in rows]])
    labels = np.concatenate(
        [(y - own).ravel() for y, own in zip(observed, np.cumsum(b, axis=0), strict=True)]
    )
    h = best(design, labels, np.concatenate([w.ravel() for w in weights]), np.full(4, 0.3)).reshape(2, 2)

    LeastSquaresLearner(model, plan, plan.stages[0], view, config.training).epoch(nothing, nothing)
    np.testing.assert_allclose(net.user_rows.tables[0], p, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(net.item_rows.tables[0], q, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        np.stack([np.array(bias) for bias in net.item_rows.biases]), b, rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(
        np.stack([np.array(unit.h) for unit in net.cascade.units]), h, rtol=1e-3, atol=1e-4
    )


def test_one_behavior_of_mf_is_implicits_als():
    """Its objective is alpha times ours.

    Unobserved pairs weigh 1 there and observed ones alpha, so that c = 1 / alpha and L2 = regularization /
    alpha. It keeps the constant, as ours does, and divides by the sum of all weights.
    """
    als = pytest.importorskip("implicit.cpu.als", reason="needs implicit (the extra `peers`)")
    alpha, regularization, size = 8.0, 0.6, 4
    observed = np.random.default_rng(0).random((20, 15)) < 0.3
    matrix = sparse.csr_matrix(observed, dtype=np.float32)
    losses: list[float] = []
    with importlib.import_module("threadpoolctl").threadpool_limits(1, "blas"):
        theirs = als.AlternatingLeastSquares(
            factors=size,
            alpha=alpha,
            regularization=regularization,
            iterations=3,
            use_cg=False,
            num_threads=1,
            random_state=0,
            calculate_training_loss=True,
        )
        theirs.fit(matrix, show_progress=False, callback=lambda *facts: losses.append(facts[2]))

    view = make_view({"buy": observed})
    config = RunConfig().with_options(
        **{"method": "bpr", "objective": "whole_data", "learner": "als", "embedding_dim": size},
        **{"unobserved_weight": (1 / alpha,), "l2_user": regularization / alpha},
        l2_item=regularization / alpha,
    )
    plan = resolve(config, view.behaviors)
    model = build_model(plan, 20, 15, seed=0)
    net = network(model)
    net.user_rows.tables[0].assign(theirs.user_factors)
    net.item_rows.tables[0].assign(np.zeros((15, size)))
    learner = LeastSquaresLearner(model, plan, plan.stages[0], view, config.training)
    learner._solve_items()  # the last that implicit solved for, from its users
    np.testing.assert_allclose(net.item_rows.tables[0], theirs.item_factors, rtol=1e-3, atol=1e-4)
    (totals,) = (learner._totals(batch).numpy() for batch in learner._batches())
    all_weights = alpha * observed.sum() + (~observed).sum()
    assert losses[-1] == pytest.approx(alpha * totals[0] / all_weights, rel=1e-4)


def test_rows_are_solved_the_same_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    matrices = [sparse.csr_array(rng.random((30, 8)) < share) for share in (0.5, 0.2)]
    features = [tf.constant(rng.normal(size=(8, 3)), tf.float32) for _ in matrices]
    offsets = [tf.constant(rng.normal(size=8), tf.float32) for _ in matrices]
    old, l2 = tf.constant(rng.normal(size=(30, 3)), tf.float32), np.full((30, 3), 0.2, np.float32)
    found: list[Any] = []
    for floats in (2**24, 100):
        monkeypatch.setattr(row_systems, "_CHUNK_FLOATS", floats)
        solver = RowSolver(matrices, (0.3, 0.7), (0.2, 1.0), l2)
        found.append(solver(old, features, offsets))
    assert len(solver._chunks) > 5
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_pieces_hold_every_row_once_and_no_more_than_fits(monkeypatch):
    monkeypatch.setattr(row_systems, "_CHUNK_FLOATS", 100)
    counts = np.array([5, 0, 30, 2, 2])
    pieces = chunks(np.argsort(counts, kind="stable"), counts, 4)
    assert [piece.tolist() for piece in pieces] == [[1, 3, 4], [0], [2]]  # 3 * 4 * (4 + 2); 2 * 4 * 9 + ..


def test_solve_is_the_solution_and_takes_a_zero_direction():
    systems = tf.constant([[[4.0, 1.0], [1.0, 3.0]], [[2.0, 0.0], [0.0, 0.0]]])
    found = solve(systems, tf.constant([[1.0, 2.0], [4.0, 0.0]]))
    np.testing.assert_allclose(found, np.array([[1 / 11, 7 / 11], [2, 0]]), rtol=1e-5)


def test_equations_without_a_solution_are_one_line(view):
    setup = Setup(view, learner="als", l2_user=0.0)
    setup.net.item_rows.tables[0].assign(np.full((ITEMS, 4), 1e30))  # its squares are infinite
    with pytest.raises(
        InputError, match=r"^`learner=als` met .* `l2_unit`\. Received: 0, 0\.2 and [0-9.]+\.$"
    ):
        learner_of(setup).epoch(nothing, nothing)


@pytest.mark.slow
def test_a_cpu_run_repeats_bit_for_bit_and_callbacks_see_every_block(shop, small_config):
    options = {"method": "nmtr_gmf", "objective": "whole_data", "num_epochs": 3, **LEAST_SQUARES}
    config = small_config.with_options(**options, l2_unit=1.0, embedding_stddev=0.1)
    view = shop.training_view()
    plan = resolve(config, view.behaviors)
    steps: list[int] = []
    counter = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs=None: steps.append(batch))
    done = []
    for _ in range(2):
        model = build_model(plan, view.num_users, view.num_items, seed=0)
        done.append((model, train(model, plan, view, config, [counter])))
    (one, first), (two, second) = done
    assert first == second
    assert steps == [0, 1, 2] * 6
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    losses = [logs["train/loss"] for logs in first.history]
    assert losses == sorted(losses, reverse=True)
    assert {"train/loss_view", "validation/NDCG@10"} <= set(first.history[0])
