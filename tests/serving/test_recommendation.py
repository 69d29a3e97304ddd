"""Recommendations with the ids of the log, as a DataFrame and in files."""

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import make_dataset

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import all_as_one
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.serving.left_out import excluded_items, items_by_id, items_of_file
from nmtr_tf.serving.recommendation import Written, recommend_table, write_recommendations
from nmtr_tf.serving.request import Request
from nmtr_tf.serving.users import asked_users, users_of_file
from serving.conftest import read
from serving.exports import GMF, random_model


def test_what_is_excluded():
    dataset = make_dataset(
        {"cart": [[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], "buy": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]},
        validation=[(0, 3)],
        test=[(0, 1), (1, 0)],
    )
    expected = {
        "none": [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        "bought": [[1, 1, 0, 1, 0], [1, 0, 0, 0, 1]],  # those held out for validation and test among them
        "touched": [[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]],
    }
    for exclude, rows in expected.items():
        np.testing.assert_array_equal(excluded_items(dataset, exclude).toarray(), rows)
    for mask, kind in (("none", "bought"), ("target", "bought"), ("all", "touched")):
        np.testing.assert_array_equal(excluded_items(dataset, "auto", mask).toarray(), expected[kind])
        np.testing.assert_array_equal(excluded_items(dataset, "none", mask).toarray(), expected["none"])


Catalogue = tuple[keras.Model, Dataset, TrainingView]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Ids that are whole numbers; three users, five items."""
    viewed = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 0, 1]])
    dataset = make_dataset({"view": viewed, "buy": np.eye(3, 5, dtype=int)})
    view = dataset.training_view()
    return random_model(GMF, view), dataset, view


def test_a_table_of_raw_ids(catalogue: Catalogue):
    model, dataset, view = catalogue
    table = recommend_table(model, dataset, view, [101, "100", 101], Request(k=5))
    assert table.columns.tolist() == ["user", "rank", "item", "score", "known_user"]
    assert table["known_user"].all()
    assert table["user"].tolist() == ["101"] * 4 + ["100"] * 4
    assert table["rank"].tolist() == [1, 2, 3, 4] * 2
    for user, own in table.groupby("user"):
        row, items = int(user) - 100, own["item"].to_numpy().astype(int)
        assert set(items) == set(range(5)) - {row}  # all but what was bought
        logits = model({"user_ids": np.full(4, row), "item_ids": items})["buy"]
        np.testing.assert_allclose(own["score"], logits, rtol=1e-5)
        assert own["score"].is_monotonic_decreasing
    everybody = recommend_table(model, dataset, view, None, Request(k=5))
    assert everybody["user"].unique().tolist() == ["100", "101", "102"]
    pd.testing.assert_frame_equal(
        everybody[everybody["user"] == "100"].reset_index(drop=True), table[4:].reset_index(drop=True)
    )


def test_probabilities_are_columns_of_their_own(catalogue: Catalogue):
    table = recommend_table(*catalogue, [102], Request(2, exclude="none", probabilities=True))
    names = ["user", "rank", "item", "score", "known_user", "probability_view", "probability_buy"]
    assert table.columns.tolist() == names
    np.testing.assert_allclose(table["probability_buy"], 1 / (1 + np.exp(-table["score"])), rtol=1e-5)


def test_nobody_is_a_table_without_rows(catalogue: Catalogue, tmp_path):
    table = recommend_table(*catalogue, [], Request(k=2))
    assert table.columns.tolist() == ["user", "rank", "item", "score", "known_user"]
    assert table.empty
    assert write_recommendations(tmp_path / "nobody.csv", *catalogue, [], Request(k=2)) == Written(0, 0)
    assert (tmp_path / "nobody.csv").read_text() == "user,rank,item,score,known_user\n"


def test_items_for_nobody_and_users_that_nothing_is_left_for(catalogue: Catalogue, tmp_path):
    request = Request(k=5, exclude="touched", exclude_items=[2, "3", 99, 2])
    table = recommend_table(*catalogue, None, request)
    assert set(table["item"]) == {"0", "1", "4"}
    assert table.groupby("user")["item"].apply(set).to_dict() == {
        "100": {"4"},
        "101": {"0", "4"},
        "102": {"1"},
    }
    request = Request(k=5, exclude="touched", exclude_items=[2, 3, 4])
    table = recommend_table(*catalogue, None, request)
    assert table["user"].unique().tolist() == ["101", "102"]
    assert write_recommendations(tmp_path / "recs.csv", *catalogue, None, request) == Written(2, 3, 1)
    assert read(tmp_path / "recs.csv")["user"].tolist() == ["101", "102"]


def test_items_by_id_and_from_a_file(catalogue: Catalogue, tmp_path):
    dataset, path = catalogue[1], tmp_path / "items.txt"
    assert items_by_id(dataset, "exclude_items", ["1", 4.0, 77]).tolist() == [0, 1, 0, 0, 1]
    assert not items_by_id(dataset, "exclude_items", ()).any()
    path.write_text("3\n\n77\n1\n")
    assert items_of_file(dataset, "exclude_items", path) == ["1", "3"]
    path.write_text("\n")
    assert items_of_file(dataset, "exclude_items", path) == []
    path.write_text("tea\n")
    with pytest.raises(InputError, match=r"`exclude_items=.*txt`: none of the 1 ids .* ids such as '0'"):
        items_of_file(dataset, "exclude_items", path)


def test_a_file_holds_the_table(catalogue: Catalogue, tmp_path):
    done: list[int] = []
    path = tmp_path / "recs.parquet"
    request = Request(k=3, exclude="touched")
    written = write_recommendations(path, *catalogue, None, request, progress=done.append)
    table = recommend_table(*catalogue, None, request)
    assert written == Written(len(table), 3)
    assert sum(done) == 3
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user_ids": [100, 1.5]}, "`user_ids` should hold ids, text or whole numbers. Received: 1.5"),
        ({"user_ids": [None]}, "`user_ids` should hold ids, text or whole numbers. Received: None"),
        ({"user_ids": [float("nan")]}, "`user_ids` should hold ids, text or whole numbers. Received: nan"),
        ({"user_ids": [True]}, "`user_ids` should hold ids, text or whole numbers. Received: True"),
        ({"among": [b"1"]}, "`among` should hold ids, text or whole numbers. Received: b'1'"),
        ({"user_ids": "100"}, "`user_ids` should be a list of ids. Received: '100'"),
        ({"user_ids": 100}, "`user_ids` should be a list of ids. Received: 100"),
        ({"k": 6}, "`k=6` is more than the 5 items"),
        ({"k": 0}, "`k` should be at least 1. Received: 0"),
        ({"k": "2"}, "`k` should be a whole number. Received: '2'"),
        ({"k": 2.5}, "`k` should be a whole number. Received: 2.5"),
        ({"k": True}, "`k` should be a whole number. Received: True"),
        ({"exclude_items": "1"}, "`exclude_items` should be a list of ids. Received: '1'"),
        (
            {"exclude_items": ["x"]},
            "`exclude_items`: none of the 1 ids is an item of the data set, the first",
        ),
        (
            {"exclude": "some"},
            "`exclude` should be one of 'auto', 'bought', 'touched', 'none'. Received: 'some'",
        ),
    ],
)
def test_bad_input(catalogue: Catalogue, tmp_path, options, message):
    user_ids = options.pop("user_ids", None)
    request = Request(**{"k": 2, **options})
    with pytest.raises(InputError) as error:
        recommend_table(*catalogue, user_ids, request)
    assert message in str(error.value)
    with pytest.raises(InputError):
        write_recommendations(tmp_path / "recs.csv", *catalogue, user_ids, request)
    assert not list(tmp_path.iterdir())


def test_users_by_id_and_from_a_file(catalogue: Catalogue, tmp_path):
    dataset = catalogue[1]
    assert asked_users(dataset).rows.tolist() == [0, 1, 2]
    assert asked_users(dataset, np.array([102, 100])).rows.tolist() == [2, 0]
    found = asked_users(dataset, pd.Series([102, 100, 7, 102, 7]))
    assert (found.rows.tolist(), found.ids.to_pylist()) == ([2, 0, -1], ["102", "100", "7"])
    assert asked_users(dataset, found) is found
    path = tmp_path / "users.txt"
    path.write_bytes("\ufeff102\r\n\r\n100\n102\n-5".encode())
    found = users_of_file(dataset, path)
    assert (found.rows.tolist(), found.ids.to_pylist()) == ([2, 0, -1], ["102", "100", "-5"])
    assert found.rows.dtype == np.int32
    # Whatever is no id of the data set is a user that it does not have, as in the exported model.
    found = asked_users(dataset, ["0100", "ann", 2**70, np.float32(101), np.str_("102")])
    assert found.rows.tolist() == [-1, -1, -1, 1, 2]
    assert found.why_unknown(dataset) == dict.fromkeys(["0100", "ann", str(2**70)], "never seen")


def test_unknown_and_dropped_users_get_what_is_popular_and_are_told_why(tmp_path):
    log = pd.DataFrame(
        {
            "user": ["ann", "ann", "ann", "bob", "bob", "bob", "zoe", "eve"],
            "item": ["tea", "tea", "pot", "pot", "tea", "cup", "pot", "cup"],
            "behavior": ["view", "buy", "buy", "view", "buy", "buy", "buy", "view"],
        }
    )
    dataset = prepare(log, behaviors=("view", "buy"))
    view = dataset.training_view((), "strict", "none")
    model = random_model(GMF, view)
    wanted = ["zoe", "ann", "new", "eve", "new"]
    table = recommend_table(model, dataset, view, wanted, Request(k=2, probabilities=True))
    assert table["user"].tolist() == ["zoe", "zoe", "ann", "new", "new", "eve", "eve"]
    assert table["known_user"].tolist() == [False, False, True, False, False, False, False]
    counts = np.where(all_as_one(view).sum(axis=0) > 0, view.target.sum(axis=0), -np.inf)
    assert np.isneginf(counts).tolist() == [True, False, False]  # both rows of the cup are held out
    order = view.item_ids[np.argsort(-counts, kind="stable")[:2]].tolist()
    for user in ("zoe", "new", "eve"):
        own = table[table["user"] == user]
        assert own["item"].tolist() == order
        assert own["score"].tolist() == sorted(counts, reverse=True)[:2]
        assert own["probability_buy"].isna().all()
    dropped = 'dropped by "users with fewer than 2 kinds of behavior"'
    expected = {"zoe": dropped, "new": "never seen", "eve": dropped}
    assert asked_users(dataset, wanted).why_unknown(dataset) == expected
    dataset.save(tmp_path / "data")
    assert asked_users(Dataset.load(tmp_path / "data"), wanted).why_unknown(dataset) == expected
    (tmp_path / "data" / "dropped_users.parquet").unlink()  # as the version before wrote data sets
    old = Dataset.load(tmp_path / "data")
    assert set(asked_users(old, wanted).why_unknown(old).values()) == {"never seen, or dropped by a filter"}
    for suffix in ("csv", "parquet", "jsonl"):
        path = tmp_path / f"recs.{suffix}"
        request = Request(k=2, probabilities=True)
        assert write_recommendations(path, model, dataset, view, wanted, request) == Written(7, 4)
        found = pd.read_csv(path) if suffix == "csv" else read(path)
        pd.testing.assert_frame_equal(found, table, check_dtype=False)
