"""Results of cells: files that come back as they were, and files that are none."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.paper.cell_results import CellResult, peak_metrics
from nmtr_tf.paper.finished_cells import FinishedCells
from paper.made_up import places_of, result_of


def same(one: CellResult, other: CellResult) -> None:
    ours, theirs = ({**vars(result)} for result in (one, other))
    ranks, others = ours.pop("places"), theirs.pop("places")
    for name in ("users", "ranks", "tied"):
        assert np.array_equal(getattr(ranks, name), getattr(others, name))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert list(value) == list(theirs[name]) if name == "history" else value == theirs[name], name


def test_a_result_comes_back(tmp_path):
    result = result_of("nmtr_gmf-cart_0.5-buy", seed=3, given=("num_epochs=20",))
    result = dataclasses.replace(result, places=places_of(result.places.ranks.clip(0, 100)))
    result.save(tmp_path / "cell.json")
    same(CellResult.load(tmp_path / "cell.json"), result)
    lines = (tmp_path / "cell.json").read_text().splitlines()
    assert lines[:2] == ["{", '"schema": 3,']
    assert len(lines) == len(dataclasses.fields(CellResult)) + 2  # braces, the schema; no `options`


def test_of_a_baseline_only_what_determines_it_is_written(tmp_path):
    own: dict[str, Any] = {
        "num_parameters": 0,
        "peak_memory_mib": 0,
        "device": "",
        "best_epoch": None,
        "curve_users": 0,
        "peak": {},
        "heads": {},
        "versions": {},
        "options": {"ease_lambda": 3.0, "knn_neighbors": 20},
    }
    config = RunConfig().with_options(ks=(5, 10), monitor="NDCG@10", num_epochs=7)
    result = result_of("baseline_ease", config=config, history=[], **own)
    result.save(tmp_path / "cell.json")
    entries = json.loads((tmp_path / "cell.json").read_text())
    assert list(entries["config"]) == ["data", "evaluation"]
    assert not {"num_parameters", "best_epoch", "peak", "heads", "history", "versions"} & entries.keys()
    found = CellResult.load(tmp_path / "cell.json")
    assert (found.config.data, found.config.evaluation) == (config.data, config.evaluation)
    assert (found.epochs, found.best_epoch, found.heads) == (0, None, {})
    assert found.options == own["options"]


def test_ranks_are_kept_up_to_the_largest_k(tmp_path):
    result = result_of("gmf", 200)
    result.save(tmp_path / "cell.json")
    assert CellResult.load(tmp_path / "cell.json").places.ranks.max() == 100
    ranks = CellResult.load(tmp_path / "cell.json").places.ranks
    assert ranks.tolist() == np.minimum(result.places.ranks, 100).tolist()


def test_metrics_and_users_by_selection():
    result = result_of("gmf", curve_users=100)
    assert (result.metrics("validation"), result.metrics("peak")) == (result.test, result.peak)
    assert (result.num_users("validation"), result.num_users("peak")) == (400, 100)
    assert result.epochs == 2


def test_peaks_are_by_metric():
    history = [{"test/HR@5": 0.1, "test/NDCG@5": 0.3, "validation/HR@5": 0.9}, {}, {"test/HR@5": 0.2}]
    assert peak_metrics(history) == {"HR@5": 0.2, "NDCG@5": 0.3}


def test_options_that_a_file_does_not_know_have_their_default(tmp_path):
    result_of("gmf").save(tmp_path / "cell.json")
    entries = json.loads((tmp_path / "cell.json").read_text())
    del entries["config"]["model"]["dropout"], entries["config"]["evaluation"]["metrics"]
    (tmp_path / "cell.json").write_text(json.dumps(entries))
    assert CellResult.load(tmp_path / "cell.json").config == result_of("gmf").config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 1}, "written by another version of nmtr_tf; name another `results_dir`"),
        ({"schema": 2}, "written by another version of nmtr_tf"),  # it would have ranks
        ({"schema": None}, "written by another version of nmtr_tf"),
        ({"test": None}, "the entry 'test' is missing; expected"),
        ({"flavour": "sweet"}, "the entry 'flavour' is unknown; expected"),
        ({"name": None}, "expected the result of a cell"),
    ],
)
def test_a_file_of_another_kind(tmp_path, changes, message):
    result_of("gmf").save(tmp_path / "cell.json")
    entries = {**json.loads((tmp_path / "cell.json").read_text()), **changes}
    kept = {name: value for name, value in entries.items() if value is not None}
    (tmp_path / "cell.json").write_text(json.dumps(kept))
    with pytest.raises(InputError) as error:
        CellResult.load(tmp_path / "cell.json")
    assert message in str(error.value)
    assert str(tmp_path / "cell.json") in str(error.value)


@pytest.mark.parametrize(("content", "message"), [("[", "expected JSON"), ("[]", "the result of a cell")])
def test_a_file_that_is_no_result(tmp_path, content, message):
    (tmp_path / "cell.json").write_text(content)
    with pytest.raises(InputError, match=message):
        CellResult.load(tmp_path / "cell.json")


def test_all_results_of_a_folder(tmp_path):
    places = {"beibei/strict": ["gmf", "mlp"], "beibei/released": ["gmf"], "taobao/strict": ["bpr"]}
    for place, names in places.items():
        dataset, protocol = place.split("/")
        for name in names:
            result_of(name, dataset=dataset, protocol=protocol).save(tmp_path / place / f"{name}.json")
    found = FinishedCells.load_all(tmp_path)
    assert [(one.dataset, one.question.folder, list(one.results)) for one in found] == [
        ("beibei", "released", ["gmf"]),
        ("beibei", "strict", ["gmf", "mlp"]),
        ("taobao", "strict", ["bpr"]),
    ]
    assert found[1].behaviors == ("cart", "buy")
    assert found[1].metrics == ["HR@50", "NDCG@50", "HR@100", "NDCG@100"]
    with pytest.raises(InputError, match=r"expected results of cells, \*\.json. Found none."):
        FinishedCells.load(tmp_path / "beibei")


def test_the_results_of_this_project_load():
    """docs/results holds all that RESULTS.md shows."""
    folder = Path(__file__).parents[2] / "docs" / "results"
    found = FinishedCells.load_all(folder)
    assert [(one.dataset, one.question.folder, len(one.results)) for one in found] == [
        ("beibei", "released", 21),
        ("beibei", "strict", 43),
        ("beibei", "strict-mask_target", 30),
        ("taobao", "released", 21),
        ("taobao", "strict", 51),
        ("taobao", "strict-mask_target", 120),
    ]
    for one in found:
        for name, result in one.results.items():
            assert (result.name, result.dataset, result.question) == (name, one.dataset, one.question)
            assert result.places.num_users == result.num_test_users
            assert result.config.evaluation.metric_names == list(result.test)
            assert bool(result.history) == (not name.startswith("baseline_"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"places": {"ranks": "no base64!"}}, "damaged"),
        ({"places": {"ranks": "AAAA"}}, "damaged"),
        ({"places": {}}, "damaged"),
        ({"places": [1]}, "damaged"),
        ({"history": {"epoch": [1, 2], "train/loss": [1]}}, "damaged"),
        ({"history": [1]}, "the entry 'history' should be an object of names and values"),
        ({"config": [1]}, "the entry 'config' should be an object"),
        ({"config": {"training": {"num_epochs": "six"}}}, "'num_epochs' should be a whole number"),
        ({"protocol": "banana"}, "the entry 'protocol' should be one of 'released', 'strict', 'time'"),
        ({"seconds": "long"}, "the entry 'seconds' should be a finite number. Received: 'long'"),
        ({"groups": {"5": {"HR@5": "much"}}}, "the entry 'groups.5.HR@5' should be a finite number"),
        ({"behaviors": "buy"}, "the entry 'behaviors' should be a list, each a text. Received: 'buy'"),
    ],
)
def test_a_damaged_or_edited_file(tmp_path, changes, message):
    path = tmp_path / "cell.json"
    result_of("gmf").save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(InputError) as error:
        CellResult.load(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
