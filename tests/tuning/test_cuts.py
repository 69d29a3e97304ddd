"""Searches over several cuts of a log in time."""

import csv
from typing import Any

import numpy as np
import pytest
from conftest import call, refused

import nmtr_tf as nt
from nmtr_tf.cli import evaluate, train, tune
from nmtr_tf.data.several_cuts import Cuts, save_cuts
from nmtr_tf.errors import InputError
from nmtr_tf.tuning.baseline_search import tune_baseline
from nmtr_tf.tuning.search import tune as search

TIMES = ("2024-01-14", "2024-01-20")
RANKED: dict[str, Any] = {"ks": (5, 10), "monitor": "NDCG@10"}
TINY: dict[str, Any] = {"embedding_dim": 4, "num_epochs": 2, "batch_size": 512, **RANKED}


@pytest.fixture(scope="module")
def cuts(tmp_path_factory) -> Cuts:
    """Two cuts of a shop of thirty days."""
    folder = tmp_path_factory.mktemp("cuts") / "shop"
    assert len(list(save_cuts(nt.synthetic_shop(80, 40, seed=3), TIMES, folder))) == 2
    return Cuts.load(folder)


def pooled(evaluations, name) -> float:
    """A metric whose users count once, in NumPy."""
    values: dict[int, list[float]] = {}
    for one in evaluations:
        for user, value in zip(one.users[one.places.starts], one.values(name), strict=True):
            values.setdefault(user, []).append(float(value))
    return float(np.mean([np.mean(own) for own in values.values()]))


def test_they_have_a_name_and_a_fingerprint(cuts):
    assert cuts.name == "shop"
    assert list(cuts.datasets) == [f"cut_{time}" for time in TIMES]
    assert cuts.first is cuts.datasets["cut_2024-01-14"]
    assert len(cuts.fingerprint) == 64
    assert Cuts("shop", {"one": cuts.first}).fingerprint != cuts.fingerprint


def test_a_trial_is_a_run_for_each_and_its_value_over_all_users(cuts, tmp_path):
    epochs: list[tuple[int, int]] = []
    record = search(
        cuts,
        workdir=tmp_path,
        method="nmtr_gmf",
        search=("learning_rate",),
        trials=1,
        on_epoch=lambda number, done: epochs.append((number, done)),
        **TINY,
    )
    (trial,) = record.trials
    assert record.directory == tmp_path / "tune" / "shop" / "time" / "nmtr_gmf"
    assert (trial.status, trial.epochs, epochs) == ("finished", 4, [(1, 2), (1, 4)])
    runs = [nt.fit(one, method="nmtr_gmf", **TINY, **trial.options) for one in cuts.datasets.values()]
    for run in runs:
        run.evaluate("validation")
    found = [run.evaluation("validation") for run in runs]
    for name in ("HR@5", "NDCG@10"):
        assert trial.metrics[name] == pytest.approx(pooled(found, name), rel=1e-6)
    assert trial.value == trial.metrics["NDCG@10"]


def test_what_follows_from_data_is_each_cuts_own(cuts, tmp_path, monkeypatch):
    sizes: list[tuple[int, ...]] = []

    def noted(*both: int) -> int:
        sizes.append(both)
        return 0

    monkeypatch.setattr("nmtr_tf.runs.checks.rank_of", noted)
    search(cuts, workdir=tmp_path, method="nmtr_linear", trials=1, **RANKED)
    assert sizes[-2:] == [(one.num_users, one.num_items) for one in cuts.datasets.values()]


def test_of_a_baseline(cuts, tmp_path):
    record = tune_baseline(cuts, "ease", workdir=tmp_path, trials=2, **RANKED)
    assert [trial.status for trial in record.trials] == ["finished"] * 2
    best, config = record.best[0], nt.RunConfig().with_options(**RANKED)
    found = [
        nt.evaluate_baseline(one, "ease", "validation", config, **best.options)
        for one in cuts.datasets.values()
    ]
    assert best.value == pytest.approx(pooled(found, "NDCG@10"), rel=1e-6)


def test_one_that_diverges_has_no_value(cuts, tmp_path):
    own: dict[str, Any] = {"learning_rate": 1e30, "optimizer": "adam", "search": ("l2_item",), "trials": 1}
    with pytest.raises(InputError, match=r"All trials \(1\) diverged"):
        search(cuts, workdir=tmp_path, method="nmtr_gmf", **TINY, **own)


def test_several_seeds_are_one_line(cuts, tmp_path):
    with pytest.raises(InputError, match="`seeds_per_trial` goes with one data set"):
        search(cuts, workdir=tmp_path, method="bpr", seeds_per_trial=2, **TINY)


@pytest.mark.parametrize(
    "options", [{"metrics": ("coverage",)}, {"metrics": ("HR", "coverage"), "monitor": "coverage@5"}]
)
def test_a_metric_of_lists_is_one_line_before_anything_is_trained(cuts, tmp_path, options):
    message = r"`monitor` should be a metric that has a value for each.* Received: 'coverage@\d+'\.$"
    for ask in (
        lambda: search(cuts, workdir=tmp_path, method="bpr", trials=1, ks=(5, 10), **options),
        lambda: tune_baseline(cuts, "ease", workdir=tmp_path, trials=1, ks=(5, 10), **options),
    ):
        with pytest.raises(InputError, match=message):
            ask()
    assert not list(tmp_path.iterdir())


def test_beside_the_monitored_metric_one_of_lists_may_stand(cuts, tmp_path):
    options: dict[str, Any] = {**RANKED, "metrics": ("NDCG", "coverage"), "trials": 1}
    (trial,) = tune_baseline(cuts, "ease", workdir=tmp_path, **options).trials
    assert set(trial.metrics) == {"NDCG@5", "NDCG@10"}
    one = tune_baseline(cuts.first, "ease", workdir=tmp_path / "one", **{**options, "monitor": "coverage@5"})
    assert one.best[0].value == one.best[0].metrics["coverage@5"]


def test_no_cuts_are_one_line(tmp_path):
    with pytest.raises(InputError, match="expected the data sets of several cuts"):
        Cuts.load(tmp_path)


@pytest.mark.slow
def test_the_command_and_what_reads_its_settings(cuts, tmp_path, capsys):
    data = cuts.first.directory.parent
    flags = [f"--dataset_dir={data}", f"--workdir={tmp_path}", "--ks=5,10", "--monitor=NDCG@10", "--trials=2"]
    method = [*flags, "--method=nmtr_linear", "--search=linear_lambda", "--space=linear_diagonal=0:1"]
    assert call(tune, *method) == 0
    assert "NMTR-Linear, shop, time: 2 trials (2 finished" in capsys.readouterr().out
    assert call(tune, *flags, "--baseline=ease") == 0
    assert "EASE, shop, time: 2 trials (2 finished" in capsys.readouterr().out
    folder = tmp_path / "tune" / "shop" / "time"
    with (folder / "nmtr_linear" / "trials.csv").open(newline="") as file:
        value = max(float(row["value"]) for row in csv.DictReader(file))
    best = f"--flagfile={folder}/nmtr_linear/best.flags"
    assert call(train, best, f"--dataset_dir={data}", f"--workdir={tmp_path}/run", "--quiet") == 0
    capsys.readouterr()
    assert call(evaluate, f"--workdir={tmp_path}/run", "--split=validation") == 0
    assert f"{value:.4f}" in capsys.readouterr().out.splitlines()[-1]
    best = f"--flagfile={folder}/ease/best.flags"
    assert call(evaluate, best, f"--dataset_dir={data}", f"--output_dir={tmp_path}/ease", "--quiet") == 0
    assert "seeds_per_trial" in refused(capsys, tune, *method, "--seeds_per_trial=2")
