"""The training step against the functional model and against NumPy."""

import contextlib
import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, make_view

from nmtr_tf.config import RunConfig, TrainingConfig
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import Stage, resolve
from nmtr_tf.models.network import network
from nmtr_tf.training.learners import GradientLearner, make_train_steps
from nmtr_tf.training.objectives import make_objective
from nmtr_tf.training.optimizers import make_optimizer
from nmtr_tf.training.sampling import PairSampler
from nmtr_tf.training.totals import FirstBad, NotFiniteError

WEIGHTS = (0.2, 0.3, 0.5)
L2: dict[str, Any] = {"l2_user": 0.01, "l2_item": 0.02, "l2_unit": 0.03}
ALL = Stage(BEHAVIORS, WEIGHTS, num_epochs=1)


class PlainSGD(keras.optimizers.SGD):
    """A step of size one: the change of a variable is minus its gradient."""

    def __init__(self):
        super().__init__(1.0)


def reference_loss(model, batches):
    """Eq. 12 with its L2 terms through `model(ids)`, every head on its own instances; and their number."""
    total, instances = 0.0, 0
    net = network(model)
    for weight, name, batch in zip(WEIGHTS, net.behaviors, batches, strict=True):
        items = tf.concat([batch.positives[:, None], batch.negatives], axis=1)
        users = tf.repeat(batch.user_ids[:, None], items.shape[1], axis=1)
        ids = {"user_ids": tf.reshape(users, [-1]), "item_ids": tf.reshape(items, [-1])}
        probabilities = tf.reshape(tf.sigmoid(model(ids)[name]), tf.shape(items))
        likelihood = tf.concat([probabilities[:, :1], 1 - probabilities[:, 1:]], axis=1)
        total -= weight * tf.reduce_sum(tf.math.log(likelihood))
        instances += tf.size(items)
    users = tf.concat([batch.user_ids for batch in batches], axis=0)
    items = tf.concat([tf.reshape(x, [-1]) for b in batches for x in (b.positives, b.negatives)], axis=0)
    for rows, ids, weight in ((net.user_rows, users, L2["l2_user"]), (net.item_rows, items, L2["l2_item"])):
        for table in {id(table): table for table in rows.tables}.values():
            total += weight * tf.reduce_sum(tf.gather(table.value, tf.unique(ids)[0]) ** 2)
    for variable in net.cascade.trainable_variables:
        total += L2["l2_unit"] * tf.reduce_sum(variable.value**2)
    return total, tf.cast(instances, tf.float32)


def plan_of(behaviors=BEHAVIORS, **options):
    options = {"embedding_dim": 4, "num_layers": 2} | options
    return resolve(RunConfig().with_options(**options), behaviors)


def new_model(units, share=True):
    """A model of the shop with the same random weights each time."""
    model = build_model(plan_of(units=units, share_embeddings=share), 80, 40, seed=0)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


@pytest.fixture(scope="module")
def sampler(shop):
    return PairSampler(shop.training_view(), batch_size=120, num_negatives=4, seed=0)


@pytest.fixture(scope="module")
def batches(sampler):
    return sampler.batches()


@contextlib.contextmanager
def eagerly():
    """Steps as they are written, not as a graph, for what does not depend on it: tracing takes seconds."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def eager(batches):
    with eagerly():
        yield


def reference_gradients(model, batches):
    """The dense gradients of `reference_loss`, it and the number of instances."""
    with tf.GradientTape() as tape:
        loss, instances = reference_loss(model, batches)
    found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    return [tf.convert_to_tensor(gradient) for gradient in found], loss, instances


def steps_of(model, training, stage, capacities=(), **options):
    """The training graph of the sampled log loss, or as the options say."""
    return make_train_steps(model, make_objective(plan_of(**options)), training, stage, capacities)


GMF, MLP, MIXED, NEUMF = ("gmf",) * 3, ("mlp",) * 3, ("gmf", "mlp", "neumf"), ("neumf",) * 3


@pytest.mark.parametrize(
    ("units", "share", "reduction"),
    [
        (GMF, True, "sum"),
        (GMF, True, "mean"),
        (MLP, True, "mean"),
        (MIXED, True, "sum"),
        (NEUMF, False, "mean"),
    ],
)
def test_loss_and_gradients_are_the_functional_models(eager, batches, units, share, reduction):
    model = new_model(units, share)
    gradients, loss, instances = reference_gradients(model, next(iter(batches)))
    before = [variable.numpy() for variable in model.trainable_variables]
    model.compile(optimizer=PlainSGD())
    config = TrainingConfig(**L2, loss_reduction=reduction)
    totals = steps_of(model, config, ALL)(iter(batches), tf.constant(1)).numpy()

    scale = instances.numpy() if reduction == "mean" else 1.0
    assert totals[4:].sum() == instances.numpy()
    assert totals[0] == pytest.approx(float(loss), rel=1e-5)
    for variable, old, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(old - variable.numpy(), gradient / scale, rtol=1e-3, atol=1e-5)


class PlainAdagrad:
    """Adagrad's formula on dense gradients."""

    def __init__(self, variables, config):
        self.rate = config.learning_rate
        self.accumulators = [np.full(v.shape, config.initial_accumulator, np.float32) for v in variables]

    def apply(self, gradients, variables):
        for accumulator, gradient, variable in zip(self.accumulators, gradients, variables, strict=True):
            accumulator += gradient.numpy() ** 2
            variable.assign(variable.numpy() - self.rate * gradient.numpy() / np.sqrt(accumulator))


@pytest.mark.parametrize(
    ("units", "compiled"), [(GMF, False), pytest.param(("gmf", "gmf", "mlp"), True, marks=pytest.mark.slow)]
)
def test_an_epoch_is_that_of_the_plain_formulation(batches, sampler, units, compiled):
    """The functional model on the same batches, with dense gradients: 1e-4 in every weight and logit."""
    config = TrainingConfig(**L2, loss_reduction="mean")
    ours, plain = new_model(units), new_model(units)
    ours.compile(optimizer=make_optimizer(config))
    num_steps = sampler.steps_per_epoch
    capacities = sampler.capacities if compiled else ()
    totals = steps_of(ours, config, ALL, capacities)(iter(batches), tf.constant(num_steps))

    variables, loss = plain.trainable_variables, 0.0
    optimizer = PlainAdagrad(variables, config)
    for step in batches.take(num_steps):
        found, summed, instances = reference_gradients(plain, step)
        optimizer.apply([gradient / instances for gradient in found], variables)
        loss += float(summed)
    assert float(totals[0]) == pytest.approx(loss, rel=1e-4)
    for one, other in zip(ours.trainable_variables, variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-4)
    users, items = np.indices((10, 20)).reshape(2, -1)
    ids = {"user_ids": users, "item_ids": items}
    for name, logits in plain(ids).items():
        np.testing.assert_allclose(ours(ids)[name], logits, atol=1e-4)


@pytest.mark.parametrize(
    "optimizer", [keras.optimizers.SGD(0.01, momentum=0.9), keras.optimizers.Adam(0.05)], ids=["sgd", "adam"]
)
def test_any_keras_optimizer_gets_the_sum_of_repeated_rows(eager, batches, optimizer):
    """Three steps on the rows of the batches are three steps with the dense gradients."""
    training = TrainingConfig(**L2, optimizer=optimizer)
    ours, plain = new_model(GMF), new_model(GMF)
    ours.compile(optimizer=make_optimizer(training))
    steps_of(ours, training, ALL)(iter(batches), tf.constant(3))

    dense = make_optimizer(training)
    for step in batches.take(3):
        dense.apply(reference_gradients(plain, step)[0], plain.trainable_variables)
    for one, other in zip(ours.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-4)


@pytest.mark.parametrize("share", [True, False])
def test_a_stage_changes_embeddings_and_its_own_unit_and_bias(eager, shop, share):
    model = new_model(("gmf", "neumf", "mlp"), share)
    stage = Stage(("cart",), (1.0,), num_epochs=1, frozen=("view", "buy"))
    sampler = PairSampler(shop.training_view(), 40, 4, 0, stage.behaviors)
    batches = tf.data.Dataset.from_tensors(sampler.sample(tf.constant(0, tf.int64)))
    model.compile(optimizer=PlainSGD())
    net = network(model)
    before = {id(variable): np.array(variable) for variable in model.trainable_variables}
    steps_of(model, TrainingConfig(**L2), stage)(iter(batches), tf.constant(1))

    def changed(variable):
        return bool(np.any(before[id(variable)] != np.array(variable)))

    own = [True, True, share]  # the tables of the last behavior are no part of the cascade up to the second
    assert [changed(table) for table in net.user_rows.tables] == own
    assert [changed(table) for table in net.item_rows.tables] == own
    assert [changed(bias) for bias in net.item_rows.biases] == [False, True, False]
    for unit, expected in zip(net.cascade.units, [False, True, False], strict=True):
        assert {changed(weight) for weight in unit.trainable_variables} == {expected}


def test_totals_are_sums_over_steps_by_behavior(eager, batches):
    model = new_model(GMF)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    totals = steps_of(model, TrainingConfig(), ALL)(iter(batches), tf.constant(3))
    net, steps = network(model), list(batches.take(3))
    log_loss = make_objective(plan_of()).loss
    losses = [sum(float(log_loss(net, r, step[r])[0]) for step in steps) for r in range(3)]
    counts = [sum(5 * int(step[r].user_ids.shape[0]) for step in steps) for r in range(3)]
    objective = np.dot(WEIGHTS, losses)
    np.testing.assert_allclose(totals, [objective, *losses, *counts], rtol=1e-5)


def test_bpr_counts_pairs_and_a_step_without_any_changes_nothing():
    view = make_view({"buy": [[1, 1, 1], [1, 0, 0]]})
    plan = plan_of(view.behaviors, method="bpr")
    model = build_model(plan, 2, 3, seed=0)
    with pytest.warns(UserWarning, match="no negatives"):
        sampler = PairSampler(view, batch_size=1, num_negatives=2, seed=0)
    model.compile(optimizer=PlainSGD())
    training = TrainingConfig(loss_reduction="mean")
    train_steps = make_train_steps(model, make_objective(plan), training, plan.stages[0])
    batches, counts = iter(sampler.batches()), []
    for _ in range(sampler.steps_per_epoch):
        before = model.get_weights()
        totals = train_steps(batches, tf.constant(1)).numpy()
        counts.append(totals[2])
        moved = any(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
        assert moved == (totals[2] > 0)
        assert np.all(np.isfinite(totals))
    assert sorted(counts) == [0, 0, 0, 2]


def test_a_behavior_of_weight_zero_does_not_teach(eager, batches):
    model = new_model(GMF)
    model.compile(optimizer=PlainSGD())
    net = network(model)
    before = [np.array(unit.h) for unit in net.cascade.units]
    stage = dataclasses.replace(ALL, weights=(0.4, 0.6, 0.0))
    steps_of(model, TrainingConfig(), stage)(iter(batches), tf.constant(1))
    changed = [bool(np.any(b != np.array(unit.h))) for b, unit in zip(before, net.cascade.units, strict=True)]
    assert changed == [True, True, False]


def test_dropout_is_on_in_training(batches):
    batch = next(iter(batches))[0]
    losses = []
    for dropout in (0.5, 0.0):
        plan = plan_of(units=MLP, num_layers=1, dropout=dropout, embedding_stddev=1.0)
        net = network(build_model(plan, 80, 40, 0))
        losses.append([float(make_objective(plan).loss(net, 0, batch)[0]) for _ in range(2)])
    assert losses[0][0] != losses[0][1]
    assert losses[1][0] == losses[1][1]


def learner_of(view, num_epochs=1, num_users=80, num_items=40):
    """Of NMTR-GMF for tables of any size; nothing of the tables is read before the first step."""
    plan = plan_of(method="nmtr_gmf", num_epochs=num_epochs)
    model = build_model(plan, num_users, num_items, 0)
    model.compile(optimizer=PlainSGD())
    training = TrainingConfig(num_epochs=num_epochs, batch_size=64, steps_per_call=4)
    return GradientLearner(model, plan, plan.stages[0], view, training)


def test_long_trainings_on_small_tables_are_compiled(shop):
    view = shop.training_view()
    learner = learner_of(view, num_epochs=100_000)
    assert learner.capacities == learner.sampler.capacities
    assert learner_of(view, num_epochs=1).capacities == ()
    assert learner_of(view, num_epochs=100_000, num_users=100_000).capacities == ()


def test_an_epoch_of_a_learner(shop):
    """What it costs, when it calls back, what it logs: losses per instance."""
    learner = learner_of(shop.training_view())
    sampler = learner.sampler
    assert learner.num_steps == sampler.steps_per_epoch > 4
    assert learner.cost == sampler.num_instances * (3 * 3 * 4 + 80 * 4)
    calls: list[tuple[str, int]] = []
    logs = learner.epoch(
        lambda step: calls.append(("before", step)), lambda step: calls.append(("after", step))
    )
    firsts = range(0, learner.num_steps, 4)
    lasts = [min(first + 4, learner.num_steps) - 1 for first in firsts]
    expected = [
        call
        for pair in zip(firsts, lasts, strict=True)
        for call in zip(("before", "after"), pair, strict=True)
    ]
    assert calls == expected
    assert list(logs) == ["train/loss", *(f"train/loss_{name}" for name in BEHAVIORS)]
    assert all(type(value) is float for value in logs.values())
    shares = sampler.num_positives / sampler.num_positives.sum()
    third = sum(share * logs[f"train/loss_{name}"] for share, name in zip(shares, BEHAVIORS, strict=True)) / 3
    assert logs["train/loss"] == pytest.approx(third, rel=1e-5)


def test_the_first_step_whose_loss_is_not_finite_is_found():
    """Totals of two behaviors: the objective, two losses, two counts."""
    good, no_buy, none = [1.0, 2, 3, 4, 5], [np.nan, 2, np.inf, 4, 5], [np.nan] * 5

    def found(*steps):
        first_bad = FirstBad(("view", "buy"))
        passed = tf.constant(0), tf.zeros(5)
        for own in steps:
            passed = FirstBad.passed(*passed, tf.constant(own))
        first_bad.note(*passed)
        first_bad.check(32)

    found(good, good, good)
    with pytest.raises(NotFiniteError, match="The loss of buy is inf at step 35"):
        found(good, good, no_buy, none)
    with pytest.raises(NotFiniteError, match="The loss of view, buy is nan at step 33"):
        found(none, none)
    with pytest.raises(NotFiniteError, match="The objective is inf at step 34"):
        found(good, [np.inf, *good[1:]], none)


@pytest.mark.slow
def test_the_compiled_step_is_the_plain_one(batches, sampler):
    """With Adam; Adagrad's is held against the plain formulation above."""
    config = TrainingConfig(**L2, optimizer="adam")

    def three_steps(capacities):
        model = new_model(GMF)
        model.compile(optimizer=make_optimizer(config))
        totals = steps_of(model, config, ALL, capacities)(iter(batches), tf.constant(3))
        return totals.numpy(), [variable.numpy() for variable in model.trainable_variables]

    with eagerly():
        totals, weights = three_steps(())
    compiled_totals, compiled_weights = three_steps(sampler.capacities)
    np.testing.assert_allclose(compiled_totals, totals, rtol=1e-5)
    for one, other in zip(compiled_weights, weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
