"""The run that the tests of commands share."""

import shutil
from pathlib import Path

import pytest
from conftest import call

from nmtr_tf.cli import evaluate, train

TINY = ["--embedding_dim=8", "--num_layers=1", "--num_epochs=2", "--ks=5,10", "--monitor=NDCG@10"]


@pytest.fixture(scope="session")
def trained_dir(shop_dir, tmp_path_factory) -> Path:
    """A run of two epochs on the shop, evaluated on test; to be read only."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={directory}", "--method=nmtr_gmf", *TINY]
    assert call(train, "--quiet", *flags) == 0
    assert call(evaluate, f"--workdir={directory}", "--quiet") == 0
    return directory


@pytest.fixture
def workdir(trained_dir, tmp_path) -> Path:
    """A copy of the run, to write into."""
    return shutil.copytree(trained_dir, tmp_path / "run")
