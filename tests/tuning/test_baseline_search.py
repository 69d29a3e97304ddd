"""A search over the options of a baseline: really fitted, as a call and as a command."""

import csv
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import call, refused
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import nmtr_tf as nt
from nmtr_tf.cli import evaluate, tune
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import BASELINES, evaluate_baseline, register_baseline
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.tuning.choice import chosen_space, of_baseline
from nmtr_tf.tuning.options import TuneConfig

CONFIG = RunConfig().with_options(behaviors=("view", "buy"), mask="target", ks=(5, 10), monitor="NDCG@10")


def space_of(name, fixed=(), **tuning):
    options = TuneConfig(**tuning)
    return chosen_space(of_baseline(BASELINES[name], options), options, fixed)


def test_the_ranges_stand_in_the_table():
    assert space_of("ease") == {
        "ease_lambda": FloatDistribution(1, 5000, log=True),
        "ease_beta": FloatDistribution(0, 1, step=0.05),
        "ease_dropout": FloatDistribution(0, 0.8, step=0.04),
    }
    assert list(space_of("ease_aimed", fixed=["ease_beta"])) == ["ease_lambda", "ease_dropout", "ease_theta"]
    assert space_of("item_knn")["knn_neighbors"] == IntDistribution(10, 1000, log=True)
    assert list(space_of("ials")) == ["ials_alpha", "ials_factors", "ials_regularization"]


def test_other_ranges_and_grids():
    own = space_of("item_knn", space=("knn_neighbors=5..50",))
    assert own["knn_neighbors"] == IntDistribution(5, 50, log=True)
    own = space_of("ease", space=("ease_lambda=10..20", "ease_beta=0:1"))
    assert own["ease_lambda"] == FloatDistribution(10, 20, log=True)
    assert own["ease_beta"] == CategoricalDistribution(("0", "1"))
    assert list(space_of("ease", sampler="grid", space=("ease_beta=0:1",))) == ["ease_beta"]
    for options, message in (
        ({"sampler": "grid"}, "nothing to search: no option of EASE is left"),
        ({"search": ("ease_theta",)}, "should name options of EASE, such as `ease_lambda`"),
        (
            {"space": ("learning_rate=0.1..0.2",)},
            "`space` names no option that can be searched, 'learning_ra",
        ),
        ({"space": ("knn_neighbors=0..50",)}, "`space` should be options with a range"),
    ):
        with pytest.raises(InputError, match=message):
            space_of("item_knn" if "knn" in str(options) else "ease", **options)


@pytest.mark.slow
def test_trials_are_what_evaluate_finds_on_validation(shop, tmp_path):
    found: list[Any] = []
    record = nt.tune_baseline(
        shop,
        "ease_aimed",
        CONFIG,
        workdir=tmp_path,
        trials=3,
        ease_beta=0.5,
        on_start=lambda one: found.append(list(one.space)),
        on_trial=lambda one: found.append(one.number),
    )
    assert found == [["ease_lambda", "ease_dropout", "ease_theta"], 1, 2, 3]
    assert record.directory == tmp_path / "tune" / "data" / "strict" / "ease_aimed"
    assert len(set(record.table().ease_lambda)) == 3
    for trial in record.trials:
        own = evaluate_baseline(shop, "ease_aimed", "validation", CONFIG, ease_beta=0.5, **trial.options)
        assert trial.metrics == pytest.approx(own.metrics)
        assert trial.value == own.metrics["NDCG@10"]
    best = record.best[0]
    assert record.flags_path.read_text().splitlines() == [
        "# EASE (aimed), data, strict: the best of 3 trials (3 finished, 0 pruned, 0 diverged) of tune,",
        f"# seed 0: validation NDCG@10 {best.value:.4f}.",
        "--baselines=ease_aimed",
        "--behaviors=view,buy",
        "--ks=5,10",
        "--mask=target",
        "--ease_beta=0.5",
        *(f"--{name}={text}" for name, text in best.texts.items()),
    ]
    files = {"trials.csv", "search.json", "best.flags", "search.png", "search.db", "events", ".locks"}
    assert {path.name for path in record.directory.iterdir()} == files


def test_it_goes_on_and_is_no_other_search(shop, tmp_path):
    options: dict[str, Any] = {"workdir": tmp_path, "ease_lambda": 20, "sampler": "random"}
    first = nt.tune_baseline(shop, "ease_all", CONFIG, trials=1, **options)
    again = nt.tune_baseline(shop, "ease_all", CONFIG, trials=2, **options)
    assert again.trials[0] == first.trials[0]
    assert len(again.trials) == 2
    for changes, name in (
        ({"ease_lambda": 30}, "ease_lambda"),
        ({"mask": "all"}, "mask"),
        ({"validation_users": 9}, "validation_users"),
    ):
        with pytest.raises(InputError, match=f"holds trials with {name} "):
            nt.tune_baseline(shop, "ease_all", CONFIG, trials=2, **{**options, **changes})


def test_the_flagfile_has_no_order_of_behaviors_which_evaluate_has_no_flag_for(tmp_path, capsys):
    log = pd.DataFrame(
        [(user, item, name) for user in "abcdef" for item in "uvwx" for name in ("view", "cart", "buy")],
        columns=["user", "item", "behavior"],
    ).sample(frac=0.7, random_state=0)
    nt.prepare(log, behaviors=("view", "cart", "buy"), after=("buy:view+cart",)).save(tmp_path / "data")
    data = [f"--dataset_dir={tmp_path}/data", "--quiet"]
    assert call(tune, "--baseline=item_knn", "--trials=1", f"--workdir={tmp_path}/t", *data) == 0
    (flagfile,) = tmp_path.glob("t/tune/data/*/item_knn/best.flags")
    assert call(evaluate, f"--flagfile={flagfile}", f"--output_dir={tmp_path}/out", *data) == 0


def test_trials_rank_the_users_that_those_of_methods_rank_and_see_no_test(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(BASELINES, "_parts", dict(BASELINES._parts))
    views, asked = [], set()

    @register_baseline("watch")
    class Watch:
        def __init__(self, view, power=1.0):
            views.append(view)
            self.num_items = view.num_items

        def scores(self, user_ids):
            asked.update(user_ids.tolist())
            return np.zeros((len(user_ids), self.num_items))

    options: dict[str, Any] = {"space": ("power=1:2",), "validation_users": 5, "trials": 2}
    record = nt.tune_baseline(shop, "watch", CONFIG, workdir=tmp_path, **options)
    users = np.unique(shop.held_out["validation"][:, 0])
    chosen = np.random.default_rng(0).choice(len(users), 5, replace=False)
    assert asked == set(users[chosen].tolist())
    assert all(len(view.held_out["test"]) == 0 and view.behaviors == ("view", "buy") for view in views)
    assert record.trials[0].value == record.trials[1].value


def test_whole_numbers_stay_whole(shop, tmp_path):
    record = nt.tune_baseline(shop, "item_knn_all", CONFIG, workdir=tmp_path, trials=2)
    for trial in record.trials:
        assert trial.texts["knn_neighbors"].isdigit()
        found = evaluate_baseline(shop, "item_knn_all", "validation", CONFIG, **trial.options)
        assert isinstance(found.about["knn_neighbors"], int)
        assert trial.value == found.metrics["NDCG@10"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds_per_trial": 2}, "`seeds_per_trial` is for methods: a baseline is fitted once"),
        ({"validation": "none"}, "A search needs validation pairs"),
        ({"ease_beta": "much"}, "`ease_beta` should be a number"),
        ({"space": ("ease_lambda=-2..-1",)}, "`space` should be options with a range"),
        ({"space": ("ease_beta=-2:-1",), "trials": 1}, "`ease_beta` should be at least 0"),
        ({"name": "popularity"}, "nothing to search: popularity has no options"),
        ({"name": "fame"}, "should name a known baseline"),
    ],
)
def test_searches_that_are_refused(shop, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        nt.tune_baseline(shop, **{"name": "ease", "workdir": tmp_path, "config": CONFIG, **options})


# The command.


def test_the_command_and_what_evaluate_makes_of_its_flagfile(shop_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={shop_dir}", "--mask=target", "--ks=5,10", "--monitor=NDCG@10"]
    flags += ["--baseline=ease_aimed", "--ease_beta=0.25", f"--workdir={tmp_path}", "--trials=2", "--seed=3"]
    assert call(tune, *flags) == 0
    printed = capsys.readouterr().out
    directory = tmp_path / "tune" / "shop" / "strict" / "ease_aimed"
    assert printed.startswith("EASE (aimed), shop, strict: 2 trials, 0 done\n  ease_lambda   1 to 5000, log")
    assert "epoch" not in printed
    assert f"nmtr evaluate --flagfile={directory}/best.flags --dataset_dir=... --output_dir=..." in printed
    with (directory / "trials.csv").open(newline="") as file:
        best = max(csv.DictReader(file), key=lambda row: float(row["value"]))
    found = ["--split=validation", f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}/out", "--quiet"]
    assert call(evaluate, f"--flagfile={directory}/best.flags", *found) == 0
    own = Evaluation.load(tmp_path / "out" / "ease_aimed", "validation")
    assert own.metrics["NDCG@10"] == pytest.approx(float(best["value"]))
    assert (own.mask, own.about["ease_beta"]) == ("target", 0.25)
    assert own.about["ease_lambda"] == float(best["ease_lambda"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--baseline=ease", "--learning_rate=1"],
            "--learning_rate is an option of methods. Received: --baseline",
        ),
        (["--baseline=ease", "--method=bpr"], "--method is an option of methods"),
        (["--baseline=ease", "--ease_theta=1"], "--ease_theta is an option of ease_aimed. Received: ease"),
        (
            ["--method=bpr", "--ease_beta=1"],
            "--ease_beta is an option of ease, ease_all, ease_aimed. Received: no",
        ),
        (["--baseline=fame"], "should name a known baseline"),
    ],
)
def test_flags_that_do_not_fit(shop_dir, tmp_path, capsys, flags, message):
    where = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}"]
    assert message in refused(capsys, tune, *where, *flags)
    assert not list(tmp_path.iterdir())
