"""`evaluate` and `recommend` on a run: what a user types, sees and gets."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import call, refused

from cli.conftest import TINY
from nmtr_tf.cli import compare, evaluate, recommend, train
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.evaluation.baselines import evaluate_baseline
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.runs import Run


def test_evaluate_writes_metrics_and_ranks_with_raw_ids(shop_dir, trained_dir):
    metrics = json.loads((trained_dir / "metrics_test.json").read_text())
    ranks = pd.read_parquet(trained_dir / "ranks_test.parquet")
    dataset = Dataset.load(shop_dir)
    users, items = dataset.held_out["test"].T
    assert ranks["user"].tolist() == dataset.user_ids[users].tolist()
    assert ranks["item"].tolist() == dataset.item_ids[items].tolist()
    assert metrics["HR@5"] == pytest.approx((ranks["rank"] < 5).mean())
    expected = np.where(ranks["rank"] < 10, 1 / np.log2(ranks["rank"] + 2), 0).mean()
    assert metrics["NDCG@10"] == pytest.approx(expected)
    assert (metrics["split"], metrics["protocol"], metrics["mask"]) == ("test", "strict", "all")
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
    out = capsys.readouterr().out
    assert "nmtr_gmf, validation, protocol released, mask none" in out
    assert "HR@K is 1: K = 40 for all.\n" in out
    metrics = json.loads((workdir / "metrics_validation.json").read_text())
    assert metrics["HR@40"] == 1.0
    assert (metrics["protocol"], metrics["mask"]) == ("released", "none")
    assert set(pd.read_parquet(workdir / "ranks_validation.parquet")["num_candidates"]) == {40}


def test_validation_of_the_best_epoch_is_what_training_saw(workdir):
    assert call(evaluate, f"--workdir={workdir}", "--split=validation", "--quiet") == 0
    metrics = json.loads((workdir / "metrics_validation.json").read_text())
    assert metrics["NDCG@10"] == Run(workdir).info.best_value


@pytest.mark.slow
def test_baselines_of_a_run_learn_from_what_it_learned_from(shop_dir, tmp_path, capsys):
    """Two seeds count as one run; what is compared with them is comparable."""
    flags = [f"--dataset_dir={shop_dir}", "--behaviors=view,buy", "--keep=view:0.5", "--mask=all", "--quiet"]
    run = f"--workdir={tmp_path}/run"
    assert call(train, run, *TINY, *flags, "--seeds=4,5") == 0
    assert call(evaluate, run, "--quiet") == 0
    assert call(evaluate, run, "--baselines=ease_all,random", "--ease_lambda=3", "--ks=7") == 0
    assert "test, protocol strict, mask all" in capsys.readouterr().out
    found = {
        name: Evaluation.load(tmp_path / "run/baselines" / name, "test") for name in ("ease_all", "random")
    }
    config = Run(tmp_path / "run" / "seed_4").config
    expected = evaluate_baseline(Dataset.load(shop_dir), "ease_all", config=config, ease_lambda=3)
    np.testing.assert_array_equal(found["ease_all"].ranks, expected.ranks)
    assert found["ease_all"].behaviors == ("view", "buy")
    assert found["random"].about["seed"] == 4
    assert list(found["random"].metrics) == ["HR@7", "NDCG@7"]
    compared = [f"{tmp_path}/run", f"{tmp_path}/run/baselines/ease_all", "--ks=5", "--num_resamples=100"]
    assert call(compare, *compared) == 0
    given_back = ["--baselines=ease_all", "--validation=none", f"--output_dir={tmp_path}/other"]
    assert call(evaluate, *given_back, *flags) == 0
    line = refused(capsys, compare, f"{tmp_path}/run", f"{tmp_path}/other/ease_all")
    assert "they differ in `validation`, so in what they learn from: 'random' and 'none'" in line


def test_recommend_lists_unbought_items(shop_dir, workdir, capsys):
    assert call(recommend, f"--workdir={workdir}", "--user_ids=user-0001,user-0002", "--k=5") == 0
    out = capsys.readouterr().out
    assert out.count("For user-") == 2
    dataset = Dataset.load(shop_dir)
    row = dataset.user_ids.tolist().index("user-0001")
    bought = set(dataset.item_ids[dataset.whole["buy"][[row]].indices])
    assert f"{len(bought)} buy" in out.splitlines()[0]
    listed = [line.split()[1] for line in out.split("For user-0002")[0].splitlines() if " item-" in line]
    assert len(listed) == 5
    assert not bought & set(listed)


@pytest.mark.parametrize(
    ("command", "flags", "message"),
    [
        (evaluate, ["--workdir=nowhere"], "expected the directory of a trained run"),
        (evaluate, [], "--workdir is needed"),
        (evaluate, ["--workdir={run}", "--mask=some"], "mask"),
        (recommend, ["--workdir={run}", "--k=1000"], "more than the 40 items"),
    ],
)
def test_refusals(trained_dir, tmp_path, monkeypatch, capsys, command, flags, message):
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, command, *(flag.format(run=trained_dir) for flag in flags))
    assert message in line
    assert not list(tmp_path.iterdir())
