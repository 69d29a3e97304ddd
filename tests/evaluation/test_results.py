"""What an evaluation leaves behind, and what is refused when it is read back."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import make_dataset

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import METRICS, register_metric
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.evaluation.results import Evaluation, Fact

DATASET = make_dataset(
    {"view": [[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]], "buy": [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]},
    test=[(0, 1), (1, 2), (2, 3)],
)
CONFIG = EvaluationConfig(ks=(2, 1), metrics=("HR", "coverage"), groups=(2,), mask="none")
RANKS = Ranks(
    users=np.array([0, 1, 2], np.int32),
    items=np.array([1, 2, 3], np.int32),
    ranks=np.array([0, 2, 1]),
    tied=np.array([1, 2, 1]),
    num_candidates=np.array([4, 4, 3], np.int32),
    num_items=4,
    top_items=np.array([[1, 0], [1, 3], [1, 3]], np.int32),
)
ABOUT: dict[str, Fact] = {"method": "nmtr_gmf", "best_epoch": 7, "ease_lambda": 0.5, "validation": None}


def evaluation(dataset: Dataset = DATASET, about=ABOUT) -> Evaluation:
    view = dataset.training_view((), "strict", "none")
    return Evaluation.of(dataset, view, "test", RANKS, CONFIG, about)


@pytest.fixture
def stored(tmp_path) -> Evaluation:
    return evaluation().save(tmp_path)


def test_metrics_and_groups_by_hand():
    found = evaluation()
    assert found.metrics == {"HR@2": 2 / 3, "coverage@2": 3 / 4, "HR@1": 1 / 3, "coverage@1": 1 / 4}
    # User 0 had viewed the item; user 1 had bought two items, the others one.
    assert found.groups == {
        "touched": {
            "num_pairs": 1,
            "num_users": 1,
            "HR@2": 1.0,
            "coverage@2": 2 / 4,
            "HR@1": 1.0,
            "coverage@1": 1 / 4,
        },
        "untouched": {
            "num_pairs": 2,
            "num_users": 2,
            "HR@2": 1 / 2,
            "coverage@2": 2 / 4,
            "HR@1": 0.0,
            "coverage@1": 1 / 4,
        },
        "<2 buy": {
            "num_pairs": 2,
            "num_users": 2,
            "HR@2": 1.0,
            "coverage@2": 3 / 4,
            "HR@1": 1 / 2,
            "coverage@1": 1 / 4,
        },
        ">=2 buy": {
            "num_pairs": 1,
            "num_users": 1,
            "HR@2": 0.0,
            "coverage@2": 2 / 4,
            "HR@1": 0.0,
            "coverage@1": 1 / 4,
        },
    }
    assert (found.split, found.protocol, found.mask) == ("test", "strict", "none")
    assert found.behaviors == ("view", "buy")
    assert found.dataset_fingerprint == DATASET.fingerprint
    assert found.users.tolist() == ["100", "101", "102"]
    assert found.items.tolist() == ["1", "2", "3"]
    assert (found.method, found.ks, found.user_metrics) == ("nmtr_gmf", [2, 1], ["HR@2", "HR@1"])


def test_tables():
    found = evaluation()
    table = found.table()
    assert table.index.tolist() == ["all", "touched", "untouched", "<2 buy", ">=2 buy"]
    assert table.columns.tolist() == ["users", "HR@2", "coverage@2", "HR@1", "coverage@1"]
    assert table["users"].tolist() == [3, 1, 2, 2, 1]
    assert table["users"].dtype == np.int64
    assert table.loc["untouched", "HR@2"] == 1 / 2
    expected = pd.DataFrame(
        {
            "user": ["100", "101", "102"],
            "item": ["1", "2", "3"],
            "rank": [0, 2, 1],
            "tied": [1, 2, 1],
            "num_candidates": np.array([4, 4, 3], np.int32),
        }
    )
    pd.testing.assert_frame_equal(found.ranks_table(), expected)


def test_values_of_users_at_any_k():
    assert evaluation().values("HR@2").tolist() == [1, 0, 1]
    assert evaluation().values("MRR@3").tolist() == pytest.approx([1, 1 / 3 / 2, 1 / 2])
    with pytest.raises(InputError, match="metric of all lists"):
        evaluation().values("coverage@2")


def assert_equal(one: Evaluation, other: Evaluation):
    for field in dataclasses.fields(Evaluation):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        elif field.name != "directory":
            assert ours == theirs


def test_it_comes_back_from_its_files(stored, tmp_path):
    assert stored.directory == tmp_path
    assert stored.where == str(tmp_path)
    assert evaluation().where == "nmtr_gmf"
    back = Evaluation.load(tmp_path, "test")
    assert back.directory == tmp_path
    assert_equal(back, stored)
    assert Evaluation.exists(tmp_path, "test")
    assert not Evaluation.exists(tmp_path, "validation")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics_test.json", "ranks_test.parquet"]


def test_text_ids_come_back(tmp_path):
    events = DATASET.events
    renamed = dataclasses.replace(
        events,
        users=np.array(["ann", "bob", "çem"], object),
        items=np.array(["a", "b", "c", "d"], object),
    )
    assert isinstance(renamed, Events)
    found = evaluation(Dataset(renamed, DATASET.split, "released"))
    found.save(tmp_path)
    assert_equal(Evaluation.load(tmp_path, "test"), found)
    assert found.ranks_table()["user"].tolist() == ["ann", "bob", "çem"]
    assert pd.read_parquet(tmp_path / "ranks_test.parquet")["item"].tolist() == ["b", "c", "d"]


NAMES = {  # ids of users, and the order in which an evaluation has them
    "numbers": (np.array([2, 10, 100]), ["2", "10", "100"]),
    "texts that are numbers": (np.array(["10", "100", "2"], object), ["2", "10", "100"]),
    "texts": (np.array(["0100", "10", "2"], object), ["0100", "10", "2"]),
}


@pytest.mark.parametrize("name", NAMES)
def test_ids_come_back_as_text_in_the_order_of_numbers_or_else_of_characters(tmp_path, name):
    users, expected = NAMES[name]
    renamed = Dataset(dataclasses.replace(DATASET.events, users=users), DATASET.split, "released")
    found = evaluation(renamed)
    assert found.users.tolist() == expected
    places = [users.astype(str).tolist().index(user) for user in expected]
    assert found.ranks.tolist() == RANKS.ranks[places].tolist()
    found.save(tmp_path)
    assert_equal(Evaluation.load(tmp_path, "test"), found)


def test_files_with_numbers_as_ids_are_read_as_text(stored, tmp_path):
    rewrite(tmp_path, user=[100, 101, 102], item=[1, 2, 3])
    back = Evaluation.load(tmp_path, "test")
    assert back.users.tolist() == stored.users.tolist() == ["100", "101", "102"]
    assert back.items.tolist() == stored.items.tolist()
    rewrite(tmp_path, item=[1.0, 2.0, 3.0])
    with pytest.raises(
        InputError, match=r"the column 'item' should be text or whole numbers\. Found: double"
    ):
        Evaluation.load(tmp_path, "test")


def test_the_metrics_file_is_plain_and_has_a_schema(stored, tmp_path):
    entries = json.loads((tmp_path / "metrics_test.json").read_text())
    assert list(entries) == [
        *[
            "schema",
            "split",
            "protocol",
            "mask",
            "behaviors",
            "dataset_fingerprint",
            "num_pairs",
            "num_users",
        ],
        *ABOUT,
        *stored.metrics,
        "groups",
    ]
    assert (entries["schema"], entries["num_pairs"], entries["best_epoch"]) == (3, 3, 7)
    table = pq.read_table(tmp_path / "ranks_test.parquet")
    assert table.schema.names == ["user", "item", "rank", "tied", "num_candidates"]
    assert table.schema.types == [pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int32()]


MISSING = object()


def change(directory, **changes):
    """Changes entries of the metrics file, or takes them out."""
    path = directory / "metrics_test.json"
    entries = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in entries.items() if value is not MISSING}))


@pytest.mark.parametrize("schema", [MISSING, 2])
def test_files_of_the_versions_before_are_to_be_made_again(stored, tmp_path, schema):
    change(tmp_path, schema=schema)
    with pytest.raises(InputError, match="another version of nmtr_tf; evaluate the run again"):
        Evaluation.load(tmp_path, "test")


def rewrite(directory, **columns):
    """Replaces columns of the table of ranks; None takes one out."""
    path = directory / "ranks_test.parquet"
    table = {**pq.read_table(path).to_pydict(), **columns}
    pq.write_table(pa.table({name: own for name, own in table.items() if own is not None}), path)


def test_rows_may_stand_in_any_order(stored, tmp_path):
    table = pq.read_table(tmp_path / "ranks_test.parquet")
    pq.write_table(table.take([2, 0, 1]), tmp_path / "ranks_test.parquet")
    assert_equal(Evaluation.load(tmp_path, "test"), stored)


def test_several_items_a_user(tmp_path):
    """User 0 has the first and the third place of four, user 1 the two places of a tie behind the best."""
    columns = [[0, 0, 1, 1], [1, 3, 0, 2], [0, 2, 1, 1], [1, 1, 2, 2], [4, 4, 3, 3]]
    users, items, places, tied, candidates = map(np.array, columns)
    ranks = Ranks(users, items, places, tied, candidates, 4)
    config = EvaluationConfig(ks=(2,), metrics=("HR", "Recall", "NDCG"), groups=())
    view = DATASET.training_view((), "strict", "none")
    found = Evaluation.of(DATASET, view, "test", ranks, config, ABOUT)
    assert (found.num_users, len(found.ranks)) == (2, 4)
    assert found.values("HR@2").tolist() == [1, 1 / 2 + 1 / 2]
    assert found.values("Recall@2").tolist() == [1 / 2, 1 / 2]
    assert found.metrics == {
        "HR@2": 1.0,
        "Recall@2": 1 / 2,
        "NDCG@2": pytest.approx((1 + 1 / np.log2(3)) / 2 / (1 + 1 / np.log2(3))),
    }
    assert found.table()["users"].iloc[0] == 2
    found.save(tmp_path)
    assert_equal(Evaluation.load(tmp_path, "test"), found)


def test_a_single_user_can_be_read(tmp_path):
    one = dataclasses.replace(DATASET, split=np.where(DATASET.events.user == 0, DATASET.split, 0))
    view = one.training_view((), "strict", "none")
    found = Evaluation.of(one, view, "test", RANKS.of(np.array([0])), CONFIG, ABOUT)
    found.save(tmp_path)
    assert_equal(Evaluation.load(tmp_path, "test"), found)


def test_a_metric_of_ones_own_needs_no_function_to_be_read_but_to_be_compared(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(METRICS, "_parts", dict(METRICS._parts))
        register_metric("third", lambda ranks, k: (ranks >= k) / 3)
        config = EvaluationConfig(ks=(2,), metrics=("third",))
        view = DATASET.training_view((), "strict", "none")
        Evaluation.of(DATASET, view, "test", RANKS, config, ABOUT).save(tmp_path)
        assert Evaluation.load(tmp_path, "test").user_metrics == ["third@2"]
    back = Evaluation.load(tmp_path, "test")
    assert back.metrics == {"third@2": pytest.approx(1 / 9)}
    assert back.table().loc["all", "third@2"] == pytest.approx(1 / 9)
    with pytest.raises(InputError, match=r"has to be registered first\)\. Received: 'third'"):
        _ = back.user_metrics


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 4}, "written by another version of nmtr_tf; evaluate the run again"),
        ({"split": "validation"}, "expected the split 'test'. Found: 'validation'"),
        ({"mask": MISSING}, "the entry 'mask' is missing; expected one of 'none', 'target', 'all'"),
        ({"protocol": 5}, "the entry 'protocol' should be one of 'released', 'strict', 'time'. Received: 5"),
        ({"HR@2": 0.9}, "not the ranks of metrics_test.json: HR@2 is 0.66"),
        ({"HR@2": "much"}, "the entry 'HR@2' should be a finite number. Received: 'much'"),
        (
            {"coverage@1": [1]},
            "the entry 'coverage@1' should be a text or a whole number or a finite number or",
        ),
        (dict.fromkeys(evaluation().metrics, MISSING), "expected metrics such as HR@50"),
        ({"groups": [1]}, "the entry 'groups' should be an object of names and values"),
        ({"groups": {"touched": 1}}, "group 'touched': expected a JSON object"),
        (
            {"groups": {"touched": {"num_pairs": 1, "num_users": 1}}},
            "group 'touched': the entry 'HR@2' is missing; expected a finite number",
        ),
    ],
)
def test_unfit_metrics_are_refused(stored, tmp_path, changes, message):
    change(tmp_path, **changes)
    with pytest.raises(InputError) as refused:
        Evaluation.load(tmp_path, "test")
    assert message in str(refused.value)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("content", ["not JSON", "[]", ""])
def test_what_is_no_metrics_file_is_refused(stored, tmp_path, content):
    (tmp_path / "metrics_test.json").write_text(content)
    with pytest.raises(InputError, match=r"metrics_test\.json: expected (a )?JSON"):
        Evaluation.load(tmp_path, "test")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [100, 100, 101], "item": [2, 2, 3]}, "held-out item. Found twice: user 100, item 2"),
        (
            {"user": [1.5, 2.0, 3.0]},
            "the column 'user' should be text or whole numbers. Found: double; evaluate the run",
        ),
        ({"item": [1, None, 3]}, "the column 'item' should be text or whole numbers. Found: empty places"),
        ({"rank": ["a", "b", "c"]}, "the column 'rank' should be whole numbers. Found: string"),
        ({"rank": [-1, 2, 1]}, "expected ranks and ties from 0 to the number of candidates - 1"),
        ({"rank": [0, 4, 1]}, "expected ranks and ties from 0"),
        ({"rank": [0, 2.5, 1]}, "the column 'rank' should be whole numbers. Found: double"),
        ({"tied": [1, 0, 2]}, "expected ranks and ties from 0"),
        ({"tied": [1, 3, 1]}, "expected ranks and ties from 0"),  # of four candidates
        ({"rank": [2, 2, 1]}, "not the ranks of metrics_test.json: HR@2 is"),
        ({"num_candidates": None}, "expected a column 'num_candidates'. Found: user, item, rank"),
    ],
)
def test_unfit_ranks_are_refused(stored, tmp_path, columns, message):
    rewrite(tmp_path, **columns)
    with pytest.raises(InputError) as refused:
        Evaluation.load(tmp_path, "test")
    assert message in str(refused.value)
    assert str(tmp_path / "ranks_test.parquet") in str(refused.value)


def test_an_empty_table_is_refused(stored, tmp_path):
    table = pq.read_table(tmp_path / "ranks_test.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "ranks_test.parquet")
    with pytest.raises(InputError, match=r"at least one user\. Found: none"):
        Evaluation.load(tmp_path, "test")


@pytest.mark.parametrize("keep", [0, 3, 300, -1])
def test_a_truncated_table_is_refused(stored, tmp_path, keep):
    path = tmp_path / "ranks_test.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="expected a whole Parquet file"):
        Evaluation.load(tmp_path, "test")


@pytest.mark.parametrize("name", ["metrics_test.json", "ranks_test.parquet"])
def test_a_missing_file_is_named(stored, tmp_path, name):
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"expected {name}, which evaluate writes with `split=test`"):
        Evaluation.load(tmp_path, "test")
    with pytest.raises(InputError, match=r"expected metrics_validation\.json, which .* `split=validation`"):
        Evaluation.load(tmp_path, "validation")
