"""The runs that the tests of this folder share, as each takes a second or more to train."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import keras
import pytest

from nmtr_tf.runs import Run, fit
from nmtr_tf.training.trainer import Trained
from runs.grown_shop import NEUMF, NEW, OLD, saved_run

SMALL: dict[str, Any] = {
    "embedding_dim": 8,
    "num_epochs": 2,
    "learning_rate": 0.05,
    "batch_size": 256,
    "steps_per_call": 1,
}
MEASURED: dict[str, Any] = {"ks": (5, 10), "monitor": "NDCG@10", "mask": "target"}
QUICK: dict[str, Any] = {"method": "bpr", "embedding_dim": 4, "num_epochs": 1, "batch_size": 1024, **MEASURED}
"""The cheapest training: one behavior, one epoch of one or two steps."""


@pytest.fixture(scope="session")
def in_memory(shop) -> Run:
    """A run without a directory, evaluated on test; to be read only."""
    run = fit(shop, method="nmtr_gmf", curve_split="test", **SMALL, **MEASURED)
    run.evaluate("test")
    return run


@pytest.fixture(scope="session")
def stored(shop, tmp_path_factory) -> Run:
    """The same run with a directory, evaluated on test; to be read only."""
    workdir: Path = tmp_path_factory.mktemp("runs") / "run"
    run = fit(shop, method="nmtr_gmf", curve_split="test", workdir=workdir, **SMALL, **MEASURED)
    run.evaluate("test")
    return run


@pytest.fixture
def workdir(stored, tmp_path) -> Path:
    """A copy of the stored run's directory, to write into."""
    return shutil.copytree(stored.workdir, tmp_path / "run")


@pytest.fixture
def untrained(monkeypatch):
    """Replaces the training by an epoch that changes no weight, for tests of what is around it."""

    def train(model, plan, view, config, callbacks=(), checkpoint=None, checkpoints=None):
        hooks = keras.callbacks.CallbackList(list(callbacks), model=model)
        logs = {"train/loss": 1.0, f"validation/{config.training.monitor}": 0.5}
        hooks.set_params({"epochs": 1, "steps": 1})
        hooks.on_train_begin()
        hooks.on_epoch_begin(0)
        hooks.on_epoch_end(0, logs)
        if checkpoint:
            model.save(checkpoint)
        hooks.on_train_end()
        return Trained([{"epoch": 1, **logs}], 1, 0.5, {"validation": 13}, (1,))

    monkeypatch.setattr("nmtr_tf.runs.fitting.train", train)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Data sets `before` and `after`, and the runs `gmf` and `neumf` on `before`."""
    folder: Path = tmp_path_factory.mktemp("warm")
    before = OLD.save(folder / "before")
    NEW.save(folder / "after")
    saved_run(folder / "gmf", before.training_view(), dataclasses.replace(NEUMF, method="nmtr_gmf"))
    saved_run(folder / "neumf", before.training_view(), NEUMF)
    return folder
