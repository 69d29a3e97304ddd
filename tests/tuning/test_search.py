"""A search as a call of the library; what is slow, the training, is played by a script."""

import json

import pytest

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.tuning import trial_run
from nmtr_tf.tuning.search import Search, tune

CONFIG = RunConfig().with_options(
    method="nmtr_gmf",
    behaviors=("view", "buy"),
    num_epochs=3,
    ks=(5, 10),
    monitor="NDCG@10",
    loss_reduction="mean",
)
FIXED = ("optimizer", "loss_reduction", "l2_user", "l2_item", "loss_weights")


class Stub:
    """What callbacks need of a model."""

    stop_training = False


@pytest.fixture
def script(monkeypatch):
    """Puts runs in the place of `fit`: a run is its validation value in each epoch; exceptions are raised."""

    def play(*runs):
        left, configs = list(runs), []

        def fit(dataset, config, callbacks):
            configs.append(config)
            run, model = left.pop(0), Stub()
            if isinstance(run, Exception):
                raise run
            for callback in callbacks:
                callback.set_model(model)
                callback.on_train_begin()
            for epoch, value in enumerate(run):
                if isinstance(value, Exception):
                    raise value
                logs = {"train/loss": 1.0, "validation/HR@10": 2 * value, "validation/NDCG@10": value}
                for callback in callbacks:
                    callback.on_epoch_end(epoch, logs)
                if model.stop_training:
                    return

        monkeypatch.setattr(trial_run, "fit", fit)
        return configs

    return play


def test_trials_of_a_search(shop, tmp_path, script):
    configs = script([0.1, 0.3, 0.2], [0.2, 0.1, 0.1])
    calls = []
    record = tune(
        shop,
        CONFIG,
        workdir=tmp_path,
        trials=2,
        fixed=FIXED,
        on_epoch=lambda *call: calls.append(call),
        on_trial=lambda number, trial: calls.append((number, trial.status)),
    )
    table = record.table()
    assert table.value.tolist() == [0.3, 0.2]
    assert table["HR@10"].tolist() == [0.6, 0.4]
    assert table[["best_epoch", "epochs", "seed"]].to_numpy().tolist() == [[2, 3, 0], [1, 3, 0]]
    assert table.curve.tolist() == [[0.1, 0.3, 0.2], [0.2, 0.1, 0.1]]
    assert [config.training.learning_rate for config in configs] == table.learning_rate.tolist()
    assert len(set(table.learning_rate)) == 2
    assert {config.with_options(learning_rate=0.01) for config in configs} == {
        CONFIG.with_options(loss_weights=(), learning_rate=0.01)
    }
    ends = [[(n, 0), (n, 1), (n, 2), (n, 3), (n, "finished")] for n in (1, 2)]
    assert calls == [*ends[0], *ends[1]]
    assert record.directory == tmp_path / "tune" / "data" / "strict" / "nmtr_gmf"


def test_the_flagfile_of_the_best_is_what_the_config_says_and_the_search_found(shop, tmp_path, script):
    script([0.1], [0.3], [0.2, InputError("The loss is nan")])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=3, fixed=FIXED)
    rate = record.table().learning_rate[2]
    assert record.flags_path.read_text().splitlines() == [
        "# NMTR-GMF on data, protocol strict: the best of 3 trials (0 pruned) of tune,",
        "# search random, seed 0: validation NDCG@10 0.3000 at epoch 1 of 1.",
        "--behaviors=view,buy",
        "--method=nmtr_gmf",
        "--num_epochs=3",
        "--monitor=NDCG@10",
        "--ks=5,10",
        "--optimizer=adagrad",
        f"--learning_rate={rate:g}",
        "--loss_reduction=mean",
        "--l2_user=0",
        "--l2_item=0",
        "--loss_weights=",
    ]


def test_lagging_trials_are_stopped_and_are_no_yardstick(shop, tmp_path, script):
    script([0.2, 0.4, 0.4], [0.1, 0.1, 0.9], [0.3, 0.3, 0.9], [0.2, 0.4, 0.3], [0.1, 0.5, 0.5])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=5, fixed=FIXED, warmup_epochs=1, warmup_trials=1)
    assert record.table().status.tolist() == ["finished", "pruned", "pruned", "finished", "finished"]
    assert record.table().epochs.tolist() == [3, 2, 2, 3, 3]
    script([0.0, 0.0, 0.0])
    again = tune(shop, CONFIG, workdir=tmp_path / "all", trials=1, fixed=FIXED, prune=False)
    assert again.table().status.tolist() == ["finished"]


def test_a_trial_that_diverges_is_noted_and_the_search_goes_on(shop, tmp_path, script):
    script([InputError("The loss is nan")], [0.2, InputError("scores that are NaN")], [0.1])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=3, fixed=FIXED)
    assert record.table().status.tolist() == ["diverged", "diverged", "finished"]
    assert record.table().epochs.tolist() == [0, 1, 1]
    assert record.best == record.trials[2:]


def test_what_is_wrong_before_training_begins_is_no_divergence(shop, tmp_path, script):
    script(InputError("`loss` should name a known loss"))
    with pytest.raises(InputError, match="known loss"):
        tune(shop, CONFIG, workdir=tmp_path, fixed=FIXED)
    assert not (tmp_path / "tune").exists() or not list(tmp_path.rglob("trials.csv"))


def test_a_search_goes_on_where_it_stopped(shop, tmp_path, script):
    configs = script([0.1], [0.2], [0.3])
    tune(shop, CONFIG, workdir=tmp_path, trials=2, fixed=FIXED)
    search = Search(shop, CONFIG, workdir=tmp_path, trials=3, fixed=FIXED)
    assert [trial and trial.value for trial in map(search.find, search.points)] == [0.1, 0.2, None]
    search.run(on_epoch=lambda number, epochs: configs.append(number))
    assert configs[2] == 3
    assert search.todo == []
    assert search.record.table().value.tolist() == [0.1, 0.2, 0.3]


def test_no_trial_is_begun_after_max_minutes(shop, tmp_path, script):
    script()
    search = Search(shop, CONFIG, workdir=tmp_path, trials=3, fixed=FIXED)
    search.run(max_minutes=1e-12)
    assert len(search.todo) == 3
    assert not search.record.csv_path.exists()


def test_every_point_of_a_grid(shop, tmp_path):
    search = Search(shop, CONFIG, workdir=tmp_path, search="grid", fixed=FIXED)
    assert [point["learning_rate"] for point in search.points] == [0.001, 0.005, 0.01, 0.02, 0.05]
    assert all(point["loss_weights"] == () for point in search.points)


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({}, {"trials": 0}, "`trials` should be at least 1. Received: 0."),
        ({}, {"search": "bayes"}, "`search` should be one of random, grid. Received: 'bayes'."),
        ({}, {"fixed": ["rate"]}, "`fixed` should name options, .* Received: 'rate'."),
        ({}, {"warmup_epochs": -1}, "`warmup_epochs` should be at least 0"),
        ({}, {"warmup_trials": 0}, "`warmup_trials` should be at least 1"),
        ({}, {"max_minutes": -1}, "`max_minutes` should be at least 0"),
        ({"curve_split": "test"}, {}, "A search never looks at test: `curve_split` is 'test'."),
        ({"validation": "none"}, {}, "A search needs validation pairs: `validation` is 'none'."),
        ({"behaviors": ("buy",), "method": "mc_bpr"}, {}, "expected at least two behaviors"),
        ({"optimizer": Stub()}, {}, "cannot be written down; register it"),
    ],
)
def test_refused(shop, tmp_path, options, arguments, message):
    with pytest.raises(InputError, match=message):
        tune(shop, CONFIG.with_options(**options), workdir=tmp_path / "new", **{"fixed": FIXED, **arguments})
    assert not (tmp_path / "new").exists()


# search.json of the version before this one, and the beginning of its trials.csv.
OLD_ABOUT = {
    "dataset": "data",
    "protocol": "strict",
    "behaviors": "view,buy",
    "validation": "random",
    "method": "nmtr_gmf",
    "units": "",
    "embedding_dim": "64",
    "num_layers": "3",
    "tower_width": "0",
    "dropout": "0",
    "share_embeddings": "None",
    "embedding_stddev": "0.01",
    "item_bias": "None",
    "num_epochs": "3",
    "batch_size": "2048",
    "num_negatives": "4",
    "initial_accumulator": "1e-08",
    "loss": "",
    "l2_unit": "0",
    "beta": "0.2",
    "channel_weights": "",
    "train_mode": "multitask",
    "stage_epochs": "",
    "monitor": "NDCG@10",
    "patience": "10",
    "eval_every": "1",
    "eval_users": "2000",
    "curve_split": "validation",
    "steps_per_call": "32",
    "ks": "5,10",
    "mask": "target",
    "groups": "5,9,13,17,21",
    "eval_memory_mb": "256",
}
OLD_TRIALS = """\
trial,status,value,best_epoch,epochs,seconds,seed,optimizer,learning_rate,loss_reduction,l2_user,l2_item,\
loss_weights,HR@5,NDCG@5,HR@10,NDCG@10,curve
1,finished,0.125,1,2,4.6,0,adagrad,0.01,mean,0,0,,0.2,0.1,0.2,0.125,0.125 0.11
"""


def test_a_search_of_the_version_before_goes_on(shop, tmp_path):
    directory = tmp_path / "tune" / "data" / "strict" / "nmtr_gmf"
    directory.mkdir(parents=True)
    (directory / "search.json").write_text(json.dumps({**OLD_ABOUT, "fingerprint": shop.fingerprint}))
    (directory / "trials.csv").write_text(OLD_TRIALS)
    search = Search(shop, CONFIG, workdir=tmp_path, search="grid", fixed=FIXED)
    assert [point["learning_rate"] for point in search.todo] == [0.001, 0.005, 0.02, 0.05]
    assert search.record.best[0].value == 0.125
