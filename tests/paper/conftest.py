"""What the tests of the paper's room share: a study of the shop, a cell that was trained, a pretended fit."""

import pytest
from conftest import call

from nmtr_tf.cli import prepare
from nmtr_tf.cli.paper_flags import open_study, study_flags
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.cell_runs import run_cell
from nmtr_tf.paper.cells import make_cell
from nmtr_tf.paper.study import Study
from paper.made_up import Pretence, install

TINY = ["--embedding_dim=4", "--num_layers=1", "--num_epochs=2", "--ks=5,10", "--monitor=NDCG@10"]
TINY += ["--flags_dir=none"]


def study_of(dataset_dir, workdir, *given: str) -> Study:
    """The study that a command would open."""
    values = study_flags()
    values(["study", f"--dataset_dir={dataset_dir}", f"--workdir={workdir}", *TINY, "--quiet", *given])
    return open_study(values)


@pytest.fixture
def study(shop_dir, tmp_path) -> Study:
    """A study of the shop; its workdir is empty."""
    return study_of(shop_dir, tmp_path)


@pytest.fixture(scope="package")
def trained(shop_dir, tmp_path_factory) -> tuple[Study, CellResult]:
    """A cell with a share of the carts, really trained; to be read only."""
    study = study_of(shop_dir, tmp_path_factory.mktemp("cells"), "--keep=cart:0.5")
    return study, run_cell(study, make_cell(study, study.variant("nmtr_gmf")))


@pytest.fixture
def pretence(monkeypatch) -> Pretence:
    """Nothing is trained or ranked."""
    return install(monkeypatch)


@pytest.fixture(scope="package")
def other_dir(tmp_path_factory):
    """Another data set with the name of the shop."""
    directory = tmp_path_factory.mktemp("other") / "shop"
    flags = ["--source=synthetic", "--synthetic_users=50", "--synthetic_items=40", "--quiet"]
    assert call(prepare, *flags, f"--dataset_dir={directory}") == 0
    return directory


@pytest.fixture(scope="package")
def shop_data(shop_dir) -> Dataset:
    """The shop, loaded."""
    return Dataset.load(shop_dir)
