"""The record of a search: its files, and options as text."""

import json

import pytest

from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.options import option_text, option_value
from nmtr_tf.tuning.trials import SCHEMA, Trial, TrialRecord, flag_lines, trial_key


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.01, float, "0.01"),
        (1e-05, float, "1e-05"),
        (0.0, float, "0"),
        (1 / 3, float, "1/3"),
        (3, int, "3"),
        (True, bool, "true"),
        (False, bool | None, "false"),
        (None, bool | None, "None"),
        ("adam", str, "adam"),
        ((1 / 6, 2 / 6, 0.5), tuple[float, ...], "1/6,1/3,0.5"),
        (("view", "buy"), tuple[str, ...], "view,buy"),
        ((), tuple[int, ...], ""),
    ],
)
def test_text_of_an_option_and_back(value, kind, text):
    assert option_text(value) == text
    assert option_value(text, kind) == value


def test_what_has_no_name_has_no_text():
    with pytest.raises(InputError, match="cannot be written down; register it, and give its name"):
        option_text((object(),))


def a_trial(value, status="finished", seed=0, **settings):
    curve = [] if value is None else [value / 2, value]
    metrics = {} if value is None else {"HR@5": 2 * value, "HR@10": 3 * value, "NDCG@5": value}
    return Trial(settings, seed, status, curve, metrics, len(curve), 2, 1.5)


TRIALS = [
    a_trial(0.1, optimizer="adam", loss_weights="1/6,5/6"),
    a_trial(0.3, "pruned", optimizer="adagrad", loss_weights="1,0"),
    a_trial(None, "diverged", optimizer="adam", loss_weights="0,1"),
    a_trial(0.2, seed=7, optimizer="adam", loss_weights="1/6,5/6"),
]


def record_of(directory, trials=()):
    record = TrialRecord(directory, ["optimizer", "loss_weights"], {"dataset": "shop"})
    for trial in trials:
        record.add(trial)
    return record


def test_trials_come_back_from_the_file(tmp_path):
    record_of(tmp_path / "new", TRIALS)
    again = record_of(tmp_path / "new")
    assert again.trials == TRIALS
    assert again.best == [TRIALS[3], TRIALS[0]]  # what was pruned is no candidate
    assert again.find(trial_key({"loss_weights": (1 / 6, 5 / 6), "optimizer": "adam"}, 7)) == TRIALS[3]
    assert again.find(trial_key({"loss_weights": (1 / 6, 5 / 6), "optimizer": "adam"}, 8)) is None
    columns = (tmp_path / "new" / "trials.csv").read_text().splitlines()[0].split(",")
    assert columns[:7] == ["trial", "status", "value", "best_epoch", "epochs", "seconds", "seed"]
    assert columns[7:] == ["optimizer", "loss_weights", "HR@5", "NDCG@5", "HR@10", "curve"]
    assert json.loads((tmp_path / "new" / "search.json").read_text()) == {"schema": SCHEMA, "dataset": "shop"}


def test_the_table_has_options_as_values(tmp_path):
    table = record_of(tmp_path, TRIALS).table()
    assert table.index.tolist() == [1, 2, 3, 4]
    assert table.value.dropna().tolist() == [0.1, 0.3, 0.2]
    assert table.curve[1] == [0.05, 0.1]
    assert table.loc[4, ["status", "seed", "optimizer", "HR@10"]].tolist() == [
        "finished",
        7,
        "adam",
        pytest.approx(0.6),
    ]
    options = TRIALS[0].options
    assert (
        options == {"optimizer": "adam", "loss_weights": (1 / 6, 5 / 6)} == dict(table.loc[1, list(options)])
    )
    assert RunConfig().with_options(**options).training.loss_weights == (1 / 6, 5 / 6)


def test_the_table_of_no_trials_is_empty(tmp_path):
    assert record_of(tmp_path).table().shape == (0, 9)


def test_a_record_of_another_search_is_refused(tmp_path):
    TrialRecord(tmp_path, ["beta"], {"fingerprint": "a", "num_epochs": "5"}).add(a_trial(0.1, beta="0.2"))
    with pytest.raises(InputError, match=r"holds trials with num_epochs '5'; .* `workdir`. Received: '6'"):
        TrialRecord(tmp_path, ["beta"], {"fingerprint": "a", "num_epochs": "6"})
    with pytest.raises(InputError, match=r"trials.csv: expected a column 'dropout'"):
        TrialRecord(tmp_path, ["dropout"], {"fingerprint": "a", "num_epochs": "5"})


def test_an_option_that_a_file_does_not_know_had_its_default(tmp_path):
    TrialRecord(tmp_path, ["beta"], {"dataset": "shop"}).add(a_trial(0.1, beta="0.2"))
    assert TrialRecord(tmp_path, ["beta"], {"dataset": "shop", "metrics": "HR,NDCG"}).trials
    with pytest.raises(InputError, match=r"holds trials with metrics 'HR,NDCG'; .* Received: 'HR'"):
        TrialRecord(tmp_path, ["beta"], {"dataset": "shop", "metrics": "HR"})


def test_a_record_of_a_later_version_is_refused(tmp_path):
    (tmp_path / "search.json").write_text(json.dumps({"schema": SCHEMA + 1, "dataset": "shop"}))
    with pytest.raises(InputError, match=r"search.json: written by another version of nmtr_tf"):
        record_of(tmp_path)


def test_a_damaged_record_is_refused(tmp_path):
    TrialRecord(tmp_path, ["beta"], {}).add(a_trial(0.1, beta="0.2"))
    path = tmp_path / "trials.csv"
    path.write_text(path.read_text().replace("finished", "done"))
    with pytest.raises(InputError, match=r"trials.csv, line 2: not a row of a trial"):
        TrialRecord(tmp_path, ["beta"], {})


def test_flagfile_lines_hold_what_is_not_the_default(tmp_path):
    config = RunConfig(
        model=ModelConfig("nmtr_gmf", share_embeddings=False),
        training=TrainingConfig(num_epochs=7, seed=3, loss_weights=(0.5, 0.5), learning_rate=0.02),
        evaluation=EvaluationConfig(groups=(1, 2)),
    )
    lines = ["--method=nmtr_gmf", "--share_embeddings=false", "--num_epochs=7", "--learning_rate=0.02"]
    assert flag_lines(config, without=["loss_weights"]) == [*lines, "--groups=1,2"]
    record = record_of(tmp_path, TRIALS)
    record.write_best(config, ["about"])
    searched = ["--optimizer=adam", "--loss_weights=1/6,5/6"]
    written = record.flags_path.read_text().splitlines()
    assert written == ["# about", *lines, "--groups=1,2", *searched]
