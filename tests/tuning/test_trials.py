"""The files of a search, and options as text."""

import csv

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.options import option_text, option_value
from nmtr_tf.tuning.trials import Trial, TrialRecord, changed_settings


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.01, float, "0.01"),
        (1e-05, float, "1e-05"),
        (0.0, float, "0"),
        (1 / 3, float, "0.3333333333333333"),
        (3, int, "3"),
        (True, bool, "true"),
        (False, bool | None, "false"),
        (None, bool | None, "None"),
        ("adam", str, "adam"),
        ((1 / 6, 2 / 6, 0.5), tuple[float, ...], "1/6,1/3,0.5"),
        ((0.123456789, 1 / 3000), tuple[float, ...], "0.123456789,0.0003333333333333333"),
        (4.6415888336127773e-4, float, "0.00046415888336127773"),
        (1e-30, float, "1e-30"),
        (np.float64(0.1234567), float, "0.1234567"),
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


def a_trial(number, value, status="finished", **options):
    metrics = {} if value is None else {"HR@5": 2 * value, "HR@10": 3 * value, "NDCG@5": value}
    curve = [] if value is None else [value / 2, value]
    return Trial(number, options, value, status, 7, curve[1:], curve, metrics, len(curve), 2, 1.54)


TRIALS = [
    a_trial(1, 0.1, optimizer="adam", loss_weights=(1 / 6, 5 / 6)),
    a_trial(2, 0.3, "pruned", optimizer="adagrad", loss_weights=(1.0, 0.0)),
    a_trial(3, None, "diverged", optimizer="adam", loss_weights=(0.0, 1.0)),
    a_trial(4, 0.2, optimizer="adam", loss_weights=(0.25, 0.75)),
]
CONFIG = RunConfig(
    model=ModelConfig("nmtr_gmf", share_embeddings=False),
    training=TrainingConfig(
        num_epochs=7, seed=7, optimizer="adam", loss_weights=(0.5, 0.5), monitor="NDCG@5"
    ),
    evaluation=EvaluationConfig(ks=(5, 10), groups=(1, 2)),
)
SPACE = {"optimizer": "adagrad | adam", "loss_weights": "at least 0, sum 1"}


def record_of(directory, trials=TRIALS):
    shared = changed_settings(CONFIG, always=["method"])
    shared = {name: text for name, text in shared.items() if name not in SPACE}
    return TrialRecord(directory, "NMTR-GMF, shop, strict", "NDCG@5", shared, SPACE, 7, 5, trials)


@pytest.mark.parametrize("trial", TRIALS)
def test_a_trial_and_back(trial):
    assert Trial.from_json(trial.to_json()) == trial


@pytest.mark.parametrize("name", ["@R@10", "HR", "HR@", "@10", "HR@1O"])
def test_a_damaged_name_of_a_metric_makes_no_trial(name):
    with pytest.raises(ValueError, match=f"'{name}' is no metric"):
        Trial.from_json({**TRIALS[0].to_json(), "metrics": {name: 0.5}})


def test_options_that_no_run_has_are_numbers():
    trial = Trial(1, {"ease_lambda": 200.0}, 0.5)
    assert Trial.from_json(trial.to_json()) == trial


def test_what_was_stopped_or_diverged_is_no_candidate(tmp_path):
    record = record_of(tmp_path)
    assert record.best == [TRIALS[3], TRIALS[0]]
    assert record.counts == "2 finished, 1 pruned, 1 diverged"


def test_a_row_a_trial(tmp_path):
    record = record_of(tmp_path / "new")
    record.write()
    with record.csv_path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *["trial", "status", "value", "best_epoch", "epochs", "seconds", "seed"],
        *["optimizer", "loss_weights", "HR@5", "NDCG@5", "HR@10", "curve"],
    ]
    assert list(rows[0].values())[:7] == ["1", "finished", "0.1", "2", "2", "1.5", "7"]
    assert rows[0]["loss_weights"] == "1/6,5/6"
    assert rows[0]["curve"] == "0.05 0.1"
    assert [rows[2][name] for name in ("value", "HR@5", "curve")] == ["", "", ""]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"trials.csv", "best.flags"}


def test_several_seeds_have_their_values(tmp_path):
    two = Trial(1, TRIALS[0].options, 0.2, values=[0.1, 0.3])
    record = record_of(tmp_path, [two])
    record.write()
    assert pd.read_csv(record.csv_path)["values"].tolist() == ["0.1 0.3"]


def test_the_table_has_options_as_values(tmp_path):
    table = record_of(tmp_path).table()
    assert table.index.tolist() == [1, 2, 3, 4]
    assert table.value.dropna().tolist() == [0.1, 0.3, 0.2]
    assert table.curve[1] == [0.05, 0.1]
    assert table.loss_weights[1] == (1 / 6, 5 / 6)
    assert RunConfig().with_options(**TRIALS[0].options).training.loss_weights == (1 / 6, 5 / 6)
    assert record_of(tmp_path, []).table().shape == (0, 9)


def test_the_flagfile_of_the_best(tmp_path):
    record = record_of(tmp_path)
    record.write()
    assert record.flags_path.read_text().splitlines() == [
        "# NMTR-GMF, shop, strict: the best of 4 trials (2 finished, 1 pruned, 1 diverged) of tune,",
        "# seed 7: validation NDCG@5 0.2000 at epoch 2.",
        "--method=nmtr_gmf",
        "--share_embeddings=false",
        "--num_epochs=7",
        "--monitor=NDCG@5",
        "--ks=5,10",
        "--groups=1,2",
        "--optimizer=adam",
        "--loss_weights=0.25,0.75",
    ]
    record_of(tmp_path / "none", TRIALS[1:3]).write()
    assert not (tmp_path / "none" / "best.flags").exists()
