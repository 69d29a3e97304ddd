"""Whatever a file or a flag holds, the answer is a result or one line: no traceback, no half of a file."""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from conftest import make_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paper.made_up import result_of
from runs.grown_shop import NEW, saved_run

from fuzz.mutations import changed, text_files
from nmtr_tf.cli import (
    audit,
    compare,
    evaluate,
    export,
    figures,
    prepare,
    recommend,
    report,
    tables,
    train,
    tune,
)
from nmtr_tf.config import EvaluationConfig, ModelConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.logs.formats import FORMATS
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.preparation import prepare as prepare_log
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.models.saved import load_model
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.measured_parts import audits_part, evaluations_part
from nmtr_tf.paper.search_tables import budgets_table
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.serving.id_files import read_ids
from nmtr_tf.serving.new_histories import read_histories
from nmtr_tf.serving.titles import item_titles
from nmtr_tf.tuning.choice import parse
from nmtr_tf.tuning.kept import kept_trials

DATASET = make_dataset({"view": [[1, 1, 0], [0, 1, 1]], "buy": [[1, 0, 0], [0, 1, 0]]}, test=[(0, 1), (1, 2)])
QUICK, THOROUGH = 1, 20
"""How many times the number of cases that a target has; together 611 and 12,220."""


def found_by_hand() -> Evaluation:
    """An evaluation without a model."""
    users, items, one = np.array([0, 1]), np.array([1, 2]), np.ones(2, np.int64)
    ranks = Ranks(users, items, np.array([0, 2]), one, 3 * one, 3)
    config = EvaluationConfig(ks=(1, 2), metrics=("HR", "NDCG"), groups=(2,), mask="none")
    return Evaluation.of(DATASET, DATASET.training_view((), "strict", "none"), "test", ranks, config, {})


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A folder with one whole file of every kind."""
    folder = tmp_path_factory.mktemp("sound")
    NEW.save(folder / "data")
    saved_run(folder / "run", NEW.training_view(), ModelConfig("nmtr_gmf", embedding_dim=4))
    RunDirectory(folder / "run").add_epoch({"epoch": 1, "train/loss": 0.5, "seconds": 0.1})
    found_by_hand().save(folder / "evaluated")
    result_of("gmf").save(folder / "cell.json")
    results = Path(__file__).parents[2] / "docs" / "results" / "taobao"
    (folder / "results" / "shop").mkdir(parents=True)
    shutil.copy(results / "audit.json", folder / "results" / "shop")
    shutil.copytree(results / "strict" / "rules", folder / "results" / "rules")
    search = folder / "results" / "search" / "bpr"
    search.mkdir(parents=True)
    (search / "trials.csv").write_text(TRIALS)
    (search / "search.json").write_text(json.dumps({"schema": 2, "about": {}, "drawn": {"1": {"beta": 0.5}}}))
    return folder


TRIALS = """\
trial,status,value,best_epoch,epochs,seconds,seed,beta,HR@5,curve
1,finished,0.5,1,2,0.1,0,0.5,0.5,0.4 0.5
"""
SPACE = dict([parse("beta=0..1")])

READERS: dict[str, tuple[str, bool, int, Callable[[Path], object]]] = {
    "config.json": ("run/config.json", True, 50, lambda folder: RunDirectory(folder / "run").read_config()),
    "run.json": ("run/run.json", True, 50, lambda folder: RunDirectory(folder / "run").read_info()),
    "metrics.jsonl": (
        "run/metrics.jsonl",
        True,
        20,
        lambda folder: RunDirectory(folder / "run").read_history(),
    ),
    "users.parquet": ("run/users.parquet", False, 20, lambda folder: RunDirectory(folder / "run").read_ids()),
    "checkpoint": (
        "run/checkpoints/last.keras",
        False,
        15,
        lambda f: load_model(f / "run/checkpoints/last.keras"),
    ),
    "dataset.json": ("data/dataset.json", True, 50, lambda folder: load(folder / "data")),
    "interactions.parquet": ("data/interactions.parquet", False, 25, lambda folder: load(folder / "data")),
    "items.parquet": ("data/items.parquet", False, 15, lambda folder: load(folder / "data")),
    "metrics_test.json": (
        "evaluated/metrics_test.json",
        True,
        40,
        lambda f: Evaluation.load(f / "evaluated", "test").table(),
    ),
    "ranks_test.parquet": (
        "evaluated/ranks_test.parquet",
        False,
        20,
        lambda f: Evaluation.load(f / "evaluated", "test"),
    ),
    "cell.json": (
        "cell.json",
        True,
        30,
        lambda folder: CellResult.load(folder / "cell.json").metrics("peak"),
    ),
    "audit.json": ("results/shop/audit.json", True, 30, lambda folder: audits_part(folder / "results")),
    "evaluations": (
        "results/rules/popularity/metrics_test.json",
        True,
        20,
        lambda folder: evaluations_part(folder / "results", "rules"),
    ),
    "trials.csv": (
        "results/search/bpr/trials.csv",
        False,
        25,
        lambda f: budgets_table(f / "results", "shop"),
    ),
    "kept trials": (
        "results/search/bpr/trials.csv",
        False,
        25,
        lambda f: kept_trials(f / "results/search/bpr", SPACE, {}),
    ),
    "search.json": (
        "results/search/bpr/search.json",
        True,
        25,
        lambda f: kept_trials(f / "results/search/bpr", SPACE, {}),
    ),
}


def load(directory: Path) -> None:
    """Loads a data set and looks at all of it."""
    dataset = Dataset.load(directory)
    assert dataset.training_view().num_users
    assert dataset.header["fingerprint"]


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Whatever is wrong in the block is said in one line; anything else is a defect."""
    try:
        yield
    except (InputError, OSError) as error:
        is_long = "\n" in str(error).rstrip() or len(str(error)) > 2000
        if is_long or not (isinstance(error, InputError) or error.errno):
            raise AssertionError(str(error)) from error


def run_cases(test: Callable[..., None], cases: int, **drawn: st.SearchStrategy[Any]) -> None:
    """Runs a test on drawn input, the same each time."""
    checks = list(HealthCheck)
    settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=checks,
    )(given(**drawn)(test))()


SIZES = [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)]


@pytest.mark.parametrize("times", SIZES)
@pytest.mark.parametrize("name", READERS)
def test_files_that_are_read_back(sound, name, times):
    file, is_json, cases, read = READERS[name]
    path = sound / file
    whole = path.read_bytes()

    def test(content: bytes) -> None:
        path.write_bytes(content)
        with one_line():
            read(sound)

    try:
        read(sound)
        run_cases(test, cases * times, content=changed(whole, is_json))
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("times", SIZES)
def test_logs(tmp_path, times):
    """What can be read is prepared, written and read back; of what cannot be, nothing is written."""

    def test(content: bytes, name: str, suffix: str, skip: bool) -> None:
        path, out = tmp_path / f"log{suffix}", tmp_path / "data"
        path.write_bytes(content)
        written = False
        with one_line():
            heldout = path if FORMATS.find(name).split else None
            source = {"view": path, "buy": path} if FORMATS.find(name).adjacency else path
            events = read_log(
                source,
                behaviors=("view", "buy"),
                format=name,
                heldout=heldout,
                on_bad_rows="skip" if skip else "error",
            )
            prepare_log(events).save(out)
            written = True
        assert written == (out / "dataset.json").exists() == out.exists()
        assert not [one for one in os.listdir(tmp_path) if one.startswith(".")]
        if written:
            Dataset.load(out)
            shutil.rmtree(out)

    suffixes = st.sampled_from([".csv", ".txt", ".tsv", ".json", ".jsonl", ".parquet", ".csv.gz"])
    run_cases(
        test,
        25 * times,
        content=text_files(),
        name=st.sampled_from(list(FORMATS)),
        suffix=suffixes,
        skip=st.booleans(),
    )


@pytest.mark.parametrize("times", SIZES)
@pytest.mark.parametrize(
    "read",
    [
        lambda path: item_titles(NEW, path),
        lambda path: read_histories(NEW, NEW.behaviors, path),
        read_ids,
        lambda path: read_log(path, behaviors=("view", "buy")),
    ],
    ids=["titles", "histories", "ids", "description"],
)
def test_files_of_users(tmp_path, read, times, request):
    path = tmp_path / ("log.toml" if "description" in request.node.name else "x.csv")

    def test(content: bytes) -> None:
        path.write_bytes(content)
        with one_line():
            read(path)

    run_cases(test, 15 * times, content=text_files())


COMMANDS = (audit, compare, evaluate, export, figures, prepare, recommend, report, tables, train, tune)
BASE = {
    prepare: ["--source=log", "--input=nowhere.csv", "--dataset_dir=out"],
    train: ["--dataset_dir=nowhere", "--workdir=out"],
    compare: ["nowhere", "elsewhere"],
}


@st.composite
def flags_of(draw, command) -> list[str]:
    """Some flags of a command with values that may be none."""
    names = [
        name for name in command.FLAGS if name not in ("plugins", "help", "h", "quiet", "flagfile", "undefok")
    ]
    values = st.sampled_from(
        ["", "0", "-1", "1", "1/0", "nan", "1e999", "99999999999", "a,b", "true", "buy", "\x00", "é\n"]
    )
    return [
        f"--{draw(st.sampled_from(names))}={draw(values | st.text(max_size=5))}"
        for _ in range(draw(st.integers(0, 4)))
    ]


@pytest.mark.parametrize("times", SIZES)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.__name__.rpartition(".")[2])
def test_flags(tmp_path, monkeypatch, command, times):
    monkeypatch.chdir(tmp_path)

    def test(flags: list[str]) -> None:
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            status = command.main(["command", *BASE.get(command, ["--workdir=nowhere"]), *flags])
        assert status == 2, (flags, out.getvalue())
        assert errors.getvalue().startswith("error: ")
        assert errors.getvalue().count("\n") == 1
        assert not os.listdir(tmp_path)

    run_cases(test, 6 * times, flags=flags_of(command))
