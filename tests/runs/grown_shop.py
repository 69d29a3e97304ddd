"""A shop before and after it grew, and runs on it that were given their weights, as training takes time."""

import dataclasses

import numpy as np

from nmtr_tf.config import ModelConfig, RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.data.view import TrainingView
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import Plan, resolve
from nmtr_tf.models.network import network
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo, now, versions

NEUMF = ModelConfig("nmtr_neumf", embedding_dim=8, num_layers=2)


def part_of(events: Events, users, items) -> Events:
    """The events of some users and items, whose rows are given."""
    chosen = np.isin(events.user, users) & np.isin(events.item, items)
    user, item = events.user[chosen], events.item[chosen]
    return dataclasses.replace(
        events,
        users=events.users[np.unique(user)],
        items=events.items[np.unique(item)],
        user=np.unique(user, return_inverse=True)[1].astype(np.int32),
        item=np.unique(item, return_inverse=True)[1].astype(np.int32),
        behavior=events.behavior[chosen],
        timestamp=np.asarray(events.timestamp)[chosen],
    )


LOG = synthetic_shop(80, 40, seed=3)


def prepared_part(users, items) -> Dataset:
    return prepare(part_of(LOG, users, items), min_behaviors=2)


OLD = prepared_part(np.arange(10, 80), np.arange(35))
NEW = prepared_part(np.arange(0, 60), np.arange(5, 40))


def plan_of(config: ModelConfig, view: TrainingView) -> Plan:
    return resolve(RunConfig(model=config), view.behaviors)


def new_model(config: ModelConfig, view: TrainingView):
    return build_model(plan_of(config, view), view.num_users, view.num_items, seed=1)


def saved_run(workdir, view, config, status="finished"):
    """A run with random weights everywhere, and its model."""
    model = build_model(plan_of(config, view), view.num_users, view.num_items, seed=5)
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=weight.shape) for weight in model.get_weights()])
    info = RunInfo(
        method=config.method,
        behaviors=view.behaviors,
        protocol=view.protocol,
        dataset_fingerprint=view.fingerprint,
        num_users=view.num_users,
        num_items=view.num_items,
        seed=5,
        versions=versions(),
        started=now(),
        status=status,
    )
    directory = RunDirectory(workdir)
    directory.create(RunConfig(model=config), view, info)
    model.save(directory.last_checkpoint)
    return model


def tables_of(model):
    """Behavior -> user rows, item rows, item bias, as arrays."""
    net = network(model)
    terms = range(len(net.behaviors))
    users = net.user_rows.all_rows(terms)
    items, biases = net.item_rows.all_rows(terms), net.item_rows.all_biases(terms)
    return {
        name: [np.array(part) for part in row]
        for name, row in zip(net.behaviors, zip(users, items, biases, strict=True), strict=True)
    }
