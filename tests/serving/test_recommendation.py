"""Recommendations with the ids of the log, as a DataFrame and in files."""

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import make_dataset

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.serving.recommendation import excluded_items, recommend_table, write_recommendations
from nmtr_tf.serving.users import rows_of_user_file, rows_of_users
from serving.exports import GMF, random_model


def test_what_is_excluded():
    dataset = make_dataset(
        {"cart": [[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], "buy": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]},
        validation=[(0, 3)],
        test=[(0, 1), (1, 0)],
    )
    view = dataset.training_view((), "strict")
    assert not view.matrices["cart"][0, 1]  # strict took it out; the user has touched it nevertheless
    expected = {
        "none": [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        "target": [[1, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
        "all": [[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]],
    }
    for exclude, rows in expected.items():
        np.testing.assert_array_equal(excluded_items(dataset, view, exclude).toarray(), rows)
    only_buy = dataset.training_view(("buy",))
    np.testing.assert_array_equal(excluded_items(dataset, only_buy, "all").toarray(), expected["all"])


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
    table = recommend_table(model, dataset, view, [101, "100", 101], k=5)
    assert table.columns.tolist() == ["user", "rank", "item", "score"]
    assert table["user"].tolist() == [101] * 4 + [100] * 4
    assert table["rank"].tolist() == [1, 2, 3, 4] * 2
    for user, own in table.groupby("user"):
        items = own["item"].to_numpy()
        assert set(items) == set(range(5)) - {user - 100}  # all but what was bought
        logits = model({"user_ids": np.full(4, user - 100), "item_ids": items})["buy"]
        np.testing.assert_allclose(own["score"], logits, rtol=1e-5)
        assert own["score"].is_monotonic_decreasing
    everybody = recommend_table(model, dataset, view, k=5)
    assert everybody["user"].unique().tolist() == [100, 101, 102]
    pd.testing.assert_frame_equal(
        everybody[everybody["user"] == 100].reset_index(drop=True), table[4:].reset_index(drop=True)
    )


def test_probabilities_are_columns_of_their_own(catalogue: Catalogue):
    table = recommend_table(*catalogue, [102], k=2, exclude="none", probabilities=True)
    names = ["user", "rank", "item", "score", "probability_view", "probability_buy"]
    assert table.columns.tolist() == names
    np.testing.assert_allclose(table["probability_buy"], 1 / (1 + np.exp(-table["score"])), rtol=1e-5)


def test_nobody_is_a_table_without_rows(catalogue: Catalogue, tmp_path):
    table = recommend_table(*catalogue, [], k=2)
    assert table.columns.tolist() == ["user", "rank", "item", "score"]
    assert table.empty
    assert write_recommendations(tmp_path / "nobody.csv", *catalogue, [], k=2) == 0
    assert (tmp_path / "nobody.csv").read_text() == "user,rank,item,score\n"


def test_a_file_holds_the_table(catalogue: Catalogue, tmp_path):
    done: list[int] = []
    path = tmp_path / "recs.parquet"
    rows = write_recommendations(path, *catalogue, k=3, exclude="all", progress=done.append)
    table = recommend_table(*catalogue, k=3, exclude="all")
    assert rows == len(table)
    assert sum(done) == 3
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user_ids": [100, 7]}, "`user_ids`: '7' is no user of the data set; expected ids such as 100"),
        ({"user_ids": "100"}, "`user_ids` should be a list of ids. Received: '100'"),
        ({"user_ids": 100}, "`user_ids` should be a list of ids. Received: 100"),
        ({"k": 6}, "`k=6` is more than the 5 items"),
        ({"k": 0}, "`k` should be at least 1. Received: 0"),
        ({"exclude": "some"}, "`exclude` should be one of 'none', 'target', 'all'. Received: 'some'"),
    ],
)
def test_bad_input(catalogue: Catalogue, tmp_path, options, message):
    with pytest.raises(InputError) as error:
        recommend_table(*catalogue, **{"k": 2, **options})
    assert message in str(error.value)
    with pytest.raises(InputError):
        write_recommendations(tmp_path / "recs.csv", *catalogue, **{"k": 2, **options})
    assert not list(tmp_path.iterdir())


def test_users_by_id_and_from_a_file(catalogue: Catalogue, tmp_path):
    view = catalogue[2]
    assert rows_of_users(view).tolist() == [0, 1, 2]
    assert rows_of_users(view, np.array([102, 100])).tolist() == [2, 0]
    assert rows_of_users(view, pd.Series([102, 100, 102])).tolist() == [2, 0]
    path = tmp_path / "users.txt"
    path.write_bytes("\ufeff102\r\n\r\n100\n102".encode())
    assert rows_of_user_file(view, path).tolist() == [2, 0]
    assert rows_of_user_file(view, path).dtype == rows_of_users(view, [102]).dtype == np.int32
    path.write_text("102\n\n 100\n")
    with pytest.raises(InputError, match=r"users.txt, line 3: ' 100' is no user"):
        rows_of_user_file(view, path)
