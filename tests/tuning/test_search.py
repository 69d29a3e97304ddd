"""A search as a call of the library; what is slow, the training, is played by a script."""

import json
import shutil
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.events import write_trial
from nmtr_tf.runs import fit
from nmtr_tf.tuning.search import tune

CONFIG = RunConfig().with_options(
    method="nmtr_gmf", behaviors=("view", "buy"), num_epochs=3, ks=(5, 10), monitor="NDCG@10"
)
RATE: dict[str, Any] = {"search": ("learning_rate",)}
HISTORY: dict[str, Any] = {"objective": "whole_data", "user_rows": "history", "history_alpha": 0.7}


def test_trials_of_a_search(shop, tmp_path, script):
    configs = script([0.1, 0.3, 0.2], [0.2, None, 0.1])
    calls: list[Any] = []
    record = tune(
        shop,
        CONFIG,
        workdir=tmp_path,
        trials=2,
        **RATE,
        on_start=lambda record: calls.append(list(record.space)),
        on_epoch=lambda *call: calls.append(call),
        on_trial=lambda trial: calls.append((trial.number, trial.status)),
    )
    table = record.table()
    assert table.value.tolist() == [0.3, 0.2]
    assert table["HR@10"].tolist() == [0.6, 0.4]
    assert table[["best_epoch", "epochs", "seed"]].to_numpy().tolist() == [[2, 3, 0], [1, 3, 0]]
    assert table.curve.tolist() == [[0.1, 0.3, 0.2], [0.2, 0.1]]
    assert [config.training.learning_rate for config in configs] == table.learning_rate.tolist()
    assert len(set(table.learning_rate)) == 2
    assert record.best[0].options == {"learning_rate": table.learning_rate[1]}
    ends = [[(n, 0), (n, 1), (n, 2), (n, 3), (n, "finished")] for n in (1, 2)]
    assert calls == [["learning_rate"], *ends[0], *ends[1]]
    assert record.directory == tmp_path / "tune" / "data" / "strict" / "nmtr_gmf"
    files = {"trials.csv", "search.json", "best.flags", "search.png", "search.db", "events", ".locks"}
    assert {path.name for path in record.directory.iterdir()} == files


def test_all_trials_are_ranked_for_the_same_users_and_the_final_run_for_all(shop, tmp_path, script):
    configs = script([0.1], [0.2])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=2, validation_users=30, **RATE)
    assert {(one.training.eval_users, one.training.eval_sample) for one in configs} == {(30, "always")}
    rate = record.table().learning_rate[2]
    assert record.flags_path.read_text().splitlines()[2:] == [
        "--behaviors=view,buy",
        "--method=nmtr_gmf",
        "--num_epochs=3",
        "--monitor=NDCG@10",
        "--ks=5,10",
        f"--learning_rate={rate:g}",
    ]


def test_options_that_are_given_are_not_searched(shop, tmp_path, script):
    configs = script([0.1])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=1, l2_user=0.5, num_negatives=2)
    assert list(record.space) == ["learning_rate", "loss_reduction", "l2_item", "loss_weights"]
    assert (configs[0].training.l2_user, configs[0].training.num_negatives) == (0.5, 2)


def test_a_second_search_for_what_the_first_left(shop, tmp_path, script):
    script([0.1], [0.3])
    first = tune(shop, CONFIG, workdir=tmp_path / "1", trials=2, search=("learning_rate", "l2_user"))
    configs = script([0.1])
    tune(shop, CONFIG, workdir=tmp_path / "2", trials=1, search=("embedding_dim",), **first.best[0].options)
    assert {name: getattr(configs[0].training, name) for name in first.space} == first.best[0].options
    assert configs[0].model.embedding_dim in (64, 128, 256)


def test_options_of_every_section_are_written_down(shop, tmp_path, script):
    script([0.1])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=1, **HISTORY, **RATE)
    assert {f"--{name}={value}" for name, value in HISTORY.items()} <= set(
        record.flags_path.read_text().splitlines()
    )
    about = json.loads((record.directory / "search.json").read_text())["about"]
    sections = [vars(section) for section in vars(CONFIG).values()]
    elsewhere = {"dataset_dir", "device"}
    assert {name for section in sections for name in section} <= set(about) | elsewhere


def test_several_seeds_a_trial(shop, tmp_path, script):
    configs = script([0.1, 0.3], [0.2, 0.1], [0.4], [0.5, InputError("The loss is nan")])
    epochs = []
    record = tune(
        shop,
        CONFIG,
        workdir=tmp_path,
        trials=2,
        seeds_per_trial=2,
        seed=5,
        on_epoch=lambda *call: epochs.append(call),
        **RATE,
    )
    assert [config.training.seed for config in configs] == [5, 6, 5, 6]
    assert configs[0].training.learning_rate == configs[1].training.learning_rate
    first, second = record.trials
    assert (first.value, first.values) == (pytest.approx(0.25), [0.3, 0.2])
    assert first.metrics["HR@10"] == pytest.approx(0.5)
    assert (first.best_epoch, first.epochs, first.curve) == (2, 4, [0.1, 0.3])
    assert (second.status, second.values) == ("diverged", [0.4, 0.5])
    assert (1, 4) in epochs
    assert record.num_epochs == 6


def test_lagging_trials_are_stopped_with_their_first_seed(shop, tmp_path, script):
    script([0.2, 0.4], [0.3, 0.3], [0.1, 0.9])
    options: dict[str, Any] = {"warmup_epochs": 0, "warmup_trials": 1, "seeds_per_trial": 2}
    record = tune(shop, CONFIG, workdir=tmp_path, trials=2, **options, **RATE)
    assert record.table().status.tolist() == ["finished", "pruned"]
    assert record.table().epochs.tolist() == [4, 1]


def test_a_trial_that_diverges_is_noted_and_the_search_goes_on(shop, tmp_path, script):
    script([InputError("The loss is nan")], [0.2, InputError("scores that are NaN")], [0.1])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=3, **RATE)
    assert record.table().status.tolist() == ["diverged", "diverged", "finished"]
    assert record.table().epochs.tolist() == [0, 1, 1]
    assert record.best == record.trials[2:]


def test_a_search_of_which_nothing_is_left_says_so(shop, tmp_path, script):
    script([InputError("The loss is nan")], [InputError("The loss is nan")])
    for _ in range(2):  # the second finds nothing to do
        with pytest.raises(
            InputError, match=r"All trials \(2\) diverged, .* `learning_rate`\. See .*trials.csv"
        ):
            tune(shop, CONFIG, workdir=tmp_path, trials=2, **RATE)
    assert len(list(tmp_path.rglob("trials.csv"))) == len(list(tmp_path.rglob("search.png"))) == 1


def test_what_is_wrong_before_training_begins_is_no_divergence(shop, tmp_path, script):
    script(InputError("`loss` should name a known loss"))
    with pytest.raises(InputError, match="known loss"):
        tune(shop, CONFIG, workdir=tmp_path, **RATE)
    assert not list(tmp_path.rglob("trials.csv"))


def test_a_search_goes_on_where_it_stopped(shop, tmp_path, script):
    script([0.1], [0.2])
    tune(shop, CONFIG, workdir=tmp_path, trials=2, **RATE)
    found: list[Any] = []
    script([0.3])
    record = tune(
        shop, CONFIG, workdir=tmp_path, trials=3, on_start=lambda one: found.extend(one.trials), **RATE
    )
    assert [trial.value for trial in found] == [0.1, 0.2]
    assert record.table().value.tolist() == [0.1, 0.2, 0.3]


def without_database(record):
    for path in record.directory.glob("*"):
        if path.name not in ("trials.csv", "search.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(record.directory / ".locks", ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_goes_on_from_the_files_one_commits(shop, tmp_path, script, sampler):
    """As one that was never interrupted: what is drawn, what is stopped, what is written."""
    runs: list[Any] = [
        [0.1, 0.3],
        [0.2, None, 0.1],
        [0.05, 0.9],
        [InputError("nan")],
        [0.1, InputError("nan")],
    ]
    runs += [[0.11 + place / 100, 0.2] for place in range(10)]
    options: dict[str, Any] = {"sampler": sampler, "warmup_epochs": 0, "warmup_trials": 1}
    wanted: dict[str, Any] = {**options, "search": ("learning_rate", "l2_user", "loss_weights", "dropout")}
    wanted["behaviors"], wanted["method"] = ("view", "cart", "buy"), "nmtr_mlp"
    script(*runs)
    whole = tune(shop, CONFIG, workdir=tmp_path / "whole", trials=len(runs), **wanted)
    script(*runs[:12])
    parts = tune(shop, CONFIG, workdir=tmp_path / "parts", trials=12, **wanted)
    assert {trial.status for trial in parts.trials} == {"finished", "pruned", "diverged"}
    committed = (parts.directory / "search.json").read_bytes(), parts.csv_path.read_bytes()
    without_database(parts)
    found: list[Any] = []
    dry = tune(shop, CONFIG, workdir=tmp_path / "parts", trials=12, dry_run=True, **wanted)
    assert not (parts.directory / "search.db").exists()
    script(*runs[12:])
    again = tune(
        shop,
        CONFIG,
        workdir=tmp_path / "parts",
        trials=len(runs),
        on_start=lambda one: found.extend(one.trials),
        **wanted,
    )
    for seen in (dry.trials, found):
        assert [rounded(trial) for trial in seen] == [rounded(trial) for trial in parts.trials]
    assert [rounded(trial, 0) for trial in again.trials] == [rounded(trial, 0) for trial in whole.trials]
    assert again.flags_path.read_text() == whole.flags_path.read_text()
    # Nothing is lost on the way: without new trials the two files come out as they went in.
    without_database(again)
    for name, content in zip(("search.json", "trials.csv"), committed, strict=True):
        (again.directory / name).write_bytes(content)
    script(InputError("`loss` is wrong"))
    with pytest.raises(InputError, match="is wrong"):
        tune(shop, CONFIG, workdir=tmp_path / "parts", trials=13, **wanted)
    assert ((again.directory / "search.json").read_bytes(), again.csv_path.read_bytes()) == committed


@pytest.mark.parametrize(
    "missing", [("best.flags", "search.png"), ("trials.csv", "search.json", "best.flags")]
)
def test_what_is_made_of_the_trials_is_written_anew_though_none_is_left(shop, tmp_path, script, missing):
    """As after a search that was killed once its last trial had ended."""
    script([0.1], [0.2])
    directory = tune(shop, CONFIG, workdir=tmp_path, trials=2, **RATE).directory
    kept = {name: (directory / name).read_bytes() for name in ("best.flags", "trials.csv", "search.json")}
    for name in missing:
        (directory / name).unlink()
    (directory / "search.png").unlink(missing_ok=True)
    script()
    tune(shop, CONFIG, workdir=tmp_path, trials=2, **RATE)
    assert {name: (directory / name).read_bytes() for name in kept} == kept
    assert (directory / "search.png").exists()


def test_events_of_a_trial_that_was_cut_are_replaced(tmp_path):
    history = [{"epoch": 1, "validation/NDCG@10": 0.5}]
    for _ in range(2):
        write_trial(tmp_path, "trial_1", {"l2_user": 0.1}, history, "NDCG@10")
    assert len(list((tmp_path / "trial_1").iterdir())) == 1


def rounded(trial, digits=1):
    """Plain values of a trial; of its seconds trials.csv has one digit, and no two runs take the same."""
    return {**trial.to_json(), "seconds": round(trial.seconds, 1) * digits}


def test_with_several_seeds_too(shop, tmp_path, script):
    script([0.1, 0.3], [0.2, 0.1], [0.4], [InputError("The loss is nan")])
    options: dict[str, Any] = {"seeds_per_trial": 2, **RATE}
    record = tune(shop, CONFIG, workdir=tmp_path, trials=2, **options)
    without_database(record)
    found = tune(shop, CONFIG, workdir=tmp_path, trials=2, dry_run=True, **options)
    assert [rounded(trial) for trial in found.trials] == [rounded(trial) for trial in record.trials]
    assert [trial.values for trial in found.trials] == [[0.3, 0.2], [0.4]]


def test_files_that_do_not_fit_are_refused_in_one_line(shop, tmp_path, script):
    script([0.1], [0.2])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=2, **RATE)
    without_database(record)
    with pytest.raises(InputError, match="holds trials with num_epochs '3'; expected the same, or another"):
        tune(shop, CONFIG, workdir=tmp_path, num_epochs=9, **RATE)
    header, first, second = record.csv_path.read_text().splitlines()
    damaged = {
        "line 3: expected a trial that search.json knows, as the search": [
            first,
            second.replace("2", "9", 1),
        ],
        "line 2: expected a trial that search.json knows": [first.replace("finished", "begun")],
        "expected a row a trial. Received: trial 1 twice": [first, first],
    }
    for message, rows in damaged.items():
        record.csv_path.write_text("\n".join([header, *rows]))
        with pytest.raises(InputError, match=message):
            tune(shop, CONFIG, workdir=tmp_path, **RATE)
    (record.directory / "search.json").unlink()
    with pytest.raises(InputError, match=r"has a trials\.csv and no search\.json, nor a search\.db"):
        tune(shop, CONFIG, workdir=tmp_path, **RATE)
    assert {path.name for path in record.directory.iterdir()} == {"trials.csv"}


def test_an_option_that_came_since_is_at_its_default(shop, tmp_path, script):
    script([0.1], [0.2])
    record = tune(shop, CONFIG, workdir=tmp_path, trials=1, **RATE)
    without_database(record)
    identity = record.directory / "search.json"
    entries = json.loads(identity.read_text())
    assert entries["about"].pop("history_alpha") == "0.5"
    identity.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"holds trials with history_alpha '0\.5'; expected the same"):
        tune(shop, CONFIG, workdir=tmp_path, **HISTORY, **RATE)
    assert len(tune(shop, CONFIG, workdir=tmp_path, trials=2, **RATE).trials) == 2


def test_a_search_of_something_else_does_not_go_on(shop, tmp_path, script):
    script([0.1])
    tune(shop, CONFIG, workdir=tmp_path, trials=1, **RATE)
    other: dict[str, dict[str, Any]] = {
        "num_epochs '3'": {"num_epochs": 9},
        "seed '0'": {"seed": 1},
        "seeds_per_trial '1'": {"seeds_per_trial": 2},
        "eval_users '4000'": {"validation_users": 9},
        "l2_user '0'": {"search": ("l2_user",)},
        "learning_rate '0.001 to 0.3, logarithmic'": {"space": ("learning_rate=0.1:0.2",)},
    }
    for name, options in other.items():
        with pytest.raises(InputError, match=f"holds trials with {name}; expected the same, or another"):
            tune(shop, CONFIG, workdir=tmp_path, **{**RATE, **options})


def test_a_dry_run_writes_nothing(shop, tmp_path):
    record = tune(shop, CONFIG, workdir=tmp_path / "new", sampler="grid", dry_run=True, **RATE)
    assert record.num_trials == 5
    assert record.space == {"learning_rate": "0.001 | 0.005 | 0.01 | 0.02 | 0.05"}
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": -1}, "`trials` should be at least 0. Received: -1."),
        ({"sampler": "bayes"}, "`sampler` should be one of 'tpe', 'random', 'grid'. Received: 'bayes'."),
        ({"pruner": "best"}, "`pruner` should be one of 'none', 'median', 'hyperband'"),
        ({"search": ("rate",)}, "`search` should name options .* Received: 'rate'."),
        ({"space": ("rate=1",)}, "`space` names no option that can be searched, 'rate'"),
        ({"warmup_epochs": -1}, "`warmup_epochs` should be at least 0"),
        ({"warmup_trials": 0}, "`warmup_trials` should be at least 1"),
        ({"seeds_per_trial": 0}, "`seeds_per_trial` should be at least 1"),
        ({"max_minutes": -1}, "`max_minutes` should be at least 0"),
        ({"curve_split": "test"}, "A search never looks at test: `curve_split` is 'test'."),
        ({"validation": "none"}, "A search needs validation pairs: `validation` is 'none'."),
        ({"behaviors": ("buy",), "method": "mc_bpr"}, "expected at least two behaviors"),
        ({"optimizer": object()}, "cannot be written down; register it"),
        ({"rate": 1}, "There is no option `rate`"),
    ],
)
def test_refused(shop, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        tune(shop, CONFIG, workdir=tmp_path / "new", **{**RATE, **options})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("workdir", ["file", "file/below"])
def test_a_workdir_that_cannot_be_made_is_refused_before_anything_is_said(shop, tmp_path, workdir):
    (tmp_path / "file").write_text("precious")
    started: list[object] = []
    with pytest.raises(NotADirectoryError) as error:
        tune(shop, CONFIG, workdir=tmp_path / workdir, on_start=started.append, **RATE)
    assert error.value.filename == str(tmp_path / workdir / "tune" / "data" / "strict" / "nmtr_gmf")
    assert not started
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_search_of_the_version_before_is_refused(shop, tmp_path):
    directory = tmp_path / "tune" / "data" / "strict" / "nmtr_gmf"
    directory.mkdir(parents=True)
    (directory / "search.json").write_text(json.dumps({"schema": 1, "method": "nmtr_gmf"}))
    (directory / "trials.csv").write_text("trial,status\n1,finished\n")
    with pytest.raises(InputError, match=r"has a search\.json and no search\.db: a search of an earlier"):
        tune(shop, CONFIG, workdir=tmp_path, **RATE)


@pytest.mark.parametrize("name", ["best.flags", "search.png", "events", "search.json", "trials.csv"])
def test_what_no_search_wrote_is_not_replaced(shop, tmp_path, script, name):
    path = tmp_path / "tune" / "data" / "strict" / "nmtr_gmf" / name
    path.parent.mkdir(parents=True)
    path.write_text("[1]")
    with pytest.raises(InputError, match=rf"{name}.*; name another `workdir`"):
        tune(shop, CONFIG, workdir=tmp_path, trials=1, **RATE)
    assert [one.read_text() for one in path.parent.iterdir()] == ["[1]"]


def test_a_search_that_is_killed_before_its_first_trial_goes_on(shop, tmp_path, script, monkeypatch):
    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("nmtr_tf.reporting.events.write_search", killed)
        with pytest.raises(SystemExit):
            tune(shop, CONFIG, workdir=tmp_path, trials=1, **RATE)
    script([0.1])
    assert tune(shop, CONFIG, workdir=tmp_path, trials=1, **RATE).best[0].value == 0.1


@pytest.mark.parametrize(
    "options",
    [
        {"method": "nmtr_linear_gmf", "linear_weight": 1.0, "linear_lambda": 1e4},
        {"method": "nmtr_gmf", "train_mode": "sequential"},
    ],
    ids=["sum", "sequential"],
)
def test_a_trials_value_is_that_of_the_model_that_its_options_make(shop, tmp_path, options):
    """Whose epochs before may have a higher one: those of a sum are without its linear part."""
    given = {**options, "embedding_dim": 4, "num_epochs": 3, "batch_size": 20, "ks": (5, 10)}
    given |= {"monitor": "NDCG@10", "eval_sample": "always"}
    own: dict[str, Any] = {"space": ("learning_rate=0.1",), "search": ("learning_rate",), "trials": 1}
    record = tune(shop, workdir=tmp_path, **own, **given)
    (trial,) = record.trials
    run = fit(shop, learning_rate=0.1, **given)
    values = [logs["validation/NDCG@10"] for logs in run.history if "validation/NDCG@10" in logs]
    assert trial.value == trial.values[0] == trial.metrics["NDCG@10"] == run.info.best_value
    assert trial.best_epoch == run.info.best_epoch
    assert trial.epochs == len(run.history)
    is_sum = options["method"] == "nmtr_linear_gmf"
    assert trial.curve == values[: len(values) - is_sum]  # by which trials are compared on the way
    if is_sum:
        assert trial.value == values[-1] < max(values)
    events = EventAccumulator(str(record.events_dir / "trial_1"), size_guidance={"tensors": 0}).Reload()
    (event,) = events.Tensors("best/NDCG@10")
    assert event.step == run.info.best_epoch
    assert make_ndarray(event.tensor_proto).item() == pytest.approx(trial.value)
