"""Several replicas: the parts of a batch add up to it, and two devices learn what one does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view

import nmtr_tf as nt
from nmtr_tf.config import ModelConfig, RunConfig, TimeConfig, TrainingConfig
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import of_method, resolve
from nmtr_tf.models.network import network
from nmtr_tf.training.objectives import make_objective
from nmtr_tf.training.strategy import make_strategy

ROOT = Path(__file__).parents[2]
VIEW = make_view(
    {"view": [[1, 1, 0, 0, 1], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0]], "buy": np.eye(3, 5, dtype=int)},
    days={"view": np.arange(15).reshape(3, 5), "buy": np.arange(15, 30).reshape(3, 5)},
)


def batch_and_losses(time_bias="none", **options):
    """A batch of everything, and what gives the losses of a part of it, all behaviors' [2, R]."""
    training = TrainingConfig(batch_size=20, num_negatives=2, **options)
    model_config = ModelConfig(method="nmtr_gmf", embedding_dim=4)
    config = of_method(
        RunConfig(model=model_config, training=training, time=TimeConfig(time_bias)), VIEW.behaviors
    )
    plan, training = resolve(config, VIEW.behaviors), config.training
    objective, model = make_objective(plan), build_model(plan, VIEW.num_users, VIEW.num_items, seed=0)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=value.shape) for value in model.get_weights()])
    batch = next(iter(objective.sampler(VIEW, training, VIEW.behaviors).batches()))

    def losses(number: int, count: int) -> np.ndarray:
        part = objective.part(batch, number, count)
        return np.array(objective.losses(network(model), [0, 1], part)).T

    return batch, objective, losses


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("objective", ["sampled", "sampled in time", "whole_data", "softmax", "contrastive"])
def test_parts_add_up_though_some_are_empty(objective, count):
    name, _, in_time = objective.partition(" ")
    _, _, losses = batch_and_losses(objective=name, time_bias="buckets" if in_time else "none")
    parts = [losses(number, count) for number in range(count)]
    np.testing.assert_allclose(np.sum(parts, axis=0), losses(0, 1), rtol=1e-5)
    assert len({one.tobytes() for one in parts}) > 1


def test_every_row_is_in_one_part():
    batch, objective, _ = batch_and_losses(time_bias="buckets")
    parts = [objective.part(batch, number, 4) for number in range(4)]
    for r, whole in enumerate(batch):
        for field in set(whole._fields) - {"seed"}:
            values = np.concatenate([getattr(part[r], field) for part in parts])
            np.testing.assert_array_equal(values, getattr(whole, field))
        sizes = [len(part[r].user_ids) for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_a_part_of_users_has_their_pairs_alone():
    batch, objective, _ = batch_and_losses(objective="whole_data")
    users = batch.user_ids.numpy().tolist()
    pairs: list[tuple[int, int, int]] = []
    for number in range(2):
        part = objective.part(batch, number, 2)
        own, n = part.user_ids.numpy(), len(part.user_ids)
        assert part.sizes.numpy().sum() == len(part.rows) == len(part.items)
        behaviors = np.repeat([0, 1], part.sizes)
        np.testing.assert_array_equal(part.rows.numpy() // n, behaviors)
        pairs += zip(behaviors, own[part.rows.numpy() % n], part.items.numpy(), strict=True)
        np.testing.assert_allclose(part.share, n / len(users))
    expected = [
        (r, user, item)
        for r, matrix in enumerate(VIEW.matrices.values())
        for user, item in zip(*matrix.toarray().nonzero(), strict=True)
    ]
    assert sorted(pairs) == sorted(expected)


def test_no_strategy_is_plain_tensorflow():
    assert make_strategy(TrainingConfig()) is None


def test_one_replica_learns_what_plain_tensorflow_does(shop):
    """The step for replicas, in the suite's own process, which has one device."""
    options: dict[str, Any] = {
        "method": "gmf",
        "embedding_dim": 4,
        "num_epochs": 1,
        "ks": (5, 10),
        "l2_item": 0.01,
    }
    plain, replicated = (nt.fit(shop, strategy=one, **options) for one in ("none", "mirrored"))
    for one, two in zip(plain.model.get_weights(), replicated.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5 * np.abs(one).max())
    assert not isinstance(replicated.model.weights[0].value, tf.distribute.DistributedValues)


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    command = [
        sys.executable,
        str(Path(__file__).with_name("two_devices.py")),
        tmp_path_factory.mktemp("runs"),
    ]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_devices_have_the_loss_and_the_gradients_of_one(two_devices):
    for name, found in two_devices["steps"].items():
        assert found["loss"] <= 1e-6, name
        # Towers: as much as plain TensorFlow differs from itself where it sums in another order.
        assert found["gradients"] <= max(1e-6, found.get("another order", 0)), name
        assert not found["nothing"], name


@pytest.mark.slow
def test_two_devices_have_the_logits_of_one_after_an_epoch(two_devices):
    for name, found in two_devices["epochs"].items():
        assert found["logits"] <= 1e-4, name


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_cut_on_as_many_devices_or_another_number(two_devices):
    found = two_devices["resumed"]
    assert found == {**found, "replicas": 2, "same on two": True, "reopened": True, "recommends": 3}
    assert found["on one"] <= 1e-4


@pytest.mark.slow
def test_two_devices_refuse_in_one_line(two_devices):
    devices, size = two_devices["refused"]
    assert devices.startswith(
        "`num_replicas` should be at most the number of devices that TensorFlow uses here, 2"
    )
    assert size.startswith("`batch_size` should be at least the number of replicas, 2,")
