"""The command that searches, with real trainings; one search is shared."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf
from conftest import call, refused

from nmtr_tf.cli import train, tune
from nmtr_tf.tuning import trial_run

TINY = ["--embedding_dim=4", "--num_epochs=2", "--ks=5,10", "--monitor=NDCG@10", "--batch_size=512"]


@pytest.fixture(scope="module")
def tuned(shop_dir, tmp_path_factory):
    """A search of two trials, and what it printed is not looked at."""
    workdir = tmp_path_factory.mktemp("tuned")
    flags = ["--method=bpr", f"--dataset_dir={shop_dir}", f"--workdir={workdir}", *TINY]
    flags += ["--search=learning_rate,optimizer", "--l2_user=0.001"]
    assert call(tune, *flags, "--trials=2", "--quiet") == 0
    return workdir, flags


def directory_of(workdir, method="bpr"):
    return workdir / "tune" / "shop" / "strict" / method


def rows_of(workdir, method="bpr"):
    with (directory_of(workdir, method) / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_tune_writes_a_row_a_trial(tuned):
    rows = rows_of(tuned[0])
    assert [row["trial"] for row in rows] == ["1", "2"]
    assert len({row["learning_rate"] for row in rows}) == 2
    for row in rows:
        curve = [float(value) for value in row["curve"].split()]
        assert (row["status"], row["seed"], row["epochs"]) == ("finished", "0", str(len(curve)))
        assert float(row["value"]) == float(row["NDCG@10"]) == max(curve)
        assert curve[int(row["best_epoch"]) - 1] == max(curve)
        assert row["optimizer"] in ("adagrad", "adam")


def test_train_reads_the_best_settings_and_gets_the_same_value(tuned, shop_dir, tmp_path):
    workdir, _ = tuned
    best = max(rows_of(workdir), key=lambda row: float(row["value"]))
    flagfile = directory_of(workdir) / "best.flags"
    comment = [line for line in flagfile.read_text().splitlines() if line.startswith("#")]
    assert comment[0].startswith("# BPR, shop, strict: the best of 2 trials (2 finished, 0 pruned, 0 div")
    assert f"validation NDCG@10 {float(best['value']):.4f}" in comment[1]
    flags = [f"--flagfile={flagfile}", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", "--quiet"]
    assert call(train, *flags) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["training"]["learning_rate"] == float(best["learning_rate"])
    assert (config["training"]["num_epochs"], config["training"]["l2_user"]) == (2, 0.001)
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(record["validation/NDCG@10"] for record in metrics) == pytest.approx(float(best["value"]))


@pytest.mark.slow
def test_the_same_command_again_trains_nothing_and_more_trials_go_on(tuned, monkeypatch, capsys):
    workdir, flags = tuned
    before = rows_of(workdir)
    trained = []
    monkeypatch.setattr(trial_run, "fit", lambda *args: trained.append(args))
    assert call(tune, *flags, "--trials=2") == 0
    assert trained == []
    out = capsys.readouterr().out
    assert out.startswith("BPR, shop, strict: 2 trials, 2 done\n  learning_rate  0.001 to 0.3, logarithmic\n")
    assert "BPR, shop, strict: 2 trials (2 finished, 0 pruned, 0 diverged), the best" in out
    monkeypatch.undo()
    assert call(tune, *flags, "--trials=3") == 0
    rows = rows_of(workdir)
    assert rows[:2] == before
    assert len({row["learning_rate"] for row in rows}) == 3
    printed = capsys.readouterr()
    assert f"trial 3: finished NDCG@10 {float(rows[2]['value']):.4f}  --learning_rate=" in printed.out
    assert f"--flagfile={directory_of(workdir)}/best.flags --dataset_dir=... --workdir=..." in printed.out
    assert printed.err == ""


def test_the_best_settings_begin_a_second_search(tuned, shop_dir, tmp_path, capsys):
    flags = [f"--flagfile={directory_of(tuned[0])}/best.flags", f"--dataset_dir={shop_dir}"]
    flags += [f"--workdir={tmp_path}", "--search=num_negatives,l2_user", "--dry_run"]
    assert call(tune, *flags) == 0
    assert capsys.readouterr().out == (
        "BPR, shop, strict: 20 trials, 0 done\n"
        "  l2_user        0, or 0.0001 to 0.1, logarithmic\n"
        "  num_negatives  1 to 8\n"
    )
    assert not list(tmp_path.iterdir())


def test_hparams_are_read_back(tuned):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    events = directory_of(tuned[0]) / "events"
    row = rows_of(tuned[0])[0]
    trial = EventAccumulator(str(events / "trial_1")).Reload()
    best = trial.Tensors("best/NDCG@10")
    assert best[0].step == int(row["best_epoch"])
    assert tf.make_ndarray(best[0].tensor_proto) == pytest.approx(float(row["value"]))
    assert len(trial.Tensors("train/loss")) == 2
    content = trial.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert started.hparams["learning_rate"].number_value == float(row["learning_rate"])
    assert started.hparams["optimizer"].string_value == row["optimizer"]
    whole = EventAccumulator(str(events)).Reload()
    content = whole.SummaryMetadata("_hparams_/experiment").plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    assert {info.name for info in experiment.hparam_infos} == {"learning_rate", "optimizer"}
    assert experiment.metric_infos[0].name.tag == "best/NDCG@10"


def test_no_trial_has_a_number_of_test(tuned):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = directory_of(tuned[0]) / "events"
    tags = {
        tag
        for folder in sorted(events.glob("trial_*"))
        for tag in EventAccumulator(str(folder)).Reload().Tags()["tensors"]
    }
    assert {"train/loss", "validation/NDCG@10", "best/NDCG@10"} <= tags
    assert not [tag for tag in tags if "test" in tag]


@pytest.mark.slow
def test_a_search_in_which_all_diverges_ends_in_a_line(shop_dir, tmp_path, capsys):
    flags = ["--method=cmf", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", *TINY, "--trials=1"]
    assert call(tune, *flags, "--loss_weights=1,1,1", "--space=learning_rate=1e30", "--sampler=grid") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(
        "error: All trials (1) diverged, their loss was not finite: search a smaller --l"
    )
    assert printed.err.count("\n") == 1
    assert [row["status"] for row in rows_of(tmp_path, "cmf")] == ["diverged"]
    assert not (directory_of(tmp_path, "cmf") / "best.flags").exists()


def test_what_was_not_begun_in_time_is_said(shop_dir, tmp_path, capsys):
    flags = ["--method=bpr", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", *TINY]
    assert call(tune, *flags, "--trials=3", "--max_minutes=1e-12") == 0
    assert "3 trials have not ended; the same command goes on." in capsys.readouterr().out
    assert not (directory_of(tmp_path) / "trials.csv").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--trials=-1"], "--trials should be at least 0. Received: -1."),
        (["--method=svd"], "--method should be one of bpr, "),
        (["--sampler=bayes"], "sampler"),
        (
            ["--search=random"],
            "--search should name options of BPR, such as --learning_rate; others need the",
        ),
        (
            ["--space=l2_user=often"],
            "--space should be options with a range or values, such as learning_rate=",
        ),
        (["--curve_split=test"], "curve_split"),
        (["--validation=none"], "validation"),
        (["--method=mc_bpr", "--behaviors=buy"], "expected at least two behaviors"),
        (["--learning_rate=-1"], "--learning_rate should be positive"),
        (["--dataset_dir=/nowhere"], "/nowhere"),
    ],
)
def test_tune_refuses(shop_dir, tmp_path, capsys, flags, message):
    usual = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/new", "--method=bpr", *TINY]
    assert message in refused(capsys, tune, *usual, *flags)
    assert not (tmp_path / "new").exists()


def started(*flags, before="pass"):
    code = f"import sys; {before}; from nmtr_tf.cli.main import main; sys.exit(main(sys.argv))"
    return subprocess.Popen(
        [sys.executable, "-c", code, "tune", *map(str, flags)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_optuna_a_line_says_what_to_install(shop_dir, tmp_path):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}"]
    with started(*flags, before="sys.modules['optuna'] = None") as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err == "error: A search needs the package optuna: pip install 'optuna>=4'\n"
    with started("--help", before="sys.modules['optuna'] = None") as process:
        assert "--sampler=tpe|random|grid" in process.communicate()[0]


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_and_two_processes_share_it(shop_dir, tmp_path):
    flags = ["--method=bpr", f"--dataset_dir={shop_dir}", *TINY, "--num_epochs=20", "--sampler=random"]
    flags.append("--pruner=none")  # which would heed what the others have done
    assert call(tune, *flags, f"--workdir={tmp_path}/whole", "--trials=6", "--quiet") == 0
    flags += [f"--workdir={tmp_path}/killed", "--trials=6"]
    with started(*flags) as first:
        for line in first.stdout:
            if line.startswith("trial 2:"):
                break
        time.sleep(0.3)  # in the middle of the third
        os.kill(first.pid, signal.SIGKILL)
    assert 2 <= len(rows_of(tmp_path / "killed")) <= 3
    with started(*flags) as one, started(*flags) as other:
        outputs = [process.communicate() for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0]
    assert [err for _, err in outputs] == ["", ""]
    whole, killed = rows_of(tmp_path / "whole"), rows_of(tmp_path / "killed")
    assert len(killed) == 6
    assert [{**row, "seconds": ""} for row in killed] == [{**row, "seconds": ""} for row in whole]
