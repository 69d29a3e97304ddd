"""`prepare` end to end: what a user types, sees and gets."""

import json

import pytest
from conftest import call, refused

from nmtr_tf.cli import prepare
from nmtr_tf.data.dataset import Dataset


def test_prepare_shows_what_it_removed_and_table_one(tmp_path, capsys):
    assert call(prepare, "--source=synthetic", "--synthetic_users=60", f"--dataset_dir={tmp_path}/x") == 0
    out = capsys.readouterr().out
    header = json.loads((tmp_path / "x" / "dataset.json").read_text())
    row = header["table_one"]
    assert "duplicates merged" in out
    assert "users with fewer than 2 kinds of behavior" in out
    assert f"{row['users']:,}  {row['items']:>8,}  {row['buy']:>6,}" in out
    assert list(row) == ["users", "items", "buy", "cart", "view"]
    assert sum(sum(counts.values()) for counts in header["rows"].values()) == sum(list(row.values())[2:])
    assert header["protocol"] == "strict"
    assert "Protocol: strict" in out


def test_prepare_of_a_ten_line_log(tmp_path):
    (tmp_path / "log.csv").write_text(
        "who,what,did,when\nann,tea,view,1\nann,tea,buy,2\nann,pot,view,3\nann,pot,buy,4\nann,cup,buy,5\n"
        "bob,tea,view,1\nbob,cup,view,2\nbob,cup,buy,9\nbob,tea,buy,3\n"
    )
    flags = ["--source=log", f"--input={tmp_path}/log.csv", "--behaviors=view,buy"]
    columns = "--columns=user:who,item:what,behavior:did,timestamp:when"
    assert call(prepare, *flags, columns, f"--dataset_dir={tmp_path}/data", "--quiet") == 0
    dataset = Dataset.load(tmp_path / "data")
    assert dataset.user_ids.tolist() == ["ann", "bob"]
    assert dataset.item_ids.tolist() == ["cup", "pot", "tea"]
    assert dataset.held_out["test"].tolist() == [[0, 0], [1, 0]]  # the latest purchases: cup and cup


def test_prepare_says_what_leaks_in_a_data_set_that_came_split(tmp_path, capsys):
    (tmp_path / "cart.txt").write_text("0 1 2 3\n1 0 2\n")
    (tmp_path / "train.txt").write_text("0 1 2\n1 0 2\n")
    (tmp_path / "test.txt").write_text("0 3\n1 3\n")
    files = [f"--input=cart:{tmp_path}/cart.txt,buy:{tmp_path}/train.txt", f"--heldout={tmp_path}/test.txt"]
    assert call(prepare, "--source=adjacency", *files, f"--dataset_dir={tmp_path}/data") == 0
    out = capsys.readouterr().out
    assert "Leak: training rows still hold 2 of 2 validation pairs (100.0 %) in 'cart'" in out
    assert "; 1 of 2 test pairs (50.0 %) in 'cart': what is selected" in out
    assert Dataset.load(tmp_path / "data").protocol == "released"


def test_prepare_writes_nothing_on_bad_input(tmp_path, capsys):
    (tmp_path / "log.csv").write_text("user,item,behavior\n1,2,view\n1,2,wish\n")
    line = refused(
        capsys,
        prepare,
        "--source=log",
        f"--input={tmp_path}/log.csv",
        "--behaviors=view,buy",
        f"--dataset_dir={tmp_path}/d",
    )
    assert "log.csv, line 3" in line
    assert "'wish'" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset_dir=x"], "--source is needed"),
        (["--source=synthetic"], "--dataset_dir is needed"),
        (["--source=log", "--dataset_dir=x"], "--input is needed"),
        (["--source=oracle", "--dataset_dir=x"], "oracle"),
        (["--source=synthetic", "--dataset_dir=x", "--synthetic_users=0"], "synthetic_users"),
        (["--source=synthetic", "--dataset_dir=x", "--behaviors=view,buy"], "view,cart,buy"),
        (["--source=log", "--input=a.csv", "--dataset_dir=x", "--columns=who"], "role:column"),
        (["--source=synthetic", "--dataset_dir=x", "extra"], "Unexpected argument 'extra'"),
        (["--source=synthetic", "--dataset_dir=x", "--colums=x"], "colums"),
    ],
)
def test_prepare_refuses(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, prepare, *flags)
    assert not list(tmp_path.iterdir())


def test_prepare_replaces_a_data_set_only_when_told_and_other_directories_never(shop_dir, tmp_path, capsys):
    before = (shop_dir / "dataset.json").read_text()
    assert "--overwrite" in refused(capsys, prepare, "--source=synthetic", f"--dataset_dir={shop_dir}")
    assert (shop_dir / "dataset.json").read_text() == before
    (tmp_path / "mine.txt").write_text("precious")
    line = refused(capsys, prepare, "--source=synthetic", f"--dataset_dir={tmp_path}", "--overwrite")
    assert "is no data set" in line
    assert (tmp_path / "mine.txt").read_text() == "precious"
