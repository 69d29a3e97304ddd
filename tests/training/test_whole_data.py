"""The whole-data loss, and learning by its gradient, against the plain sum over all pairs."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from all_pairs import ITEMS, USERS, Setup, plain_objective, random_view, squared_errors
from conftest import BEHAVIORS, make_view

from nmtr_tf.config import TrainingConfig
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.training.learners import make_train_steps
from nmtr_tf.training.products import gram, pair_products
from nmtr_tf.training.trainer import train
from nmtr_tf.training.whole_data import l2_weights


@pytest.fixture(scope="module")
def view():
    return random_view()


SINGLE: dict[str, Any] = {"method": "gmf", "unobserved_weight": (0.3,), "loss_weights": (), "item_bias": True}
CASES: dict[str, dict[str, Any]] = {
    "nmtr_gmf": {},
    "mf below gmf": {"units": ("mf", "gmf", "gmf")},
    "cmf": {"method": "cmf", "item_bias": True},
    "one behavior": SINGLE,
    "tables of their own": {"method": "cmf", "share_embeddings": False},
    "users from histories": {"user_rows": "history", "history_dropout": 0.0},
    "of one item table": {"user_rows": "history", "history_dropout": 0.0, "history_items": "shared"},
    "users from both": {"user_rows": "both", "history_dropout": 0.0, "history_alpha": 0.3},
    "histories by age": {"user_rows": "history", "history_dropout": 0.0, "history_half_life": 20.0},
    "one behavior from all": {**SINGLE, "user_rows": "history", "history_dropout": 0.0},
    "same weights": {"unobserved_weight": (0.2,), "l2_power": 0.0},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch_size", [USERS, 3])
def test_loss_and_gradient_are_those_of_the_plain_sum_over_all_pairs(view, case, batch_size):
    """Of one batch with everybody, and summed over the batches of an epoch."""
    setup = Setup(view, **CASES[case])
    with tf.GradientTape(persistent=True) as tape:
        batches = setup.batches(batch_size)
        found, expected = tf.add_n([setup.total(batch) for batch in batches]), plain_objective(setup)
    assert len(batches) == -(-USERS // batch_size)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    ours, plain = tape.gradient(found, setup.values), tape.gradient(expected, setup.values)
    for one, other in zip(ours, plain, strict=True):
        other = tf.convert_to_tensor(other)
        assert np.any(other)
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", ["nmtr_gmf", "cmf"])
def test_the_loss_of_each_behavior_and_the_number_of_its_pairs(view, case):
    setup = Setup(view, **CASES[case])
    (batch,) = setup.batches(100)
    losses = setup.objective.losses(setup.net, range(3), batch)
    for name, (loss, count), expected in zip(BEHAVIORS, losses, squared_errors(setup), strict=True):
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        assert float(count) == view.matrices[name].nnz


def test_dropout_takes_dimensions_of_a_user_from_all_its_pairs(view):
    """The loss with dropout is that without, of a model whose users lack the same dimensions."""
    setup = Setup(view, dropout=0.5)
    (batch,) = setup.batches(USERS)
    found = float(setup.total(batch))
    table = setup.net.user_rows.tables[0]
    own = tf.gather(table.value, batch.user_ids)
    kept = tf.nn.experimental.stateless_dropout(own, 0.5, batch.seed)
    assert 0 < np.mean(kept == 0) < 1
    l2 = tf.reduce_sum(batch.user_weights[:, None] * (own**2 - kept**2)) * setup.training.l2_user
    table.assign(tf.gather(kept, tf.math.invert_permutation(batch.user_ids)))
    assert found == pytest.approx(float(plain_objective(setup) + l2), rel=1e-5)


class PlainSGD(keras.optimizers.SGD):
    """A step of size one: the change of a variable is minus its gradient."""

    def __init__(self):
        super().__init__(1.0)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_training_step_follows_the_gradient(view, reduction):
    setup = Setup(view, loss_reduction=reduction, batch_size=USERS)
    with tf.GradientTape() as tape:
        expected = plain_objective(setup)
    count = sum(view.matrices[name].nnz for name in BEHAVIORS) if reduction == "mean" else 1
    wanted = [
        old.numpy() - tf.convert_to_tensor(gradient).numpy() / count
        for old, gradient in zip(setup.values, tape.gradient(expected, setup.values), strict=True)
    ]
    setup.model.compile(optimizer=PlainSGD())
    sampler = setup.objective.sampler(view, setup.training, BEHAVIORS)
    steps = make_train_steps(setup.model, setup.objective, setup.training, setup.stage)
    totals = steps(iter(sampler.batches()), tf.constant(1)).numpy()
    assert totals[0] == pytest.approx(float(expected), rel=1e-5)
    for value, new in zip(setup.values, wanted, strict=True):
        np.testing.assert_allclose(value, new, rtol=1e-4, atol=1e-4)


def test_frozen_parts_stay_as_they_are(view):
    """Sequential training: the second stage reads the first unit and its bias, and changes neither."""
    setup = Setup(view, train_mode="sequential", loss_weights=(), batch_size=3)
    setup.model.compile(optimizer=PlainSGD())
    stage = setup.plan.stages[1]
    sampler = setup.objective.sampler(view, setup.training, stage.behaviors)
    steps = make_train_steps(setup.model, setup.objective, setup.training, stage)
    before = [np.array(weight) for weight in setup.model.weights]
    steps(iter(sampler.batches()), tf.constant(1))
    changed = {
        weight.path for old, weight in zip(before, setup.model.weights, strict=True) if np.any(old != weight)
    }
    units = [unit.h.path for unit in setup.net.cascade.units]
    biases = [bias.path for bias in setup.net.item_rows.biases]
    assert changed == {
        setup.net.user_rows.tables[0].path,
        setup.net.item_rows.tables[0].path,
        units[1],
        biases[1],
    }


class TestBatches:
    """Of users."""

    def test_an_epoch_visits_every_user_once_with_all_pairs(self, view):
        batches = Setup(view).batches(3)
        users = np.concatenate([batch.user_ids for batch in batches])
        assert sorted(users) == list(range(USERS))
        assert sum(float(batch.share) for batch in batches) == pytest.approx(1)
        for batch in batches:
            n = len(batch.user_ids)
            rows, items = batch.rows.numpy(), batch.items.numpy()
            first = 0
            for r, (name, size) in enumerate(zip(BEHAVIORS, batch.sizes.numpy(), strict=True)):
                own = slice(first, first + size)
                expected = view.matrices[name].toarray()[batch.user_ids.numpy()].nonzero()
                assert set(rows[own] // n) <= {r}
                np.testing.assert_array_equal((rows[own] - r * n, items[own]), expected)
                first += size
            assert first == len(rows) == len(items)

    def test_the_order_follows_the_seed_and_changes_from_epoch_to_epoch(self, view):
        def orders(seed):
            sampler = Setup(view).objective.sampler(
                view, TrainingConfig(batch_size=USERS, seed=seed), BEHAVIORS
            )
            return [tuple(sampler.sample(tf.constant(e, tf.int64)).user_ids.numpy()) for e in range(3)]

        assert orders(1) == orders(1)
        assert len({*orders(1), *orders(2)}) == 6

    def test_no_rows_are_one_line(self, view):
        empty = make_view({name: np.zeros((USERS, ITEMS)) for name in BEHAVIORS})
        with pytest.raises(ValueError, match=r"^There are no training rows of view, cart, buy\.$"):
            Setup(empty).batches(3)


def test_l2_weights_by_hand():
    """Two behaviors of weight 1 and 2; unobserved pairs weigh .5 and .1."""
    view = make_view({"view": [[1, 1, 0], [0, 0, 0]], "buy": [[1, 0, 0], [0, 1, 0]]})
    for power in (0.0, 0.5, 1.0):
        users, items = l2_weights([*view.matrices.values()], (1.0, 2.0), (0.5, 0.1), power)
        np.testing.assert_allclose(users, np.array([2.5 + 2.4, 1.5 + 2.4]) ** power, rtol=1e-6)
        np.testing.assert_allclose(items, np.array([1.5 + 2.2, 1.5 + 2.2, 1.0 + 0.4]) ** power, rtol=1e-6)
        assert users.dtype == items.dtype == np.float32


def test_sums_of_products_have_the_gradients_of_the_plain_formulas():
    rng = np.random.default_rng(0)
    left, right = (tf.constant(rng.normal(size=(n, 3)), tf.float32) for n in (4, 5))
    rows, columns = tf.constant([0, 0, 2, 3], tf.int64), tf.constant([1, 4, 0, 4], tf.int64)
    factors = tf.constant(rng.normal(size=4), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([left, right])
        square = tf.reduce_sum(gram(left) * gram(right))
        plain_square = tf.reduce_sum(tf.matmul(left, right, transpose_b=True) ** 2)
        pairs = tf.reduce_sum(factors * pair_products(left, right, rows, columns) ** 2)
        everything = tf.matmul(left, right, transpose_b=True)
        plain_pairs = tf.reduce_sum(factors * tf.gather_nd(everything, tf.stack([rows, columns], 1)) ** 2)
    for found, plain in ((square, plain_square), (pairs, plain_pairs)):
        assert float(found) == pytest.approx(float(plain), rel=1e-5)
        for one, other in zip(
            tape.gradient(found, [left, right]), tape.gradient(plain, [left, right]), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_cpu_run_repeats_bit_for_bit_and_the_loss_falls(shop, small_config):
    options = {"method": "nmtr_gmf", "objective": "whole_data", "num_epochs": 6, "batch_size": 20}
    config = small_config.with_options(**options, dropout=0.2, embedding_stddev=0.1)
    done = []
    for _ in range(2):
        view = shop.training_view()
        plan = resolve(config, view.behaviors)
        model = build_model(plan, view.num_users, view.num_items, seed=0)
        done.append((model, train(model, plan, view, config)))
    (one, first), (two, second) = done
    assert first == second
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    losses = [logs["train/loss"] for logs in first.history]
    assert losses[-1] < 0.8 * losses[0]
