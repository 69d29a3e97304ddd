"""Fixtures that several test modules use."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from experiments import prepare as prepare_command
from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.leakage import matrix_of
from nmtr_tf.data.preparation import PrepareOptions, prepare
from nmtr_tf.data.synthetic import synthetic_shop

BEHAVIORS = ("view", "cart", "buy")


@pytest.fixture(scope="session")
def shop() -> Interactions:
    """A prepared synthetic shop of 80 users and 40 items, protocol strict."""
    prepared = prepare(synthetic_shop(80, 40, seed=3), PrepareOptions(min_behaviors=2))
    return Interactions.from_events(prepared.events, prepared.split, "strict")


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


def make_interactions(
    matrices: Mapping[str, npt.ArrayLike], **held_out: list[tuple[int, int]]
) -> Interactions:
    """Interactions from dense 0/1 matrices [num_users][num_items] and (user, item) pairs per split."""
    dense = {name: np.array(rows) for name, rows in matrices.items()}
    num_users, num_items = next(iter(dense.values())).shape
    pairs = {
        split: np.array(held_out.get(split, []), np.int32).reshape(-1, 2) for split in ("validation", "test")
    }
    return Interactions(
        user_ids=np.arange(100, 100 + num_users),
        item_ids=np.arange(num_items),
        matrices={
            name: matrix_of(np.flatnonzero(rows.ravel()), (num_users, num_items))
            for name, rows in dense.items()
        },
        held_out=pairs,
        protocol="released",
        fingerprint="made by hand",
    )


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
