"""Models and runs that the tests of this folder share."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from conftest import call

from nmtr_tf.cli import prepare as prepare_command
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.runs.checks import set_up
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo, now, versions
from serving.exports import GMF, NEUMF, Exported, random_model, with_number_ids

ODD_IDS = ['a,"b"', "007", "ü/ \u2028x", "tab\tid", "back\\slash", "NA"]


def read(path: Path) -> pd.DataFrame:
    """A table from a file, with its text as it is."""
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False, dtype={"user": str, "item": str})
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path, lines=True, dtype=False)


@pytest.fixture(scope="session")
def neumf(shop, tmp_path_factory) -> Exported:
    """The export of a model whose item parts are computed once."""
    return Exported(tmp_path_factory.mktemp("neumf"), NEUMF, shop.training_view())


@pytest.fixture(scope="session")
def gmf(shop, tmp_path_factory) -> Exported:
    """The export of a model of inner products; ids are whole numbers."""
    return Exported(tmp_path_factory.mktemp("gmf"), GMF, with_number_ids(shop.training_view()))


@pytest.fixture(params=["neumf", "gmf"])
def exported(request) -> Exported:
    """Both exports."""
    return request.getfixturevalue(request.param)


def prepared_run(folder: Path, *source: str) -> Path:
    """The directory of a run on a log; its data set is beside it."""
    assert call(prepare_command, *source, f"--dataset_dir={folder}/data", "--quiet") == 0
    return stored_run(Dataset.load(folder / "data"), folder / "run")


def stored_run(dataset: Dataset, workdir: Path, method: str = "nmtr_gmf") -> Path:
    """The directory of a run that was given its weights, as training would take longer than all tests."""
    options = {
        "method": method,
        "embedding_dim": 8,
        "ks": (5, 10),
        "monitor": "NDCG@10",
        "mask": "target",
    }
    setup = set_up(RunConfig().with_options(**options), dataset)
    view = setup.view
    info = RunInfo(
        method=method,
        behaviors=view.behaviors,
        protocol=view.protocol,
        dataset_fingerprint=view.fingerprint,
        num_users=view.num_users,
        num_items=view.num_items,
        seed=0,
        versions=versions(),
        started=now(),
        status="finished",
        best_epoch=4,
    )
    directory = RunDirectory(workdir)
    directory.create(setup.config, view, info)
    random_model(setup.config.model, view).save(directory.best_checkpoint)
    return workdir


def some_items(users, items, count):
    """User -> so many of the items, other ones for each."""
    return {user: [items[(i + j) % len(items)] for j in range(count)] for i, user in enumerate(users)}


@pytest.fixture(scope="session")
def text_run(tmp_path_factory) -> Path:
    """Ids of text; everybody has viewed all of 7 items and bought 3."""
    folder, items = tmp_path_factory.mktemp("text"), [f"é,{n}" for n in range(7)]
    rows = [(user, item, "view") for user in ODD_IDS for item in items]
    rows += [(user, item, "buy") for user, bought in some_items(ODD_IDS, items, 3).items() for item in bought]
    with (folder / "log.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("user", "item", "behavior"), *rows])
    return prepared_run(folder, "--source=log", f"--input={folder}/log.csv", "--behaviors=view,buy")


@pytest.fixture(scope="session")
def number_run(tmp_path_factory) -> Path:
    """Ids that are whole numbers; everybody has viewed 5 of 7 items and bought 3 of them."""
    folder, users, items = tmp_path_factory.mktemp("numbers"), [9, 10, 2**60], range(100, 107)
    bought = some_items(users, items, 3)
    files = {
        "view": some_items(users, items, 5),
        "buy": {user: some[:2] for user, some in bought.items()},
        "heldout": {user: some[2:] for user, some in bought.items()},
    }
    for name, rows in files.items():
        lines = [" ".join(map(str, (user, *some))) for user, some in rows.items()]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    inputs = f"--input=view:{folder}/view.txt,buy:{folder}/buy.txt"
    return prepared_run(folder, "--source=adjacency", inputs, f"--heldout={folder}/heldout.txt")


@pytest.fixture(scope="session")
def shop_run(shop_dir, tmp_path_factory) -> Path:
    """The directory of a run on the shop of 60 users and 40 items; its data set is elsewhere."""
    return stored_run(Dataset.load(shop_dir), tmp_path_factory.mktemp("shop") / "run")
