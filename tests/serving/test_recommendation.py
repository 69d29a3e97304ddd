"""Recommendations against sorting by hand, and the files they go into."""

import csv
import json
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from conftest import make_interactions

from nmtr_tf.cli import prepare, recommend, train
from nmtr_tf.config import ModelConfig
from nmtr_tf.data import storage
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.ranking import ModelScorer
from nmtr_tf.models.model import build_model, network
from nmtr_tf.runs.directory import Run
from nmtr_tf.serving.recommendation import Recommendations, Recommender, excluded_items
from nmtr_tf.serving.table_files import write_table

TINY = ["--embedding_dim=8", "--num_layers=1", "--num_epochs=1", "--ks=5,10", "--monitor=NDCG@10"]


def model_of(view, method="nmtr_neumf", **options):
    """An untrained model whose scores differ from item to item."""
    config = ModelConfig(method, embedding_dim=8, num_layers=2, embedding_stddev=0.5, **options)
    return build_model(config, view.behaviors, view.num_users, view.num_items, seed=1)


def gathered(chunks) -> Recommendations:
    chunks = list(chunks)

    def join(get):
        return np.concatenate([get(one) for one in chunks])

    names = chunks[0].probabilities
    return Recommendations(
        users=join(lambda one: one.users),
        items=join(lambda one: one.items),
        scores=join(lambda one: one.scores),
        probabilities={name: join(lambda one, name=name: one.probabilities[name]) for name in names},
    )


def top_by_hand(scores, hidden, k):
    """Items and scores [n, k]; equal scores by item, what is hidden last with -inf."""
    scores = np.where(hidden, -np.inf, scores)
    items = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return items, np.take_along_axis(scores, items, axis=1)


@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_mlp", "nmtr_neumf"])
@pytest.mark.parametrize("exclude", ["none", "target", "all"])
def test_the_best_items_that_are_left(shop, method, exclude):
    view = shop.training_view()
    scorer = ModelScorer(model_of(view, method))
    left_out = excluded_items(shop, view, exclude)
    users = np.arange(view.num_users, dtype=np.int32)[::-1]
    found = gathered(Recommender(scorer).recommend(users, 30, left_out))
    scores = scorer.scores(tf.constant(users), scorer.item_side()).numpy()  # what the ranking ranks by
    items, best = top_by_hand(scores, left_out[users].toarray(), 30)
    np.testing.assert_array_equal(found.users, users)
    np.testing.assert_allclose(found.scores, best, rtol=1e-5, atol=1e-6)
    there = np.isfinite(best)
    np.testing.assert_array_equal(found.items[there], items[there])
    assert there.all() == (exclude != "all")  # some users touched more than 10 of the 40 items


def test_what_is_excluded():
    interactions = make_interactions(
        {"cart": [[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], "buy": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]},
        validation=[(0, 3)],
        test=[(0, 1), (1, 0)],
    )
    view = interactions.training_view((), "strict")
    assert not view.matrices["cart"][0, 1]  # strict took it out; the user has touched it nevertheless
    expected = {
        "none": [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        "target": [[1, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
        "all": [[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]],
    }
    for exclude, rows in expected.items():
        np.testing.assert_array_equal(excluded_items(interactions, view, exclude).toarray(), rows)
    only_buy = interactions.training_view(("buy",))
    np.testing.assert_array_equal(excluded_items(interactions, only_buy, "all").toarray(), expected["all"])


def test_ties_go_by_item_row(shop):
    view = shop.training_view()
    model = model_of(view)
    for table in network(model).item_tables:
        table.assign(np.ones(table.shape))
    left_out = masked_items(view, "test", "target")
    users = np.arange(5, dtype=np.int32)
    found = gathered(Recommender(ModelScorer(model)).recommend(users, 6, left_out))
    expected = [np.flatnonzero(row == 0)[:6] for row in left_out[users].toarray()]
    np.testing.assert_array_equal(found.items, expected)


def test_chunks_do_not_change_the_result_and_the_graphs_are_traced_once(shop, monkeypatch):
    view = shop.training_view()
    recommender = Recommender(ModelScorer(model_of(view)))
    users = np.arange(view.num_users, dtype=np.int32)
    left_out = excluded_items(shop, view, "all")
    (whole,) = recommender.recommend(users, 40, left_out, probabilities=True)
    floats = []

    def seven(memory_mb, floats_per_user):
        floats.append(floats_per_user)
        return 7

    monkeypatch.setattr("nmtr_tf.serving.recommendation.users_at_once", seven)
    chunks = list(recommender.recommend(users, 40, left_out, probabilities=True))
    assert [len(chunk.users) for chunk in chunks[:-1]] == [7] * (len(users) // 7)
    assert floats[0] > 40 * 2 * recommender.scorer.pair_floats
    ids = [pa.array(view.user_ids), pa.array(view.item_ids)]
    one, many = whole.table(*ids), pa.concat_tables(chunk.table(*ids) for chunk in chunks)
    assert one.schema == many.schema
    for name in one.column_names:
        if name in ("user", "item", "rank"):
            assert one[name].equals(many[name])
        else:
            np.testing.assert_allclose(one[name], many[name], rtol=1e-5, atol=1e-6)
    graphs: list[Any] = [recommender.top_items, recommender.probabilities]
    assert [graph.experimental_get_tracing_count() for graph in graphs] == [1, 1]


@pytest.mark.parametrize("share", [True, False])
def test_probabilities_are_those_of_the_model(shop, share):
    view = shop.training_view()
    model = model_of(view, share_embeddings=share)
    users = np.arange(9, dtype=np.int32)
    found = gathered(Recommender(ModelScorer(model)).recommend(users, 4, probabilities=True))
    logits = model({"user_ids": np.repeat(users, 4), "item_ids": found.items.ravel()})
    assert list(found.probabilities) == ["view", "cart", "buy"]
    for name, values in found.probabilities.items():
        np.testing.assert_allclose(values.ravel(), tf.sigmoid(logits[name]), rtol=1e-5)
    np.testing.assert_allclose(found.scores.ravel(), logits["buy"], rtol=1e-5, atol=1e-6)


def test_fewer_items_than_k_are_fewer_rows():
    found = Recommendations(
        np.array([1, 0], np.int32),
        np.array([[2, 0], [1, 0]], np.int32),
        np.array([[1.5, 0.5], [2.5, -np.inf]], np.float32),
        {"buy": np.array([[0.5, 0.25], [0.75, 0.5]], np.float32)},
    )
    table = found.table(pa.array([7, 8]), pa.array(["a", "b", "c"]))
    assert table.to_pydict() == {
        "user": [8, 8, 7],
        "rank": [1, 2, 1],
        "item": ["c", "a", "b"],
        "score": [1.5, 0.5, 2.5],
        "probability_buy": [0.5, 0.25, 0.75],
    }
    assert [str(kind) for kind in table.schema.types] == ["int64", "int32", "string", "float", "float"]


def test_scores_that_are_no_numbers_are_refused(shop):
    model = model_of(shop)
    network(model).item_biases[-1].assign(np.full((shop.num_items, 1), np.nan))
    with pytest.raises(InputError, match="NaN or infinite"):
        next(Recommender(ModelScorer(model)).recommend(np.zeros(1, np.int32), 3))


ODD_IDS = ['a,"b"', "007", "ü/ \u2028x", "tab\tid", "back\\slash", "NA"]


def read(path):
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False, dtype={"item": str})
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path, lines=True, dtype=False)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".CSV"])
def test_every_format_reads_back(tmp_path, suffix):
    users = [2**62 + 1, -5, 0, 1, 2, 3]
    scores = np.array([0.1, -2e-20, 3e7, 1 / 3, -0.7, 12.5], np.float32)
    table = pa.table({"user": users, "item": ODD_IDS, "score": scores})
    parts = [table[:4], table[4:4], table[4:]]
    path = tmp_path / "new" / f"recs{suffix}"
    assert write_table(path, parts) == 6
    path = path.rename(path.with_suffix(suffix.lower()))
    found = read(path)
    assert found["user"].tolist() == users
    assert found["item"].tolist() == ODD_IDS
    np.testing.assert_array_equal(found["score"].to_numpy().astype(np.float32), scores)
    if path.suffix == ".csv":
        assert path.read_text("utf-8").startswith("user,item,score\n")
        rows = list(csv.reader(path.read_text("utf-8").split("\n")))
        assert rows[:2] == [["user", "item", "score"], [str(users[0]), ODD_IDS[0], "0.1"]]
    if suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
        assert [(line["user"], line["item"]) for line in lines] == list(zip(users, ODD_IDS, strict=True))


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr("nmtr_tf.serving.table_files._ROWS_AT_ONCE", 1)
    (tmp_path / "recs.csv").write_text("before")

    def parts():
        yield pa.table({"user": [1]})
        raise InputError("no more")

    for suffix in (".csv", ".parquet", ".jsonl"):
        with pytest.raises(InputError, match="no more"):
            write_table(tmp_path / f"recs{suffix}", parts())
    assert [path.name for path in tmp_path.iterdir()] == ["recs.csv"]
    assert (tmp_path / "recs.csv").read_text() == "before"


def call(command, *flags) -> int:
    return command.main([command.__name__, *map(str, flags)])


def trained(folder, *source):
    """A run of one epoch on a log."""
    assert call(prepare, *source, f"--dataset_dir={folder}/data", "--quiet") == 0
    assert call(train, f"--dataset_dir={folder}/data", f"--workdir={folder}/run", "--quiet", *TINY) == 0
    return folder / "run"


def some_items(users, items, count):
    """User -> so many of the items, other ones for each."""
    return {user: [items[(i + j) % len(items)] for j in range(count)] for i, user in enumerate(users)}


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    """Ids of text; everybody has viewed all of 7 items and bought 3."""
    folder, items = tmp_path_factory.mktemp("text"), [f"é,{n}" for n in range(7)]
    rows = [(user, item, "view") for user in ODD_IDS for item in items]
    rows += [(user, item, "buy") for user, bought in some_items(ODD_IDS, items, 3).items() for item in bought]
    with (folder / "log.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("user", "item", "behavior"), *rows])
    return trained(folder, "--source=log", f"--input={folder}/log.csv", "--behaviors=view,buy")


@pytest.fixture(scope="module")
def number_run(tmp_path_factory):
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
    return trained(folder, "--source=adjacency", inputs, f"--heldout={folder}/heldout.txt")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_all_users_with_ids_as_the_log_had_them(text_run, number_run, tmp_path, suffix, capsys):
    for run in (text_run, number_run):
        path = tmp_path / f"{run.parent.name}.{suffix}"
        flags = [f"--workdir={run}", "--all_users", "--k=4", "--probabilities"]
        assert call(recommend, *flags, f"--output={path}") == 0
        view = Run(run).view(storage.load(run.parent / "data"))
        text = view.user_ids.dtype == object
        table = read(path)
        if suffix == "csv":
            table = pd.read_csv(path, keep_default_na=False, dtype={"user": str, "item": str} if text else {})
        assert table.columns.tolist() == [
            "user", "rank", "item", "score", "probability_view", "probability_buy"
        ]  # fmt: skip
        expected = gathered(
            Recommender(ModelScorer(Run(run).load_model())).recommend(
                np.arange(view.num_users, dtype=np.int32), 4, masked_items(view, "test", "target")
            )
        )
        assert table["user"].tolist() == np.repeat(view.user_ids, 4).tolist()
        assert table["item"].tolist() == view.item_ids[expected.items].ravel().tolist()
        assert table["rank"].tolist() == [1, 2, 3, 4] * view.num_users
        np.testing.assert_allclose(table["score"], expected.scores.ravel(), rtol=1e-6)
        np.testing.assert_allclose(table["probability_buy"], 1 / (1 + np.exp(-table["score"])), rtol=1e-5)
        assert isinstance(table["user"].tolist()[0], str if text else int)
        said = f"{len(table)} rows for {view.num_users} users written to {path}\n"
        assert capsys.readouterr().out == said


def test_excluding_all_leaves_fewer_rows(number_run, tmp_path):
    for exclude, rows in (("all", 2), ("target", 5), ("none", 7)):
        path = tmp_path / f"{exclude}.parquet"
        flags = [f"--workdir={number_run}", "--user_ids=9", "--k=7", f"--exclude={exclude}", "--quiet"]
        assert call(recommend, *flags, f"--output={path}") == 0
        table = pd.read_parquet(path)
        assert len(table) == rows
        assert table["user"].dtype == np.int64


def test_a_file_of_users(text_run, tmp_path):
    chosen = [ODD_IDS[2], ODD_IDS[0], ODD_IDS[2], "007"]
    (tmp_path / "users.txt").write_bytes("\ufeff\n".encode() + "\r\n \n".join(chosen).encode())
    flags = [f"--workdir={text_run}", f"--users_file={tmp_path}/users.txt", "--k=1", "--quiet"]
    assert call(recommend, *flags, f"--output={tmp_path}/recs.parquet") == 0
    assert pd.read_parquet(tmp_path / "recs.parquet")["user"].tolist() == [ODD_IDS[2], ODD_IDS[0], "007"]


def test_the_terminal_shows_every_probability_when_told(text_run, capsys):
    assert call(recommend, f"--workdir={text_run}", "--k=2") == 0
    first = capsys.readouterr().out
    assert first.startswith("For 007, who did")
    assert "probability of buy" in first
    assert "probability of view" not in first
    assert call(recommend, f"--workdir={text_run}", "--k=2", "--user_ids=007,NA", "--probabilities") == 0
    out = capsys.readouterr().out
    assert out.count("probability of view") == 2
    assert "For NA, who did" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--user_ids=9,8"], "--user_ids: '8' is no user of the data set; expected ids such as"),
        (["--user_ids=09"], "'09' is no user"),
        (["--users_file=users.txt"], "users.txt, line 3: 'nobody' is no user"),
        (["--users_file=empty.txt"], "empty.txt: expected user ids, one a line, but it is empty"),
        (["--users_file=latin.txt"], "latin.txt, line 2: expected UTF-8"),
        (["--users_file=nowhere.txt"], "nowhere.txt"),
        (["--user_ids=9", "--all_users", "--output=x.csv"], "--user_ids and --all_users exclude each other"),
        (["--user_ids=9", "--users_file=users.txt"], "--user_ids and --users_file exclude each other"),
        (["--all_users"], "name it with --output"),
        (
            ["--all_users", "--output=recs.xlsx"],
            "recs.xlsx: expected a file name that ends in .csv, .parquet",
        ),
        (["--all_users", "--output=recs"], "recs: expected a file name that ends in"),
        (["--all_users", "--output=folder.csv"], "folder.csv: expected a file, but it is a directory"),
        (["--all_users", "--output=x.csv", "--k=8"], "--k=8 is more than the 7 items"),
        (["--k=0"], "k"),
        (["--memory_mb=0"], "memory_mb"),
        (["--exclude=some"], "exclude"),
        (["--workdir=folder.csv", "--user_ids=9"], "expected the directory of a trained run"),
        (["--workdir="], "--workdir is needed"),
    ],
)
def test_recommend_refuses_in_one_line(number_run, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.txt").write_text("9\n\nnobody\n")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes(b"9\n\xe9\n")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.iterdir())
    assert call(recommend, f"--workdir={number_run}", *flags) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_without_checkpoint_is_refused(number_run, tmp_path, capsys):
    run = shutil.copytree(number_run, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    assert call(recommend, f"--workdir={run}", "--k=2") == 2
    assert "it has no checkpoints/last.keras" in capsys.readouterr().err
