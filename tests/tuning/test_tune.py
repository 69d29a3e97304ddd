"""The command that searches, with real trainings; one search is shared."""

import csv
import json

import pytest
import tensorflow as tf
from conftest import call, refused

from nmtr_tf.cli import train, tune
from nmtr_tf.tuning import trial_run

TINY = ["--embedding_dim=4", "--num_epochs=2", "--ks=5,10", "--monitor=NDCG@10", "--batch_size=512"]
NARROW = ["--optimizer=adagrad", "--l2_user=0", "--l2_item=0", "--loss_reduction=mean"]


@pytest.fixture(scope="module")
def tuned(shop_dir, tmp_path_factory):
    """A search of two learning rates, and what it printed is not looked at."""
    workdir = tmp_path_factory.mktemp("tuned")
    flags = ["--method=bpr", f"--dataset_dir={shop_dir}", f"--workdir={workdir}", *TINY, *NARROW]
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
        assert (row["optimizer"], row["l2_user"], row["loss_reduction"]) == ("adagrad", "0", "mean")


def test_train_reads_the_best_settings_and_gets_the_same_value(tuned, shop_dir, tmp_path):
    workdir, _ = tuned
    best = max(rows_of(workdir), key=lambda row: float(row["value"]))
    flagfile = directory_of(workdir) / "best.flags"
    comment = [line for line in flagfile.read_text().splitlines() if line.startswith("#")]
    assert comment[0].startswith("# BPR on shop, protocol strict: the best of 2 trials (0 pruned)")
    assert f"validation NDCG@10 {float(best['value']):.4f}" in comment[1]
    flags = [f"--flagfile={flagfile}", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", "--quiet"]
    assert call(train, *flags) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["training"]["learning_rate"] == float(best["learning_rate"])
    assert config["training"]["num_epochs"] == 2
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(record["validation/NDCG@10"] for record in metrics) == pytest.approx(float(best["value"]))


def test_the_same_command_again_trains_nothing_and_more_trials_go_on(tuned, monkeypatch, capsys):
    workdir, flags = tuned
    before = rows_of(workdir)
    trained = []
    monkeypatch.setattr(trial_run, "run_trial", lambda *args: trained.append(args))
    assert call(tune, *flags, "--trials=2") == 0
    assert trained == []
    assert (
        "BPR, shop, strict: 2 trials (2 finished, 0 pruned, 0 diverged), the best" in capsys.readouterr().out
    )
    monkeypatch.undo()
    assert call(tune, *flags, "--trials=3") == 0
    rows = rows_of(workdir)
    assert rows[:2] == before
    assert len({row["learning_rate"] for row in rows}) == 3
    line = f"trial 3: finished NDCG@10 {float(rows[2]['value']):.4f}  --optimizer=adagrad --learning_rate="
    assert line in capsys.readouterr().out


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
    assert started.hparams["optimizer"].string_value == "adagrad"
    whole = EventAccumulator(str(events)).Reload()
    content = whole.SummaryMetadata("_hparams_/experiment").plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    assert {info.name for info in experiment.hparam_infos} >= {"learning_rate", "optimizer", "l2_user"}
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


def test_dry_run_lists_the_grid_and_what_was_done(tuned, capsys):
    workdir, flags = tuned
    done = {row["learning_rate"] for row in rows_of(workdir)}
    assert call(tune, *flags, "--search=grid", "--dry_run") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "5 grid points; 5 trials:"
    for rate, line in zip(("0.001", "0.005", "0.01", "0.02", "0.05"), lines, strict=True):
        assert f"--learning_rate={rate} " in line
        assert line.split("--")[0].strip() == ("finished" if rate in done else "to run")


def test_a_loss_that_is_not_finite_is_a_trial_that_diverged(shop_dir, tmp_path):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", "--method=cmf", "--search=grid"]
    assert call(tune, *flags, *TINY, *NARROW, "--learning_rate=1e30", "--loss_weights=1,1,1") == 0
    assert [row["status"] for row in rows_of(tmp_path, "cmf")] == ["diverged"]
    assert not (directory_of(tmp_path, "cmf") / "best.flags").exists()


def test_what_was_not_begun_in_time_is_said(shop_dir, tmp_path, capsys):
    flags = ["--method=bpr", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", *TINY, *NARROW]
    assert call(tune, *flags, "--trials=3", "--max_minutes=1e-12") == 0
    assert "3 trials were not begun within 1e-12 minutes." in capsys.readouterr().out
    assert not (directory_of(tmp_path) / "trials.csv").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--trials=0"], "--trials should be at least 1. Received: 0."),
        (["--method=svd"], "--method should be one of bpr, "),
        (["--search=grid", "--trials=5"], "--trials goes with --search=random"),
        (["--search=bayes"], "search"),
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


def test_tune_refuses_a_workdir_of_another_data_set(tuned, capsys):
    workdir, flags = tuned
    path = directory_of(workdir) / "search.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "fingerprint": "of another"}))
    line = refused(capsys, tune, *flags, "--trials=9")
    path.write_text(json.dumps(about))
    assert "holds trials with fingerprint 'of another'; expected the same, or another --workdir." in line
