"""Fixtures that several test modules use."""

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from nmtr_tf.cli import prepare as prepare_command
from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import SPLITS, Events
from nmtr_tf.data.ids import as_text
from nmtr_tf.data.pairs import matrix_of
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.data.view import TrainingView

BEHAVIORS = ("view", "cart", "buy")
LEAST_SQUARES: dict[str, Any] = {"learner": "als", "l2_user": 0.1, "l2_item": 0.1}
LEAST_SQUARES |= {"learning_rate": 0.01, "loss_reduction": "sum"}
"""A run by least squares, which takes no options of steps but the defaults."""


def pytest_collection_finish() -> None:
    """Keeps the collector from going through TensorFlow's half a million objects again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shop() -> Dataset:
    """A prepared synthetic shop of 80 users and 40 items, protocol strict."""
    return prepare(synthetic_shop(80, 40, seed=3), min_behaviors=2)


@pytest.fixture
def small_config() -> RunConfig:
    """A run that takes about a second on the shop."""
    return RunConfig(
        model=ModelConfig(method="nmtr_neumf", embedding_dim=8, num_layers=2),
        training=TrainingConfig(
            num_epochs=2, batch_size=256, steps_per_call=4, learning_rate=0.05, monitor="NDCG@10"
        ),
        evaluation=EvaluationConfig(ks=(5, 10)),
    )


def make_view(
    matrices: Mapping[str, npt.ArrayLike],
    days: Mapping[str, npt.ArrayLike] | None = None,
    **held_out: list[tuple[int, int]],
) -> TrainingView:
    """A training view from dense 0/1 matrices [num_users][num_items] and (user, item) pairs per split.

    `days` are the times of what was done, for each behavior [num_users][num_items]; None: there are none.
    """
    dense = {name: np.array(rows) for name, rows in matrices.items()}
    num_users, num_items = next(iter(dense.values())).shape
    binary = {
        name: matrix_of(np.flatnonzero(rows.ravel()), (num_users, num_items)) for name, rows in dense.items()
    }
    return TrainingView(
        user_ids=as_text(np.arange(100, 100 + num_users)),
        item_ids=as_text(np.arange(num_items)),
        matrices=binary,
        every=binary,
        held_out={split: _pairs(held_out.get(split, [])) for split in SPLITS[1:]},
        protocol="released",
        fingerprint="made by hand",
        log=None if days is None else _timed_log(dense, days),
    )


def _timed_log(dense: Mapping[str, np.ndarray], days: Mapping[str, npt.ArrayLike]) -> Events:
    """The events of dense matrices at times in days, each [num_users][num_items]."""
    shape = num_users, num_items = next(iter(dense.values())).shape
    user, item, behavior = np.stack(list(dense.values()), axis=-1).nonzero()
    times = np.stack([np.broadcast_to(np.asarray(days[name], float), shape) for name in dense], axis=-1)
    return Events(
        users=np.arange(100, 100 + num_users),
        items=np.arange(num_items),
        behaviors=tuple(dense),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        behavior=behavior.astype(np.int8),
        timestamp=np.round(times[user, item, behavior] * 86_400_000).astype(np.int64),
    )


def make_dataset(matrices: Mapping[str, npt.ArrayLike], **held_out: list[tuple[int, int]]) -> Dataset:
    """A data set, protocol released, from what `make_view` takes; its held-out pairs are no training rows."""
    dense = {name: np.array(rows) for name, rows in matrices.items()}
    num_users, num_items = next(iter(dense.values())).shape
    parts = [
        (user, item, code, 0)
        for code, rows in enumerate(dense.values())
        for user, item in zip(*np.nonzero(rows), strict=True)
    ]
    target = len(dense) - 1
    parts += [
        (user, item, target, SPLITS.index(split)) for split, pairs in held_out.items() for user, item in pairs
    ]
    user, item, behavior, split = np.array(sorted(parts), np.int32).reshape(-1, 4).T
    events = Events(
        users=np.arange(100, 100 + num_users),
        items=np.arange(num_items),
        behaviors=tuple(dense),
        user=user,
        item=item,
        behavior=behavior.astype(np.int8),
    )
    return Dataset(events, split.astype(np.int8), "released")


def _pairs(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array(pairs, np.int32).reshape(-1, 2)


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of the public data sets, named by NMTR_DATASETS."""
    folder = Path(os.environ.get("NMTR_DATASETS", "data"))
    if not (folder / "beibei").is_dir():
        pytest.skip("the public data sets are not here; see data/README.md and set NMTR_DATASETS")
    return folder


def call(command, *flags) -> int:
    return command.main([command.__name__, *map(str, flags)])


def refused(capsys, command, *flags) -> str:
    """The one line that a command prints about bad input."""
    capsys.readouterr()
    assert call(command, *flags) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.fixture(scope="session")
def shop_dir(tmp_path_factory) -> Path:
    """A prepared synthetic shop of 60 users and 40 items, with times."""
    directory = tmp_path_factory.mktemp("data") / "shop"
    shop = ["--source=synthetic", "--synthetic_users=60", "--synthetic_items=40"]
    assert call(prepare_command, *shop, f"--dataset_dir={directory}", "--quiet") == 0
    return directory


@pytest.fixture(scope="session")
def leaky_dir(tmp_path_factory) -> Path:
    """A data set that came split, of two users and no times: one test pair is still in the carts."""
    directory = tmp_path_factory.mktemp("data")
    (directory / "cart.txt").write_text("0 1 2 3\n1 0 2\n")
    (directory / "train.txt").write_text("0 1 2\n1 0 2\n")
    (directory / "test.txt").write_text("0 3\n1 3\n")
    files = [f"--input=cart:{directory}/cart.txt,buy:{directory}/train.txt"]
    files += [f"--heldout={directory}/test.txt", f"--dataset_dir={directory}/data", "--quiet"]
    assert call(prepare_command, "--source=adjacency", *files) == 0
    return directory / "data"
