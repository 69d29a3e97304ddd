"""The training step against the functional model and against NumPy."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, make_interactions

from nmtr_tf.config import ModelConfig, TrainingConfig
from nmtr_tf.models.model import build_model, network
from nmtr_tf.training.learners import behavior_loss, capacities_to_compile, make_train_steps
from nmtr_tf.training.optimizers import make_optimizer
from nmtr_tf.training.sampling import PairSampler
from nmtr_tf.training.stages import Stage

WEIGHTS = (0.2, 0.3, 0.5)
ALL = Stage(BEHAVIORS, WEIGHTS, num_epochs=1)


class PlainSGD(keras.optimizers.SGD):
    """A step of size one: the change of a variable is minus its gradient."""

    def __init__(self):
        super().__init__(1.0)


def reference_loss(model, batches, config):
    """Eq. 12 through `model(ids)`, every head on its own instances."""
    total, instances = 0.0, 0
    for weight, name, batch in zip(WEIGHTS, network(model).cascade.behaviors, batches, strict=True):
        items = tf.concat([batch.positives[:, None], batch.negatives], axis=1)
        users = tf.repeat(batch.user_ids[:, None], items.shape[1], axis=1)
        ids = {"user_ids": tf.reshape(users, [-1]), "item_ids": tf.reshape(items, [-1])}
        probabilities = tf.reshape(tf.sigmoid(model(ids)[name]), items.shape)
        likelihood = tf.concat([probabilities[:, :1], 1 - probabilities[:, 1:]], axis=1)
        total -= weight * tf.reduce_sum(tf.math.log(likelihood))
        instances += items.shape[0] * items.shape[1]
    net = network(model)
    users = np.unique(np.concatenate([batch.user_ids for batch in batches]))
    items = [x.numpy().ravel() for batch in batches for x in (batch.positives, batch.negatives)]
    items = np.unique(np.concatenate(items))
    for tables, rows, weight in (
        (net.user_tables, users, config.l2_user),
        (net.item_tables, items, config.l2_item),
    ):
        for table in {id(table): table for table in tables}.values():
            total += weight * tf.reduce_sum(tf.gather(table.value, rows) ** 2)
    for variable in net.cascade.trainable_variables:
        total += config.l2_unit * tf.reduce_sum(variable.value**2)
    return total / instances if config.loss_reduction == "mean" else total


def model_and_sampler(shop, units, share=True):
    view = shop.training_view()
    config = ModelConfig(units=units, embedding_dim=4, num_layers=2, share_embeddings=share)
    model = build_model(config, view.behaviors, view.num_users, view.num_items, seed=0)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model, PairSampler(view, batch_size=40, num_negatives=4, seed=0)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(
    ("units", "share"),
    [(("gmf",) * 3, True), (("mlp",) * 3, True), (("neumf", "gmf", "mlp"), True), (("neumf",) * 3, False)],
)
def test_loss_and_gradients_are_the_functional_models(shop, units, share, reduction):
    model, sampler = model_and_sampler(shop, units, share)
    config = TrainingConfig(l2_user=0.01, l2_item=0.02, l2_unit=0.03, loss_reduction=reduction)
    batches = next(iter(sampler.batches()))
    with tf.GradientTape() as tape:
        expected = reference_loss(model, batches, config)
    variables = [variable.value for variable in model.trainable_variables]
    gradients = [tf.convert_to_tensor(g).numpy() for g in tape.gradient(expected, variables)]
    before = [variable.numpy() for variable in model.trainable_variables]

    model.compile(optimizer=PlainSGD())
    totals = make_train_steps(model, config, ALL)(iter(sampler.batches()), tf.constant(1)).numpy()

    scale = totals[4:].sum() if reduction == "mean" else 1.0
    assert totals[0] / scale == pytest.approx(float(expected), rel=1e-5)
    for variable, old, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(old - variable.numpy(), gradient, rtol=1e-3, atol=1e-5)


class PlainAdagrad:
    """Adagrad's formula on dense gradients."""

    def __init__(self, variables, config):
        self.rate = config.learning_rate
        self.accumulators = [np.full(v.shape, config.initial_accumulator, np.float32) for v in variables]

    def apply(self, gradients, variables):
        for accumulator, gradient, variable in zip(self.accumulators, gradients, variables, strict=True):
            dense = tf.convert_to_tensor(gradient).numpy()
            accumulator += dense**2
            variable.assign(variable.numpy() - self.rate * dense / np.sqrt(accumulator))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("unit", ["gmf", "mlp", "neumf"])
def test_an_epoch_is_that_of_the_plain_formulation(shop, unit, compiled):
    """The functional model on the same batches, with dense gradients: 1e-4 in every weight and logit."""
    config = TrainingConfig(l2_item=0.01, loss_reduction="mean")
    (ours, sampler), (plain, _) = (model_and_sampler(shop, (unit,) * 3) for _ in range(2))
    ours.compile(optimizer=make_optimizer(config))
    num_steps = tf.constant(sampler.steps_per_epoch)
    capacities = sampler.capacities if compiled else ()
    make_train_steps(ours, config, ALL, capacities)(iter(sampler.batches()), num_steps)

    variables = plain.trainable_variables
    optimizer = PlainAdagrad(variables, config)
    for batches in sampler.batches().take(sampler.steps_per_epoch):
        with tf.GradientTape() as tape:
            loss = reference_loss(plain, batches, config)
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
    for one, other in zip(ours.trainable_variables, variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-4)
    users, items = np.indices((10, 20)).reshape(2, -1)
    ids = {"user_ids": users, "item_ids": items}
    for name, logits in plain(ids).items():
        np.testing.assert_allclose(ours(ids)[name], logits, atol=1e-4)


@pytest.mark.parametrize("share", [True, False])
def test_a_stage_changes_embeddings_and_its_own_unit_and_bias(shop, share):
    model, _ = model_and_sampler(shop, ("gmf", "neumf", "mlp"), share)
    stage = Stage(("cart",), (1.0,), num_epochs=1, frozen=("view", "buy"))
    sampler = PairSampler(shop.training_view(), 40, 4, 0, stage.behaviors)
    model.compile(optimizer=PlainSGD())
    net = network(model)
    before = {id(variable): np.array(variable) for variable in model.trainable_variables}
    config = TrainingConfig(l2_user=0.1, l2_item=0.1, l2_unit=0.1)
    make_train_steps(model, config, stage)(iter(sampler.batches()), tf.constant(1))

    def changed(variable):
        return bool(np.any(before[id(variable)] != np.array(variable)))

    own = [True, True, share]  # the tables of the last behavior are no part of the cascade up to the second
    assert [changed(table) for table in net.user_tables] == own
    assert [changed(table) for table in net.item_tables] == own
    assert [changed(bias) for bias in net.item_biases] == [False, True, False]
    for unit, expected in zip(net.cascade.units, [False, True, False], strict=True):
        assert {changed(weight) for weight in unit.trainable_variables} == {expected}


def test_totals_are_sums_over_steps_by_behavior(shop):
    model, sampler = model_and_sampler(shop, ("gmf",) * 3)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    totals = make_train_steps(model, TrainingConfig(), ALL)(iter(sampler.batches()), tf.constant(3))
    net, steps = network(model), list(sampler.batches().take(3))
    losses = [sum(float(behavior_loss(net, r, step[r])) for step in steps) for r in range(3)]
    counts = [sum(5 * int(step[r].user_ids.shape[0]) for step in steps) for r in range(3)]
    objective = np.dot(WEIGHTS, losses)
    np.testing.assert_allclose(totals, [objective, *losses, *counts], rtol=1e-5)


def test_bpr_counts_pairs_and_a_step_without_any_changes_nothing():
    view = make_interactions({"buy": [[1, 1, 1], [1, 0, 0]]})
    config = ModelConfig("bpr", embedding_dim=4)
    model = build_model(config, view.behaviors, 2, 3, seed=0)
    with pytest.warns(UserWarning, match="no negatives"):
        sampler = PairSampler(view, batch_size=1, num_negatives=2, seed=0)
    model.compile(optimizer=PlainSGD())
    stage = Stage(("buy",), (1.0,), num_epochs=1, loss="bpr")
    train_steps = make_train_steps(model, TrainingConfig(loss_reduction="mean"), stage)
    batches, counts = iter(sampler.batches()), []
    for _ in range(sampler.steps_per_epoch):
        before = model.get_weights()
        totals = train_steps(batches, tf.constant(1)).numpy()
        counts.append(totals[2])
        moved = any(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
        assert moved == (totals[2] > 0)
        assert np.all(np.isfinite(totals))
    assert sorted(counts) == [0, 0, 0, 2]


def test_a_behavior_of_weight_zero_does_not_teach(shop):
    model, sampler = model_and_sampler(shop, ("gmf",) * 3)
    model.compile(optimizer=PlainSGD())
    net = network(model)
    before = [np.array(unit.h) for unit in net.cascade.units]
    stage = dataclasses.replace(ALL, weights=(0.4, 0.6, 0.0))
    make_train_steps(model, TrainingConfig(), stage)(iter(sampler.batches()), tf.constant(1))
    changed = [bool(np.any(b != np.array(unit.h))) for b, unit in zip(before, net.cascade.units, strict=True)]
    assert changed == [True, True, False]


def test_dropout_is_on_in_training(shop):
    view = shop.training_view()
    config = ModelConfig(units=("mlp",) * 3, embedding_dim=4, num_layers=1, dropout=0.5)
    sampler = PairSampler(view, 40, 4, 0)
    batch = next(iter(sampler.batches()))[0]
    losses = []
    for dropout in (0.5, 0.0):
        wet = dataclasses.replace(config, dropout=dropout, embedding_stddev=1.0)
        model = build_model(wet, view.behaviors, view.num_users, view.num_items, 0)
        losses.append([float(behavior_loss(network(model), 0, batch)) for _ in range(2)])
    assert losses[0][0] != losses[0][1]
    assert losses[1][0] == losses[1][1]


def test_long_trainings_on_small_tables_are_compiled(shop):
    model, sampler = model_and_sampler(shop, ("gmf",) * 3)
    assert capacities_to_compile(model, sampler, 100_000) == sampler.capacities
    assert capacities_to_compile(model, sampler, 10) == ()
    large = build_model(ModelConfig("nmtr_gmf", embedding_dim=4), ("view", "cart", "buy"), 100_000, 10, 0)
    assert capacities_to_compile(large, sampler, 100_000) == ()


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_the_compiled_step_is_the_plain_one(shop, optimizer):
    """With every kind of L2, and with whole tables updated instead of rows."""
    config = TrainingConfig(optimizer=optimizer, l2_user=0.01, l2_item=0.02, l2_unit=0.03)
    totals, weights = [], []
    for compiled in (False, True):
        model, sampler = model_and_sampler(shop, ("neumf", "gmf", "mlp"))
        model.compile(optimizer=make_optimizer(config))
        capacities = sampler.capacities if compiled else ()
        steps = make_train_steps(model, config, ALL, capacities)
        totals.append(steps(iter(sampler.batches()), tf.constant(3)).numpy())
        weights.append([variable.numpy() for variable in model.trainable_variables])
    np.testing.assert_allclose(totals[0], totals[1], rtol=1e-5)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
