"""Fixtures that several test modules use."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

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
