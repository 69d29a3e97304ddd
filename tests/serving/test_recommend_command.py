"""`recommend` end to end: what a user types, sees and gets."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import call, refused

from nmtr_tf.cli import recommend
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.runs import Run
from nmtr_tf.serving.left_out import excluded_items
from nmtr_tf.serving.recommender import Recommender
from serving.conftest import ODD_IDS, read


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_all_users_with_ids_as_the_log_had_them(text_run, number_run, tmp_path, suffix, capsys):
    for workdir in (text_run, number_run):
        path = tmp_path / f"{workdir.parent.name}.{suffix}"
        flags = [f"--workdir={workdir}", "--all_users", "--k=4", "--probabilities"]
        assert call(recommend, *flags, f"--output={path}") == 0
        run = Run(workdir)
        view = run.view
        table = read(path)
        assert table.columns.tolist() == [
            "user", "rank", "item", "score", "known_user", "probability_view", "probability_buy"
        ]  # fmt: skip
        (expected,) = Recommender(ModelScorer(run.model)).recommend(
            np.arange(view.num_users, dtype=np.int32), 4, excluded_items(run.dataset, "auto")
        )
        assert table["user"].tolist() == np.repeat(view.user_ids, 4).tolist()
        assert table["item"].tolist() == view.item_ids[expected.items].ravel().tolist()
        assert table["rank"].tolist() == [1, 2, 3, 4] * view.num_users
        np.testing.assert_allclose(table["score"], expected.scores.ravel(), rtol=1e-6)
        np.testing.assert_allclose(table["probability_buy"], 1 / (1 + np.exp(-table["score"])), rtol=1e-5)
        assert isinstance(table["user"].tolist()[0], str)
        said = f"{len(table)} rows for {view.num_users} users written to {path}\n"
        assert capsys.readouterr().out == said


def test_what_is_excluded_leaves_fewer_rows(number_run, tmp_path):
    for exclude, rows in (("touched", 2), ("bought", 4), ("auto", 4), ("none", 7)):
        path = tmp_path / f"{exclude}.parquet"
        flags = [f"--workdir={number_run}", "--user_ids=9", "--k=7", f"--exclude={exclude}", "--quiet"]
        assert call(recommend, *flags, f"--output={path}") == 0
        table = pd.read_parquet(path)
        assert len(table) == rows
        assert set(table["user"]) == {"9"}


def test_nobody_is_recommended_what_they_have_bought_held_out_or_not(shop_run, tmp_path):
    path = tmp_path / "recs.parquet"
    flags = [f"--workdir={shop_run}", "--all_users", "--k=40", f"--output={path}", "--quiet"]
    assert call(recommend, *flags) == 0
    dataset, table = Run(shop_run).dataset, pd.read_parquet(path)
    events = dataset.events
    bought = events.behavior == len(events.behaviors) - 1
    pairs = set(zip(events.users[events.user[bought]], events.items[events.item[bought]], strict=True))
    listed = set(zip(table["user"], table["item"], strict=True))
    assert not pairs & listed
    assert len(pairs | listed) == dataset.num_users * dataset.num_items


def test_the_history_is_the_whole_one(number_run, capsys):
    assert call(recommend, f"--workdir={number_run}", "--user_ids=9", "--k=7", "--exclude=none") == 0
    out = capsys.readouterr().out
    assert out.startswith("For 9, who did 5 view, 3 buy:")  # one of them is held out for test
    shown = {line.split()[1]: line.split()[3:] for line in out.splitlines()[3:] if line}
    assert [" ".join(shown[str(item)]) for item in (100, 102, 104, 105)] == ["view, buy"] * 2 + ["view", "-"]


def test_where_nothing_is_left_it_says_so(text_run, tmp_path, capsys):
    flags = [f"--workdir={text_run}", "--exclude=touched", "--k=2"]
    assert call(recommend, *flags, "--user_ids=007,NA") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "For 007, who did 7 view, 3 buy: nothing is left to recommend."
    assert len(out) == 4
    assert call(recommend, *flags, "--all_users", f"--output={tmp_path}/recs.csv") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"0 rows for 6 users written to {tmp_path}/recs.csv"
    assert out[1] == "6 of them have no row: nothing is left to recommend to them"
    assert (tmp_path / "recs.csv").read_text() == "user,rank,item,score,known_user\n"


def test_unknown_users_are_shown_what_is_popular(number_run, tmp_path, capsys):
    assert call(recommend, f"--workdir={number_run}", "--user_ids=8,9", "--k=2") == 0
    first, second = capsys.readouterr().out.split("\n\n")[:2]
    assert first.startswith("For 8 (known: no, never seen), what is popular:\n")
    lines = [line.split() for line in first.splitlines()]
    assert lines[1] == ["rank", "item", "buy", "rows", "in", "training"]
    counts = Run(number_run).view.target.toarray().sum(axis=0)
    assert lines[3] == ["1", str(100 + np.argmax(counts)), str(counts.max())]
    assert second.startswith("For 9, who did")
    flags = ["--user_ids=ann,9,09", "--k=2", f"--output={tmp_path}/recs.csv"]
    assert call(recommend, f"--workdir={number_run}", *flags) == 0
    assert capsys.readouterr().out.splitlines()[1] == "2 of them get what is popular: 2 never seen"
    assert pd.read_csv(tmp_path / "recs.csv")["known_user"].tolist() == [False] * 2 + [True] * 2 + [False] * 2


def test_items_that_are_recommended_to_nobody(number_run, tmp_path):
    (tmp_path / "blocked.txt").write_text("106\n999\n105\n")
    flags = [f"--workdir={number_run}", "--all_users", "--k=7", "--exclude=none", "--quiet"]
    flags.append(f"--output={tmp_path}/recs.parquet")
    assert call(recommend, *flags, f"--exclude_items={tmp_path}/blocked.txt") == 0
    assert set(pd.read_parquet(tmp_path / "recs.parquet")["item"]) == set(map(str, range(100, 105)))


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
        (["--k=0"], "flag --k=0"),
        (["--memory_mb=0"], "flag --memory_mb=0"),
        (["--exclude=some"], "flag --exclude=some"),
        (["--exclude_items=users.txt"], "--exclude_items=users.txt: none of the 2 ids is an item"),
        (["--exclude_items=latin.txt"], "latin.txt, line 2: expected UTF-8"),
        (["--exclude_items=nowhere.txt"], "nowhere.txt"),
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
    assert message in refused(capsys, recommend, f"--workdir={number_run}", *flags)
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_without_checkpoint_is_refused(number_run, tmp_path, capsys):
    run = shutil.copytree(number_run, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    assert "it has no checkpoints/last.keras" in refused(capsys, recommend, f"--workdir={run}", "--k=2")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_device_is_chosen_before_anything_runs(text_run, monkeypatch, device, capsys):
    chosen = []

    def choose(name):
        assert "load_model" not in chosen
        chosen.append(name)

    def load_model(*arguments, **options):
        chosen.append("load_model")
        return loads(*arguments, **options)

    loads = tf.keras.models.load_model
    monkeypatch.setattr("nmtr_tf.training.device.set_device", choose)
    monkeypatch.setattr("keras.models.load_model", load_model)
    flags = [] if device == "auto" else [f"--device={device}"]
    assert call(recommend, f"--workdir={text_run}", "--k=2", *flags) == 0
    assert chosen == [device, "load_model"]
    assert capsys.readouterr().out.startswith("For 007, who did")


def test_a_gpu_that_is_not_there_is_refused(text_run, monkeypatch, capsys):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda *_: [])
    assert "sees no GPU" in refused(capsys, recommend, f"--workdir={text_run}", "--k=2", "--device=gpu")


def test_a_data_set_that_was_moved(text_run, tmp_path, capsys):
    run = shutil.copytree(text_run.parent, tmp_path / "all")
    flags = [f"--workdir={run / 'run'}", "--k=2"]
    assert call(recommend, *flags, f"--dataset_dir={run / 'data'}") == 0
    assert capsys.readouterr().out.startswith("For 007, who did")
    assert "no data set here" in refused(capsys, recommend, *flags, "--dataset_dir=nowhere")
