"""The commands end to end, in this process: what a user types, sees and gets."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import call, refused

from experiments import __main__ as listing
from nmtr_tf.cli import evaluate, prepare, recommend, train
from nmtr_tf.data import storage
from nmtr_tf.runs.directory import Run

ROOT = Path(__file__).parent.parent
TINY = ["--embedding_dim=8", "--num_layers=1", "--num_epochs=2", "--ks=5,10", "--monitor=NDCG@10"]


@pytest.fixture(scope="module")
def workdir(shop_dir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    assert call(train, f"--dataset_dir={shop_dir}", f"--workdir={directory}", "--quiet", *TINY) == 0
    assert call(evaluate, f"--workdir={directory}", "--quiet") == 0
    return directory


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
    interactions = storage.load(tmp_path / "data")
    assert interactions.user_ids.tolist() == ["ann", "bob"]
    assert interactions.item_ids.tolist() == ["cup", "pot", "tea"]
    assert interactions.held_out["test"].tolist() == [[0, 0], [1, 0]]  # the latest purchases: cup and cup


def test_prepare_says_what_leaks_in_a_data_set_that_came_split(tmp_path, capsys):
    (tmp_path / "cart.txt").write_text("0 1 2 3\n1 0 2\n")
    (tmp_path / "train.txt").write_text("0 1 2\n1 0 2\n")
    (tmp_path / "test.txt").write_text("0 3\n1 3\n")
    files = [f"--input=cart:{tmp_path}/cart.txt,buy:{tmp_path}/train.txt", f"--heldout={tmp_path}/test.txt"]
    assert call(prepare, "--source=adjacency", *files, f"--dataset_dir={tmp_path}/data") == 0
    out = capsys.readouterr().out
    assert "Leak: training rows still hold 2 of 2 validation pairs (100.0 %) in 'cart'" in out
    assert "; 1 of 2 test pairs (50.0 %) in 'cart': what is selected" in out
    assert storage.load(tmp_path / "data").protocol == "released"


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


def test_train_shows_every_epoch_and_where_the_curves_are(shop_dir, tmp_path, capsys):
    workdir = tmp_path / "run"
    assert call(train, f"--dataset_dir={shop_dir}", f"--workdir={workdir}", *TINY) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["epoch", "train/loss", "validation/HR@10", "validation/NDCG@10", "seconds"]
    history = Run(workdir).metrics()
    assert len(history) == 2
    assert out[2].split()[:2] == ["1", f"{history[0]['train/loss']:.4f}"]
    assert any(line.startswith("Curves:") and line.endswith("run/curves.png") for line in out)
    assert (workdir / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert any("tensorboard --logdir=" in line for line in out)
    assert Run(workdir).is_finished


def test_train_with_several_seeds(shop_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/runs", *TINY]
    assert call(train, *flags, "--seeds=3,4") == 0
    out = capsys.readouterr().out
    runs = [Run(tmp_path / "runs" / f"seed_{seed}") for seed in (3, 4)]
    assert [run.config().training.seed for run in runs] == [3, 4]
    kept = [run.metrics()[run.about()["best_epoch"] - 1]["validation/NDCG@10"] for run in runs]
    table = {line.split("  ")[0]: line.split()[-1] for line in out.splitlines() if "  " in line}
    assert [table["seed_3"], table["seed_4"]] == [f"{value:.4f}" for value in kept]
    assert table["mean"] == f"{np.mean(kept):.4f}"
    assert table["standard deviation"] == f"{np.std(kept, ddof=1):.4f}"
    assert call(evaluate, f"--workdir={tmp_path}/runs") == 0
    out = capsys.readouterr().out
    tests = [json.loads((run.workdir / "metrics_test.json").read_text())["HR@5"] for run in runs]
    rows = {line.split("  ")[0]: line.split() for line in out.splitlines()[3:]}
    assert rows["seed_3"][2] == f"{tests[0]:.4f}"
    assert rows["mean"][2] == f"{np.mean(tests):.4f}"
    assert rows["standard deviation"][3] == f"{np.std(tests, ddof=1):.4f}"
    assert "holds a finished run" in refused(capsys, train, *flags, "--seeds=5,4")
    assert not (tmp_path / "runs" / "seed_5").exists()


def test_evaluate_writes_metrics_and_ranks_with_raw_ids(shop_dir, workdir):
    metrics = json.loads((workdir / "metrics_test.json").read_text())
    ranks = pd.read_parquet(workdir / "ranks_test.parquet")
    interactions = storage.load(shop_dir)
    users, items = interactions.held_out["test"].T
    assert ranks["user"].tolist() == interactions.user_ids[users].tolist()
    assert ranks["item"].tolist() == interactions.item_ids[items].tolist()
    assert metrics["HR@5"] == pytest.approx((ranks["rank"] < 5).mean())
    expected = np.where(ranks["rank"] < 10, 1 / np.log2(ranks["rank"] + 2), 0).mean()
    assert metrics["NDCG@10"] == pytest.approx(expected)
    assert (metrics["split"], metrics["protocol"], metrics["mask"]) == ("test", "strict", "target")
    assert metrics["num_pairs"] == len(ranks)


def test_evaluate_measures_groups_apart(workdir, capsys):
    assert call(evaluate, f"--workdir={workdir}", "--groups=2,3") == 0
    out = capsys.readouterr().out
    metrics = json.loads((workdir / "metrics_test.json").read_text())
    groups = metrics["groups"]
    assert list(groups) == ["touched", "<2 buy", "2 buy", ">=3 buy"]  # a shop where all was viewed before
    assert sum(groups[name]["num_pairs"] for name in list(groups)[1:]) == metrics["num_pairs"]
    weighted = sum(groups[name]["num_pairs"] * groups[name]["HR@5"] for name in list(groups)[1:])
    assert weighted / metrics["num_pairs"] == pytest.approx(metrics["HR@5"])
    assert all(f"\n{name} " in out for name in ("all", *groups))


def test_evaluate_with_other_choices(workdir, capsys):
    flags = ["--split=validation", "--mask=none", "--ks=1,40", "--protocol=released"]
    assert call(evaluate, f"--workdir={workdir}", *flags) == 0
    assert "nmtr_neumf, validation, protocol released, mask none" in capsys.readouterr().out
    metrics = json.loads((workdir / "metrics_validation.json").read_text())
    assert metrics["HR@40"] == 1.0
    assert (metrics["protocol"], metrics["mask"]) == ("released", "none")
    assert set(pd.read_parquet(workdir / "ranks_validation.parquet")["num_candidates"]) == {40}


def test_validation_of_the_best_epoch_is_what_training_saw(workdir):
    assert call(evaluate, f"--workdir={workdir}", "--split=validation", "--quiet") == 0
    metrics = json.loads((workdir / "metrics_validation.json").read_text())
    best = Run(workdir).metrics()[metrics["best_epoch"] - 1]
    assert metrics["NDCG@10"] == best["validation/NDCG@10"]


def test_recommend_lists_unbought_items_with_what_was_shown(shop_dir, workdir, capsys):
    assert call(recommend, f"--workdir={workdir}", "--user_ids=user-0001,user-0002", "--k=5") == 0
    out = capsys.readouterr().out
    assert out.count("For user-") == 2
    view = storage.load(shop_dir).training_view()
    row = view.user_ids.tolist().index("user-0001")
    bought = set(view.item_ids[view.target[[row]].indices])
    listed = [line.split()[1] for line in out.split("For user-0002")[0].splitlines() if " item-" in line]
    assert len(listed) == 5
    assert not bought & set(listed)


@pytest.mark.parametrize(
    ("command", "flags", "message"),
    [
        (train, ["--workdir=w"], "--dataset_dir is needed"),
        (train, ["--dataset_dir=nowhere", "--workdir=w"], "no data set here"),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--method=svd"],
            "--method should be one of bpr",
        ),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--behaviors=buy,view"],
            "--behaviors should be a subset",
        ),
        (train, ["--dataset_dir={shop}", "--workdir=w", "--units=gmf"], "--units should name one unit"),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--loss_weights=1/2,1/2"],
            "one weight for each of the 3",
        ),
        (train, ["--dataset_dir={shop}", "--workdir=w", "--loss_weights=a,b,c"], "fractions such as 1/3"),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--loss_weights=.5,.5,.5"],
            "--loss_weights should be at least 0 each and sum to 1",
        ),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--method=mc_bpr", "--behaviors=buy"],
            "expected at least two behaviors. Received: buy",
        ),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--method=mc_bpr", "--channel_weights=1,1,1"],
            "--channel_weights should hold one weight for each of the 2 weaker behaviors",
        ),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--method=cmf", "--train_mode=sequential"],
            "expected an NMTR method and at least two behaviors",
        ),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--train_mode=sequential", "--stage_epochs=1,2"],
            "--stage_epochs should hold one number for each of the 3 behaviors",
        ),
        (train, ["--dataset_dir={shop}", "--workdir=w", "--ks=5"], "--monitor should be a metric"),
        (
            train,
            ["--dataset_dir={shop}", "--workdir=w", "--learning_rate=0"],
            "--learning_rate should be positive",
        ),
        (train, ["--dataset_dir={shop}", "--workdir=w", "--num_epochs=x"], "num_epochs"),
        (train, ["--dataset_dir={shop}", "--workdir={run}"], "holds a finished run"),
        (train, ["--dataset_dir={shop}", "--workdir=w", "--device=gpu"], "TensorFlow sees no GPU"),
        (train, ["--flagfile=nowhere.flags"], "nowhere.flags"),
        (train, ["--dataset_dir={shop}", "--workdir=w", "--seeds=1,1"], "--seeds should be different whole"),
        (train, ["--dataset_dir={shop}", "--workdir=w", "--seeds=a"], "--seeds should be whole numbers"),
        (evaluate, ["--workdir=nowhere"], "expected the directory of a trained run"),
        (evaluate, [], "--workdir is needed"),
        (evaluate, ["--workdir={run}", "--mask=some"], "mask"),
        (recommend, ["--workdir={run}", "--user_ids=nobody"], "'nobody' is no user"),
        (recommend, ["--workdir={run}", "--k=1000"], "more than the 40 items"),
    ],
)
def test_commands_refuse_in_one_line(
    shop_dir, workdir, tmp_path, monkeypatch, capsys, command, flags, message
):
    import tensorflow as tf

    if "--device=gpu" in flags and tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, command, *(flag.format(shop=shop_dir, run=workdir) for flag in flags))
    assert message in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [prepare, train, evaluate, recommend])
def test_help_describes_every_flag(command, capsys):
    assert call(command, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(command.__doc__.strip().splitlines()[0])
    assert all(f"{name}" in out for name in command.FLAGS)
    assert "None" not in out


def test_all_commands_are_listed(capsys):
    assert listing.main() == 0
    listed = dict(re.findall(r"^(\w+)  +(.*)$", capsys.readouterr().out, re.MULTILINE))
    assert {"prepare", "train", "evaluate", "recommend", "export", "tables"} <= listed.keys()
    assert listed["train"] == train.__doc__.splitlines()[0]
    assert not {"cli", "cells", "__main__"} & listed.keys()


def test_a_reader_that_has_enough_is_no_error():
    # The shell's `prepare --help | head -1`, with a reader that reads nothing.
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "experiments.prepare", "--help"]
    finished = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert (finished.returncode, finished.stderr) == (141, b"")


def test_flags_of_one_call_do_not_stick(shop_dir, tmp_path):
    flags = [f"--dataset_dir={shop_dir}", "--quiet", *TINY]
    assert call(train, *flags, f"--workdir={tmp_path}/a", "--seed=7", "--loss_reduction=mean") == 0
    assert call(train, *flags, f"--workdir={tmp_path}/b") == 0
    configs = [Run(tmp_path / name).config().training for name in "ab"]
    assert [(config.seed, config.loss_reduction) for config in configs] == [(7, "mean"), (0, "sum")]


def test_quiet_prints_nothing(shop_dir, tmp_path, capsys):
    capsys.readouterr()
    assert call(train, f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", "--quiet", *TINY) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["bpr", "cmf"])
def test_a_baseline_from_training_to_recommendations(shop_dir, tmp_path, capsys, method):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", f"--method={method}", "--quiet", *TINY]
    assert call(train, *flags, "--item_bias") == 0
    assert Run(tmp_path / "run").config().model.item_bias
    assert call(evaluate, f"--workdir={tmp_path}/run", "--quiet") == 0
    capsys.readouterr()
    assert call(recommend, f"--workdir={tmp_path}/run", "--k=2", "--probabilities") == 0
    head = capsys.readouterr().out
    assert ("probability of cart" in head) == (method == "cmf")
    assert "probability of buy" in head


def test_sequential_training_shows_every_stage(shop_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", *TINY, "--method=nmtr_gmf"]
    assert call(train, *flags, "--train_mode=sequential", "--stage_epochs=1,1,2") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = {row[0]: row[2] for row in rows if len(row) == 5 and row[0].isdigit()}
    assert list(shown) == ["1", "2", "3", "4"]
    assert [value == "-" for value in shown.values()] == [True, True, False, False]


def test_help_says_which_defaults_are_the_methods_own(capsys):
    assert call(train, "--help") == 0
    out = capsys.readouterr().out
    assert "  --[no]item_bias   (default: the method's own)" in out
    assert "  --[no]share_embeddings   (default: the method's own)" in out
    assert "  --overwrite\n" in out
