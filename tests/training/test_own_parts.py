"""Parts of users' own, as objects and by registered names: a unit, a loss, an objective, an optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.unit_kinds import UNITS, register_unit
from nmtr_tf.models.network import network
from nmtr_tf.models.units import Unit
from nmtr_tf.training.objectives import (
    LOSSES,
    OBJECTIVES,
    SampledPairs,
    register_loss,
    register_objective,
)
from nmtr_tf.training.optimizers import OPTIMIZERS, register_optimizer
from nmtr_tf.training.trainer import train

MOMENTUM = keras.optimizers.SGD(0.25, momentum=0.9)


class Scaled(Unit):
    """A weight times the inner product."""

    def build(self, embedding_dim):
        super().build(embedding_dim)
        self.scale = self.add_weight((), "ones", name="scale")

    def user_part(self, p):
        return self.scale * p

    def item_part(self, q):
        return q

    def combine(self, user_part, item_part, training=False):
        return tf.matmul(user_part, item_part, transpose_b=True)


def hinge(positive_logits, negative_logits, positive_weights, negative_weights):
    positive = tf.reduce_sum(positive_weights * tf.nn.relu(1 - positive_logits))
    return positive + tf.reduce_sum(negative_weights[:, None] * tf.nn.relu(1 + negative_logits))


class Twice(SampledPairs):
    """Twice the loss of sampled pairs."""

    def loss(self, net, r, batch):
        loss, count = super().loss(net, r, batch)
        return 2 * loss, count


OBJECTS = {"units": (Scaled,), "loss": hinge, "objective": Twice, "optimizer": MOMENTUM}
NAMES = {"units": ("scaled",), "loss": "hinge", "objective": "twice", "optimizer": "momentum"}


@pytest.fixture
def registered(monkeypatch):
    """The parts under their names, which are taken out of the tables again."""
    for table in (UNITS, LOSSES, OBJECTIVES, OPTIMIZERS):
        monkeypatch.setattr(table, "_parts", dict(table))
    register_unit("scaled", Scaled)
    register_loss("hinge", hinge)
    register_objective("twice", Twice)
    register_optimizer("momentum", MOMENTUM)


def run(shop, config, checkpoint=None):
    view = shop.training_view()
    plan = resolve(config, view.behaviors)
    model = build_model(plan, view.num_users, view.num_items, seed=0)
    return model, train(model, plan, view, config, checkpoint=checkpoint)


@pytest.fixture
def config(small_config):
    return small_config.with_options(method="gmf", embedding_dim=4, loss_reduction="mean")


@pytest.mark.slow
def test_objects_and_names_make_the_same_run(shop, config, registered, tmp_path):
    named = config.with_options(**NAMES)
    one, by_object = run(shop, config.with_options(**OBJECTS))
    two, by_name = run(shop, named, tmp_path / "best.keras")
    assert by_object == by_name
    assert by_name.history[-1]["train/loss"] < by_name.history[0]["train/loss"] < 4
    for model in (one, two):
        assert isinstance(network(model).cascade.units[0], Scaled)
        assert (float(model.optimizer.learning_rate), model.optimizer.momentum) == (0.25, 0.9)
    assert type(named).from_json(named.to_json()) == named

    loaded = keras.models.load_model(tmp_path / "best.keras")
    ids = {"user_ids": np.arange(9), "item_ids": np.arange(9)}
    np.testing.assert_array_equal(loaded(ids)["buy"], two(ids)["buy"])
    assert float(network(loaded).cascade.units[0].scale) == float(network(two).cascade.units[0].scale) != 1
    assert loaded.optimizer.momentum == 0.9


@pytest.mark.slow
def test_an_objective_of_ones_own_is_what_is_minimised(shop, config):
    """Nothing is learned here, so that twice the loss is twice the loss."""
    frozen = config.with_options(optimizer=keras.optimizers.SGD(0.0), num_epochs=1)
    _, plain = run(shop, frozen)
    _, twice = run(shop, frozen.with_options(objective=Twice))
    for name in ("train/loss", "train/loss_buy"):
        assert twice.history[0][name] == pytest.approx(2 * plain.history[0][name], rel=1e-6)


@pytest.mark.parametrize("option", OBJECTS)
def test_a_part_without_a_name_cannot_be_saved(config, option):
    with pytest.raises(InputError, match=f"^`{option}` holds .*, which has no registered name") as caught:
        config.with_options(**{option: OBJECTS[option]}).to_json()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", NAMES)
def test_a_name_that_nobody_registered_is_one_line(shop, config, option):
    with pytest.raises(InputError, match=f"^`{option}` should name a known .* registered first") as caught:
        run(shop, config.with_options(**{option: NAMES[option]}))
    assert "\n" not in str(caught.value)
