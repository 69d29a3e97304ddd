"""The training step against the functional model and against NumPy."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.config import ModelConfig, TrainingConfig
from nmtr_tf.models.nmtr import build_model, network
from nmtr_tf.training.sampling import PairSampler
from nmtr_tf.training.steps import behavior_loss, make_train_steps

WEIGHTS = (0.2, 0.3, 0.5)


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
    totals = make_train_steps(model, config, WEIGHTS)(iter(sampler.batches()), tf.constant(1)).numpy()

    scale = totals[4:].sum() if reduction == "mean" else 1.0
    assert totals[0] / scale == pytest.approx(float(expected), rel=1e-5)
    for variable, old, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(old - variable.numpy(), gradient, rtol=1e-3, atol=1e-5)


def test_totals_are_sums_over_steps_by_behavior(shop):
    model, sampler = model_and_sampler(shop, ("gmf",) * 3)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    totals = make_train_steps(model, TrainingConfig(), WEIGHTS)(iter(sampler.batches()), tf.constant(3))
    net, steps = network(model), list(sampler.batches().take(3))
    losses = [sum(float(behavior_loss(net, r, step[r])) for step in steps) for r in range(3)]
    counts = [sum(5 * int(step[r].user_ids.shape[0]) for step in steps) for r in range(3)]
    objective = np.dot(WEIGHTS, losses)
    np.testing.assert_allclose(totals, [objective, *losses, *counts], rtol=1e-5)


def test_a_behavior_of_weight_zero_does_not_teach(shop):
    model, sampler = model_and_sampler(shop, ("gmf",) * 3)
    model.compile(optimizer=PlainSGD())
    net = network(model)
    before = [np.array(unit.h) for unit in net.cascade.units]
    make_train_steps(model, TrainingConfig(), (0.4, 0.6, 0.0))(iter(sampler.batches()), tf.constant(1))
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
