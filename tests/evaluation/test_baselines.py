"""The table of baselines, baselines of one's own, and the evaluation of either."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import call, make_dataset, refused

import nmtr_tf as nt
from nmtr_tf.cli import evaluate
from nmtr_tf.config import DataConfig, EvaluationConfig, RunConfig, TrainingConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import (
    BASELINES,
    available_baselines,
    build_baseline,
    evaluate_baseline,
    needs,
    register_baseline,
)
from nmtr_tf.evaluation.results import Evaluation

RULES = ["random", "popularity", "popularity_all", "recency", "recency_time", "touched_first"]
LINEAR = ["item_knn", "item_knn_all", "ials", "ials_all", "ease", "ease_all", "ease_aimed"]
PLAIN = [name for name in LINEAR if not name.startswith("ials")]  # they need no package
DATASET = make_dataset(
    {"view": [[1, 1, 0, 0], [0, 0, 1, 1]], "buy": [[1, 1, 0, 0], [0, 0, 1, 0]]},
    validation=[(0, 2)],
    test=[(0, 3), (1, 1)],
)
TIMED = dataclasses.replace(
    DATASET, events=dataclasses.replace(DATASET.events, timestamp=np.arange(len(DATASET.events)))
)


@pytest.fixture
def own_baselines(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(BASELINES, "_parts", dict(BASELINES._parts))


class Table:
    """Scores given as a matrix."""

    def __init__(self, scores):
        self.matrix = np.array(scores)

    def scores(self, user_ids):
        return self.matrix[user_ids]


def test_the_table():
    assert list(BASELINES) == [*RULES, *LINEAR]
    assert [name for name, row in BASELINES.items() if row.kind == "rule"] == RULES
    assert len({row.label for row in BASELINES.values()}) == len(BASELINES)
    assert all(row.learns_from for row in BASELINES.values())
    knn = {"knn_neighbors": 100, "knn_shrinkage": 10.0}
    ials = {"ials_alpha": 10.0, "ials_factors": 64, "ials_regularization": 10.0}
    ease = {"ease_lambda": 500.0, "ease_beta": 0.0, "ease_dropout": 0.0}
    assert {name: row.settings(name, {}) for name, row in BASELINES.items() if row.options} == {
        "random": {"seed": 0},
        "recency": {"recency_power": 4.0},
        "recency_time": {"recency_power": 4.0},
        "item_knn": knn,
        "item_knn_all": knn,
        "ials": ials,
        "ials_all": ials,
        "ease": ease,
        "ease_all": ease,
        "ease_aimed": {**ease, "ease_theta": 1.0},
    }


@pytest.mark.parametrize("name", BASELINES)
def test_options_say_what_they_are(name):
    for option in BASELINES[name].options.values():
        assert option.about.endswith(".")
        if option.low is not None:
            assert option.low <= option.default <= option.high


def test_the_table_needs_no_tensorflow():
    code = (
        "import sys, nmtr_tf.evaluation.baselines, nmtr_tf.evaluation.results, nmtr_tf.evaluation.metrics; "
    )
    code += "import nmtr_tf.cli.evaluate, nmtr_tf.cli.compare, nmtr_tf.cli.audit; "
    code += "sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_a_baseline_needs(monkeypatch):
    assert available_baselines(DATASET, "rule") == [name for name in RULES if name != "recency_time"]
    assert available_baselines(TIMED, "rule") == RULES
    view = DATASET.training_view()
    with pytest.raises(InputError, match="`baselines=recency_time` needs times; this data set has none"):
        build_baseline("recency_time", DATASET, view)
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(InputError, match="`baselines=ials` needs the package implicit: pip install implicit"):
        build_baseline("ials", DATASET, view)
    build_baseline("ease", DATASET, view)
    monkeypatch.setattr(needs, "MAX_DENSE", 1)  # two users, who are fewer than the items
    with pytest.raises(InputError, match=r"`baselines=ease` holds .* and takes 1 at most\. Received: 2"):
        build_baseline("ease", DATASET, view)
    assert available_baselines(DATASET, "linear") == ["item_knn", "item_knn_all"]


def test_names_and_options_that_there_are_not():
    view = DATASET.training_view()
    with pytest.raises(InputError, match=r"`baselines` should name a known baseline: random.*'fame'"):
        build_baseline("fame", DATASET, view)
    with pytest.raises(InputError, match="popularity has no option `ease_lambda`; its options: none"):
        build_baseline("popularity", DATASET, view, ease_lambda=1)
    with pytest.raises(InputError, match="ease has no option `alpha`; its options: ease_lambda, ease_beta"):
        build_baseline("ease", DATASET, view, alpha=1)
    with pytest.raises(InputError, match=r"`ease_lambda` should be a number\. Received: 'much'"):
        build_baseline("ease", DATASET, view, ease_lambda="much")
    with pytest.raises(InputError, match=r"`seed` should be a whole number\. Received: 1\.5"):
        build_baseline("random", DATASET, view, seed=1.5)


@pytest.mark.parametrize("name", [*RULES, *PLAIN])
def test_an_evaluation_is_that_of_the_named_baseline(name):
    found = evaluate_baseline(TIMED, name, config=EvaluationConfig(ks=(2,)))
    assert isinstance(found, Evaluation)
    assert (found.method, found.split, found.protocol) == (name, "test", "released")
    assert found.about == {"method": name, "validation": "random", **BASELINES[name].settings(name, {})}
    assert found.users.tolist() == ["100", "101"]
    assert found.metrics.keys() == {"HR@2", "NDCG@2"}


def test_an_object_with_scores_is_a_baseline():
    found = evaluate_baseline(DATASET, Table([[9, 9, 1, 2], [4, 3, 9, 5]]), config=EvaluationConfig(ks=(1,)))
    # The purchases that the masks hide: items 0, 1 and 2 of user 0, 2 of user 1.
    assert found.ranks.tolist() == [0, 2]
    assert found.num_candidates.tolist() == [1, 3]
    assert found.method == "Table"
    assert found.metrics["HR@1"] == 1 / 2
    with pytest.raises(TypeError, match=r"Only a named baseline has options\. Received: seed"):
        evaluate_baseline(DATASET, Table(np.ones((2, 4))), seed=3)
    for nothing in (None, 3, Table):
        with pytest.raises(InputError, match=r"should have a method scores\(user_ids\)"):
            evaluate_baseline(DATASET, nothing)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones((2, 3)), r"Table.scores should give numbers of the shape \(2, 4\)"),
        (np.full((2, 4), "a"), r"Table.scores should give numbers of the shape \(2, 4\)"),
        (np.full((2, 4), np.nan), "NaN or infinite"),
    ],
)
def test_scores_that_are_none(scores, message):
    with pytest.raises(InputError, match=message):
        evaluate_baseline(DATASET, Table(scores))


def test_what_it_learns_from_is_chosen(own_baselines):
    seen = []

    @register_baseline("watch")
    def watch(view):
        seen.append(view)
        return Table(np.ones((2, 4)))

    evaluate_baseline(DATASET, "watch")
    evaluate_baseline(DATASET, "watch", "validation")
    evaluate_baseline(DATASET, "watch", validation="none", protocol="strict")
    views = [(len(v.held_out["validation"]), v.target.nnz, v.protocol, v.matrices["view"].nnz) for v in seen]
    assert views == [(1, 3, "released", 4), (1, 3, "released", 4), (0, 4, "strict", 4)]
    with pytest.raises(InputError, match="no validation pairs"):
        evaluate_baseline(DATASET, "watch", "validation", validation="none")
    with pytest.raises(InputError, match="`validation` should be one of"):
        evaluate_baseline(DATASET, "watch", validation="some")
    with pytest.raises(InputError, match="`metrics` should name a known metric"):
        evaluate_baseline(DATASET, "watch", config=EvaluationConfig(metrics=("fame",)))


def test_it_learns_from_what_a_run_learns_from(own_baselines):
    seen = []

    @register_baseline("watch")
    def watch(view, seed=1, other=2):
        seen.append((view.behaviors, len(view.held_out["validation"]), view.protocol, seed, other))
        return Table(np.ones((2, 4)))

    config = RunConfig(
        data=DataConfig(behaviors=("buy",), protocol="strict"),
        training=TrainingConfig(seed=8, monitor="NDCG@3"),
        evaluation=EvaluationConfig(ks=(3,)),
    )
    assert evaluate_baseline(DATASET, "watch", config=config).about["seed"] == 8
    evaluate_baseline(
        DATASET, "watch", config=config, validation="none", protocol="released", seed=9, other=5
    )
    assert seen == [(("buy",), 1, "strict", 8, 2), (("buy",), 0, "released", 9, 5)]


def test_a_baseline_of_ones_own(own_baselines):
    def build(view, dataset, power=2.0):
        assert dataset is DATASET
        return Table(np.tile(np.bincount(view.target.indices, minlength=4) ** power, (2, 1)))

    assert register_baseline("mine", build, label="Mine", learns_from="the target") is build
    row = BASELINES["mine"]
    assert (row.label, row.learns_from, row.kind) == ("Mine", "the target", "own")
    assert row.settings("mine", {}) == {"power": 2.0}
    found = evaluate_baseline(DATASET, "mine", power=1)
    assert found.about == {"method": "mine", "validation": "random", "power": 1}
    np.testing.assert_array_equal(found.ranks, evaluate_baseline(DATASET, "popularity").ranks)
    assert register_baseline("brief", lambda view: Table(np.ones((2, 4))))
    assert BASELINES["brief"].label == "brief"
    with pytest.raises(InputError, match="letters, digits and underscores"):
        register_baseline("a-b", build)


def test_numpy_settings_are_stored(own_baselines, tmp_path):
    register_baseline("odd", lambda view, k=1, way=("a", "b"): Table(np.ones((2, 4))))
    found = evaluate_baseline(DATASET, "odd", k=np.int64(3)).save(tmp_path)
    assert Evaluation.load(tmp_path, "test").about == found.about
    assert found.about["k"] == 3


# The command.


def test_evaluate_writes_a_directory_for_each_baseline_and_one_table(shop_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}", "--ks=5,10", "--metrics=HR,coverage"]
    assert call(evaluate, "--baselines=all,ease", *flags) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("test, protocol strict, mask all")
    assert out.splitlines()[1].split() == ["users", "HR@5", "coverage@5", "HR@10", "coverage@10"]
    assert [line.split()[0] for line in out.splitlines()[3:]] == [*RULES, "ease"]
    assert {path.name for path in tmp_path.iterdir()} == {*RULES, "ease"}
    for name in RULES:
        metrics = json.loads((tmp_path / name / "metrics_test.json").read_text())
        found = pd.read_parquet(tmp_path / name / "ranks_test.parquet")
        assert (metrics["method"], metrics["validation"], metrics["protocol"]) == (name, "random", "strict")
        shares = (5 - found["rank"]).clip(0, found["tied"]) / found["tied"]
        assert metrics["HR@5"] == pytest.approx(shares.mean())
        assert f"{metrics['coverage@10']:.4f}" in out
    assert json.loads((tmp_path / "ease" / "metrics_test.json").read_text())["ease_lambda"] == 500.0


@pytest.mark.parametrize("name", ["metrics_test.json", "ranks_test.parquet"])
def test_evaluate_replaces_evaluations_alone(shop_dir, tmp_path, capsys, name):
    path = tmp_path / "random" / name
    path.parent.mkdir()
    path.write_text("[1]")
    flags = ["--baselines=popularity,random", f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}"]
    line = refused(capsys, evaluate, *flags)
    assert f"random has a {name} that is no evaluation's; name another directory" in line
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]
    path.unlink()
    for _ in range(2):
        assert call(evaluate, *flags, "--ks=5") == 0


def test_evaluate_takes_options_and_a_baseline_of_ones_own(shop_dir, tmp_path, own_baselines, capsys):
    register_baseline("mine", lambda view: Table(np.zeros((view.num_users, view.num_items))))
    flags = [f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}", "--seed=4", "--ease_lambda=3"]
    assert call(evaluate, "--baselines=mine,random,ease,mine", *flags) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[3:]] == [
        "mine",
        "random",
        "ease",
    ]
    found = {name: Evaluation.load(tmp_path / name, "test") for name in ("mine", "random", "ease")}
    assert not found["mine"].ranks.any()
    np.testing.assert_array_equal(found["mine"].tied, found["mine"].num_candidates)
    assert found["random"].about["seed"] == 4
    assert found["ease"].about["ease_lambda"] == 3


def test_evaluate_learns_from_what_is_asked(shop_dir, tmp_path, own_baselines):
    seen = []

    @register_baseline("watch")
    def watch(view):
        seen.append((view.behaviors, view.target.nnz, view.matrices[view.behaviors[0]].nnz))
        return Table(np.zeros((view.num_users, view.num_items)))

    flags = ["--baselines=watch", f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}", "--quiet"]
    for more in ([], ["--validation=none"], ["--behaviors=view,buy", "--keep=view:0.5"]):
        assert call(evaluate, *flags, *more) == 0
    dataset = Dataset.load(shop_dir)
    whole, given_back = dataset.training_view(), dataset.training_view(validation="none")
    assert len(dataset.held_out["validation"]) == given_back.target.nnz - whole.target.nnz > 0
    assert seen[0] == (whole.behaviors, whole.target.nnz, whole.matrices["view"].nnz)
    assert seen[1][:2] == (whole.behaviors, given_back.target.nnz)
    assert seen[2][:2] == (("view", "buy"), whole.target.nnz)
    assert seen[2][2] < 0.6 * seen[0][2]
    assert call(evaluate, *flags, "--split=validation") == 0
    assert json.loads((tmp_path / "watch/metrics_validation.json").read_text())["validation"] == "random"


def test_evaluate_leaves_out_of_a_group_what_misses_something(leaky_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    flags = [f"--dataset_dir={leaky_dir}", f"--output_dir={tmp_path}"]
    assert call(evaluate, "--baselines=all,linear", *flags) == 0
    out = capsys.readouterr().out
    assert "recency_time is left out: it needs times; this data set has none." in out
    assert "ials is left out: it needs the package implicit: pip install implicit" in out
    assert {path.name for path in tmp_path.iterdir()} == {*RULES, *PLAIN} - {"recency_time"}
    assert "--baselines=recency_time needs times" in refused(
        capsys, evaluate, "--baselines=recency_time", *flags
    )
    monkeypatch.setattr(needs, "MAX_DENSE", 1)
    assert "--baselines=ease holds a dense matrix" in refused(capsys, evaluate, "--baselines=ease", *flags)


def test_baselines_of_a_run_learn_from_what_it_learned_from(shop_dir, tmp_path, capsys):
    """Which a flagfile of a search may name: it is what the run has, or refused."""
    nt.fit(Dataset.load(shop_dir), method="nmtr_linear", workdir=tmp_path / "run", ks=(5, 10))
    flags = f"--workdir={tmp_path}/run", "--baselines=popularity"
    assert call(evaluate, *flags, "--behaviors=view,cart,buy", "--validation=random", "--keep=") == 0
    assert (tmp_path / "run" / "baselines" / "popularity").is_dir()
    for name, value in (("validation", "none"), ("behaviors", "view,buy"), ("keep", "view:0.5")):
        assert f"--{name} goes with --dataset_dir; baselines of a run learn from what it learned from" in (
            refused(capsys, evaluate, *flags, f"--{name}={value}")
        )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--baselines=fame"], "--baselines should name a known baseline: random, popularity"),
        (["--baselines=popularity,ials_all"], "--baselines=ials_all needs the package implicit"),
        (["--baselines=all", "--workdir=run"], "--workdir=run: expected the directory of a trained run"),
        (["--baselines=all", "--output_dir="], "--output_dir is needed"),
        (["--baselines=all", "--dataset_dir="], "--dataset_dir is needed"),
        (["--baselines=all", "--dataset_dir=nowhere"], "no data set here"),
        (["--baselines=all", "--split=validation", "--validation=none"], "no validation pairs"),
        (["--baselines=all", "--metrics=HR,fame"], "--metrics should name a known metric: HR, NDCG"),
        (["--baselines=ease", "--ease_lambda=0"], "--ease_lambda should be positive"),
        (
            ["--baselines=ease,random", "--ials_alpha=1"],
            "--ials_alpha is an option of ials, ials_all. Received: ease",
        ),
        (["--baselines=random", "--seed=2147483648"], "--seed should be at least 0 and below 2^31"),
        (["--baselines=", "--workdir=run"], "--output_dir goes with --baselines"),
    ],
)
def test_evaluate_refuses_baselines(shop_dir, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, evaluate, f"--dataset_dir={shop_dir}", "--output_dir=x", *flags)
    assert not list(tmp_path.iterdir())
