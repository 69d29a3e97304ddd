"""Small models of random weights, and the whole-data loss as a plain sum over all pairs."""

import dataclasses

import numpy as np
import tensorflow as tf
from conftest import BEHAVIORS, make_view

from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import of_method, resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.models.rows import distinct
from nmtr_tf.training.objectives import make_objective
from nmtr_tf.training.totals import batch_totals
from nmtr_tf.training.trained import TrainedPart

USERS, ITEMS = 7, 9
LAMBDA, UNOBSERVED = (0.2, 0.3, 0.5), (0.1, 0.4, 1.0)
L2 = {"l2_user": 0.3, "l2_item": 0.2, "l2_unit": 0.1, "l2_power": 0.5}


def random_view() -> TrainingView:
    """Random pairs at times of sixty days; user 2 did nothing, and nobody bought item 5."""
    rng = np.random.default_rng(4)
    shares = {"view": 0.6, "cart": 0.4, "buy": 0.3}
    matrices = {name: rng.random((USERS, ITEMS)) < share for name, share in shares.items()}
    for matrix in matrices.values():
        matrix[2] = False
    matrices["buy"][:, 5] = False
    return make_view(matrices, days={name: rng.uniform(0, 60, (USERS, ITEMS)) for name in matrices})


def config_of(method="nmtr_gmf", **options) -> RunConfig:
    options = {"embedding_dim": 4, "unobserved_weight": UNOBSERVED} | options
    options = {"loss_weights": LAMBDA, **L2} | options
    config = RunConfig().with_options(method=method, objective="whole_data", **options)
    return of_method(config, BEHAVIORS)  # L2 is of the users that have vectors


class Setup:
    """A model with random weights and its objective."""

    def __init__(self, view, **options):
        self.config = config_of(**options)
        self.training = self.config.training
        self.plan = resolve(self.config, BEHAVIORS)
        times = times_of(view, self.plan)
        self.model = build_model(self.plan, USERS, ITEMS, 0, histories_of(view), times)
        rng = np.random.default_rng(1)
        for weight in self.model.trainable_variables:
            weight.assign(rng.normal(scale=0.5, size=weight.shape))
        self.net, self.stage, self.view = network(self.model), self.plan.stages[0], view
        self.objective = make_objective(self.plan)

    @property
    def values(self):
        return [variable.value for variable in self.model.trainable_variables]

    def batches(self, batch_size):
        """Those of one epoch."""
        training = dataclasses.replace(self.training, batch_size=batch_size)
        sampler = self.objective.sampler(self.view, training, self.stage.behaviors)
        return [sampler.sample(tf.constant(step, tf.int64)) for step in range(sampler.steps_per_epoch)]

    def total(self, batch):
        """What a training step minimises."""
        trained = TrainedPart(self.net, self.stage)
        return batch_totals(self.net, self.objective, trained, self.training, batch)[0]


def squared_errors(setup):
    """Of each behavior, over all pairs by the functional model: [sum of weight * (logit - label)^2]."""
    users, items = np.indices((USERS, ITEMS)).reshape(2, -1)
    logits = setup.model({"user_ids": users, "item_ids": items})
    errors = []
    for name, c in zip(setup.plan.predicted, setup.plan.unobserved_weights, strict=True):
        labels = setup.view.matrices[name].toarray().ravel().astype(np.float32)
        weights = np.where(labels > 0, 1.0, c).astype(np.float32)
        errors.append(tf.reduce_sum(weights * (logits[name] - labels) ** 2))
    return errors


def summed_weights(setup, axis):
    """Of each user's pairs (axis 1) or item's (axis 0)."""
    total = 0.0
    facts = zip(setup.plan.predicted, setup.stage.weights, setup.plan.unobserved_weights, strict=True)
    for name, weight, c in facts:
        observed = setup.view.matrices[name].toarray()
        total = total + weight * np.where(observed, 1.0, c).sum(axis=axis)
    return total


def plain_objective(setup):
    """All squared errors and all L2 terms, each written down as it is defined."""
    total = tf.add_n([w * e for w, e in zip(setup.stage.weights, squared_errors(setup), strict=True)])
    power = setup.training.l2_power
    users, items = setup.net.user_rows, setup.net.item_rows
    sides = (
        (users.distinct_tables, 1, setup.training.l2_user),
        (distinct([*items.distinct_tables, *users.item_tables]), 0, setup.training.l2_item),
    )
    for tables, axis, l2 in sides:
        weights = (summed_weights(setup, axis) ** power).astype(np.float32)[:, None]
        for table in tables:
            total += l2 * tf.reduce_sum(weights * table.value**2)
    for weight in [*setup.net.cascade.trainable_variables, *users.gates]:
        total += setup.training.l2_unit * tf.reduce_sum(weight.value**2)
    return total
