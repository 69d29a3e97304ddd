"""Tuning: the grid, pruning, the record of trials, and the command."""

import csv
import json

import pytest
import tensorflow as tf
from conftest import call, refused

from experiments import train, tune
from nmtr_tf.config import ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import METHODS
from nmtr_tf.training import search, trial_run
from nmtr_tf.training.pruning import MedianPruner, median_best
from nmtr_tf.training.trials import Trial, TrialRecord, flag_lines, trial_key

BEHAVIORS = ("view", "cart", "buy")


def space_of(method, behaviors=BEHAVIORS, **model):
    return search.search_space(RunConfig(model=ModelConfig(method, **model)), behaviors)


# The grid


@pytest.mark.parametrize(
    ("method", "size"),
    [
        # optimizers x learning rates x reductions x L2 pairs, then what the method has besides
        ("bpr", 2 * 5 * 2 * 16),
        ("neumf", 320 * 5 * 3),  # layers x dropout
        ("cmf", 320 * (6**3 - 1)),  # weights one by one, without (0, 0, 0)
        ("mc_gmf", 320 * 6),  # beta
        ("nmtr_gmf", 320 * 28),  # lambda
        ("nmtr_neumf", 320 * 28 * 5 * 3),
    ],
)
def test_size_of_the_grid(method, size):
    assert search.size(space_of(method)) == size


def test_dimensions_of_section_iv():
    space = space_of("mc_neumf")
    assert list(space["learning_rate"]) == [0.001, 0.005, 0.01, 0.02, 0.05]
    assert list(space["num_layers"]) == [1, 2, 3, 4, 5]
    assert list(space["dropout"]) == [0, 0.2, 0.5]
    assert list(space["beta"]) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert list(space["l2_item"]) == [0, 1e-6, 1e-5, 1e-4]
    assert "loss_weights" not in space


def test_layers_stop_where_the_tower_has_no_width_left():
    assert list(space_of("mlp", embedding_dim=4)["num_layers"]) == [1, 2, 3]
    assert list(space_of("mlp", embedding_dim=4, tower_width=16)["num_layers"]) == [1, 2, 3, 4, 5]


def test_sequential_training_has_no_weights_to_search():
    config = RunConfig(model=ModelConfig("nmtr_gmf"), training=TrainingConfig(train_mode="sequential"))
    assert "loss_weights" not in search.search_space(config, BEHAVIORS)


def test_steps_of_lambda():
    tenths, sixths = search.simplex(2), search.simplex(3)
    assert tenths == [(i / 10, (10 - i) / 10) for i in range(11)]
    assert len(sixths) == len(set(sixths)) == 28
    assert (2 / 6, 2 / 6, 2 / 6) in sixths
    assert all(sum(weights) == pytest.approx(1) and min(weights) >= 0 for weights in sixths)
    assert search.simplex(1) == [(1.0,)]


def test_random_points_are_different_points_of_the_grid_and_more_of_them_begin_alike():
    space = {"a": (1, 2, 3), "b": ("x", "y")}
    everything = list(search.grid_points(space))
    assert everything[:3] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}]
    drawn = search.random_points(space, 6, seed=1)
    assert sorted(map(str, drawn)) == sorted(map(str, everything))
    assert search.random_points(space, 4, seed=1) == drawn[:4]
    assert search.random_points(space, 100, seed=1) == drawn
    assert search.random_points(space, 6, seed=2) != drawn


@pytest.mark.parametrize("method", METHODS)
def test_points_make_valid_configs(method):
    config = RunConfig(model=ModelConfig(method))
    for point in search.random_points(search.search_space(config, BEHAVIORS), 20, seed=0):
        made = search.with_settings(config, point)
        for name, value in point.items():
            section = made.model if name in ("num_layers", "dropout") else made.training
            assert getattr(section, name) == value
        assert made.model.method == method


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01, "0.01"),
        (1e-05, "1e-05"),
        (0.0, "0"),
        (3, "3"),
        (True, "true"),
        ("adam", "adam"),
        ((1 / 6, 2 / 6, 0.5), "1/6,1/3,0.5"),
        (("view", "buy"), "view,buy"),
        ((), ""),
    ],
)
def test_text_of_a_flag(value, text):
    assert search.flag_text(value) == text


# Pruning


def test_median_of_the_best_so_far_by_hand():
    curves = [[0.1, 0.5, 0.2], [0.3, 0.3], [0.2, 0.1, 0.9]]
    assert median_best(curves, 1) == 0.2
    assert median_best(curves, 2) == 0.3  # .5, .3, .2
    assert median_best(curves, 3) == 0.5  # .5, .3 (stopped early), .9


class Stub:
    """What the callback needs of a model."""

    stop_training = False


def pruned_at(values, curves, warmup_epochs=0, warmup_trials=1):
    """Number of the evaluation at which a trial with these values is stopped; None: never."""
    pruner = MedianPruner("m", curves, warmup_epochs, warmup_trials)
    pruner.set_model(Stub())
    for epoch, value in enumerate(values):
        pruner.on_epoch_end(epoch, {} if value is None else {"m": value})
        assert pruner.pruned == pruner.model.stop_training
        if pruner.pruned:
            return len(pruner.curve)
    return None


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.1, 0.1, 0.1], {}, 1),
        ([0.3, 0.1, 0.4, 0.1], {}, 4),  # a dip is forgiven: the best so far counts
        ([0.2, 0.3, 0.4], {}, None),  # level with the median is not below it
        ([0.1, 0.1, 0.1], {"warmup_epochs": 2}, 3),
        ([0.1, 0.1, 0.1], {"warmup_trials": 4}, None),
        ([None, 0.1, 0.1], {}, 1),  # an epoch without evaluation is passed over
    ],
)
def test_pruning_by_hand(values, options, expected):
    curves = [[0.1, 0.2, 0.3, 0.3], [0.2, 0.3, 0.4, 0.5], [0.3, 0.5, 0.6, 0.7]]
    assert pruned_at(values, curves, **options) == expected


def test_nothing_is_pruned_without_finished_trials():
    assert pruned_at([0.0], []) is None


# The record


def a_trial(value, status="finished", seed=0, **settings):
    curve = [] if value is None else [value / 2, value]
    metrics = {} if value is None else {"HR@5": 2 * value, "HR@10": 3 * value, "NDCG@5": value}
    return Trial(settings, seed, status, curve, metrics, len(curve), 2, 1.5)


def test_trials_come_back_from_the_file(tmp_path):
    record = TrialRecord(tmp_path / "new", ["optimizer", "loss_weights"], {"dataset": "shop"})
    trials = [
        a_trial(0.1, optimizer="adam", loss_weights="1/6,5/6"),
        a_trial(0.3, "pruned", optimizer="adagrad", loss_weights="1,0"),
        a_trial(None, "diverged", optimizer="adam", loss_weights="0,1"),
        a_trial(0.2, seed=7, optimizer="adam", loss_weights="1/6,5/6"),
    ]
    for trial in trials:
        record.add(trial)
    again = TrialRecord(tmp_path / "new", ["optimizer", "loss_weights"], {"dataset": "shop"})
    assert again.trials == trials
    assert again.best == [trials[3], trials[0]]  # what was pruned is no candidate
    assert again.find(trial_key({"loss_weights": (1 / 6, 5 / 6), "optimizer": "adam"}, 7)) == trials[3]
    assert again.find(trial_key({"loss_weights": (1 / 6, 5 / 6), "optimizer": "adam"}, 8)) is None
    columns = (tmp_path / "new" / "trials.csv").read_text().splitlines()[0].split(",")
    assert columns[:7] == ["trial", "status", "value", "best_epoch", "epochs", "seconds", "seed"]
    assert columns[7:] == ["optimizer", "loss_weights", "HR@5", "NDCG@5", "HR@10", "curve"]


def test_a_record_of_another_search_is_refused(tmp_path):
    TrialRecord(tmp_path, ["beta"], {"fingerprint": "a", "num_epochs": "5"}).add(a_trial(0.1, beta="0.2"))
    with pytest.raises(InputError, match=r"holds trials with num_epochs '5'; .* Received: '6'"):
        TrialRecord(tmp_path, ["beta"], {"fingerprint": "a", "num_epochs": "6"})
    with pytest.raises(InputError, match=r"trials.csv: expected a column 'dropout'"):
        TrialRecord(tmp_path, ["dropout"], {"fingerprint": "a", "num_epochs": "5"})


def test_a_damaged_record_is_refused(tmp_path):
    TrialRecord(tmp_path, ["beta"], {}).add(a_trial(0.1, beta="0.2"))
    path = tmp_path / "trials.csv"
    path.write_text(path.read_text().replace("finished", "done"))
    with pytest.raises(InputError, match=r"trials.csv, line 2: not a row of a trial"):
        TrialRecord(tmp_path, ["beta"], {})


def test_flagfile_lines_hold_what_is_not_the_default():
    config = RunConfig(
        model=ModelConfig("nmtr_gmf", share_embeddings=False),
        training=TrainingConfig(num_epochs=7, seed=3, loss_weights=(0.5, 0.5), learning_rate=0.02),
    )
    lines = ["--method=nmtr_gmf", "--share_embeddings=false", "--num_epochs=7", "--learning_rate=0.02"]
    assert flag_lines(config, without=["loss_weights"]) == lines


# The command

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
    assert call(tune, *flags, "--trials=3", "--quiet") == 0
    rows = rows_of(workdir)
    assert rows[:2] == before
    assert len({row["learning_rate"] for row in rows}) == 3


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


def test_dry_run_lists_the_grid_and_what_was_done(tuned, capsys):
    workdir, flags = tuned
    done = {row["learning_rate"] for row in rows_of(workdir)}
    assert call(tune, *flags, "--search=grid", "--dry_run") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "5 grid points; 5 trials:"
    for rate, line in zip(("0.001", "0.005", "0.01", "0.02", "0.05"), lines, strict=True):
        assert f"--learning_rate={rate} " in line
        assert line.split("--")[0].strip() == ("finished" if rate in done else "to run")


def test_lagging_trials_are_pruned(shop_dir, tmp_path):
    flags = [
        f"--dataset_dir={shop_dir}",
        f"--workdir={tmp_path}",
        "--method=nmtr_gmf",
        "--behaviors=view,buy",
    ]
    fixed = [*TINY, *NARROW, "--learning_rate=0.05", "--warmup_epochs=0", "--warmup_trials=1", "--quiet"]
    assert call(tune, *flags, *fixed, "--trials=3") == 0
    rows = rows_of(tmp_path, "nmtr_gmf")
    finished: list[list[float]] = []
    for row in rows:
        curve = [float(value) for value in row["curve"].split()]
        medians = [median_best(finished, e) if finished else 0 for e in range(1, len(curve) + 1)]
        lags = [max(curve[:e]) < median for e, median in enumerate(medians, 1)]
        assert row["status"] == ("pruned" if any(lags) else "finished")
        assert not any(lags[:-1])
        finished += [curve] * (row["status"] == "finished")
    assert {row["status"] for row in rows} == {"finished", "pruned"}


def test_a_trial_that_diverges_is_noted_and_the_search_goes_on(shop_dir, tmp_path):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", "--method=cmf", "--search=grid"]
    fixed = [*TINY, *NARROW[:3], "--learning_rate=1e30", "--loss_weights=1,1,1"]
    assert call(tune, *flags, *fixed) == 0
    rows = rows_of(tmp_path, "cmf")
    assert [row["status"] for row in rows] == ["diverged", "diverged"]  # sum and mean
    assert not (directory_of(tmp_path, "cmf") / "best.flags").exists()


def test_no_trial_is_begun_after_max_minutes(shop_dir, tmp_path, capsys):
    flags = ["--method=bpr", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", *TINY, *NARROW]
    assert call(tune, *flags, "--trials=3", "--max_minutes=1e-9") == 0
    assert "3 trials were not begun" in capsys.readouterr().out
    assert not (directory_of(tmp_path) / "trials.csv").exists()


def test_test_pairs_are_out_of_sight(shop_dir, tmp_path, monkeypatch):
    seen = []

    def look(config, view, *rest):
        seen.append((config, view))
        raise KeyboardInterrupt

    monkeypatch.setattr(trial_run, "run_trial", look)
    flags = ["--method=bpr", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", *TINY]
    assert call(tune, *flags, "--quiet") == 130
    ((config, view),) = seen
    assert len(view.held_out["validation"]) > 0
    assert len(view.held_out["test"]) == 0
    assert config.training.curve_split == "validation"


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
    assert "holds trials with fingerprint 'of another'" in line
