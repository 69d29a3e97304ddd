"""Where a search begins: what has to be drawn for the settings as they are."""

from typing import Any

import numpy as np
import pytest
from optuna.samplers import RandomSampler
from optuna.study import create_study

from nmtr_tf.config import RunConfig
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.tuning.baseline_search import tune_baseline
from nmtr_tf.tuning.choice import chosen_space, of_method, parse
from nmtr_tf.tuning.options import TuneConfig
from nmtr_tf.tuning.search import tune
from nmtr_tf.tuning.space import as_options, in_words, on_simplex, stick_of
from nmtr_tf.tuning.start import inside, nearest, settings_as_they_are

BEHAVIORS = ("view", "cart", "buy")


def space_of(plan, *texts):
    tuning = TuneConfig(space=texts)
    return chosen_space(of_method(plan, tuning), tuning, ())


@pytest.mark.parametrize("weights", [(1.0,), (0.3, 0.7), (0.0, 1.0), (1.0, 0.0, 0.0), (1 / 6, 1 / 6, 4 / 6)])
def test_weights_and_the_stick_that_is_broken_into_them(weights):
    assert on_simplex(stick_of(weights)) == pytest.approx(weights, abs=1e-3)


def test_the_stick_by_hand():
    """A fifth is .2 = 1 - .8, of two pieces 1 - .8^2; half of what is left then."""
    assert stick_of((0.2, 0.4, 0.4)) == pytest.approx([0.36, 0.5])


@pytest.mark.parametrize(
    ("text", "value", "drawn"),
    [
        ("learning_rate=0.01..1", 0.05, 0.05),
        ("learning_rate=0.01..1", 3.0, 1.0),  # the nearest that it has
        ("learning_rate=0.01..1", 0.001, 0.01),
        ("l2_user=0..0.1", 0.0, 3e-5),  # what stands for 0
        ("beta=0..1", 0.52, 0.5),  # twenty steps
        ("num_negatives=1..8", 4, 4),
        ("num_negatives=1..8", 20, 8),
        ("embedding_dim=32:64", 64, "64"),
        ("embedding_dim=64:128:256", 100, "128"),  # the nearest in a list
        ("learning_rate=0.02:0.3:0.00001", 0.01, "1e-05"),
        ("linear_lambda=1:30:5000", 20.0, "30"),
        ("linear_weight=0.5:2", 1.6, "2"),
        ("history_half_life=0:3.5", 3.5, "3.5"),
        ("unobserved_weight=0.01..0.1", (0.05,), 0.05),
        ("unobserved_weight=0.01..0.1", (0.02, 0.02), 0.02),
    ],
)
def test_what_is_to_be_drawn(text, value, drawn):
    name, one = parse(text)
    assert nearest({name: value}, {name: one})[name] == pytest.approx(drawn)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("linear_weight=0:1", None),
        ("unobserved_weight=0.01..0.1", (0.05, 0.1)),
        ("optimizer=adam:adagrad", "sgd"),
        ("share_embeddings=true:true", False),
        ("loss_weights=1,0,0:0,0,1", (0.2, 0.2, 0.6)),
        ("loss_weights=1,0,0:0,0,1", (0.5, 0.5)),
    ],
)
def test_what_a_space_has_not_is_left_to_chance(text, value):
    name, one = parse(text)
    assert nearest({name: value}, {name: one}) == {}
    assert nearest({}, {name: one}) == {}


@pytest.mark.parametrize(
    ("text", "value", "is_held"),
    [
        ("beta=0.2..0.8", 0.47, True),
        ("beta=0.2..0.8", 0.8, True),
        ("beta=0.2..0.8", 0.81, False),
        ("l2_user=0..0.1", 0.0, True),
        ("l2_user=0.001..0.1", 0.0, False),
        ("unobserved_weight=0.01..0.1", (0.05, 0.05), True),
        ("unobserved_weight=0.01..0.1", (0.05, 0.1), False),
        ("optimizer=adam:adagrad", "adam", False),  # drawn as it is
    ],
)
def test_what_a_range_holds(text, value, is_held):
    name, one = parse(text)
    assert inside({name: value, "other": 1}, {name: one}) == ({name: value} if is_held else {})


@pytest.mark.parametrize("objective", ["sampled", "softmax", "contrastive", "whole_data"])
def test_the_settings_of_a_method_come_back(objective):
    config = RunConfig().with_options(method="nmtr_gmf", objective=objective, l2_user=0.01)
    plan = resolve(config, BEHAVIORS)
    space = space_of(plan, "learning_rate=0.001..0.3", "embedding_dim=32:64:128")
    drawn = nearest(settings_as_they_are(config, plan), space)
    assert set(drawn) == set(space)
    options = as_options(drawn, space)
    assert sum(options["loss_weights"]) == pytest.approx(1)
    assert options["loss_weights"] == pytest.approx([1 / 3] * 3, abs=0.02)
    again = config.with_options(**options)
    for name in ("learning_rate", "l2_user", "l2_item", "loss_reduction"):
        assert getattr(again.training, name) == getattr(config.training, name)
    assert again.model == config.model


def test_free_weights_and_those_of_the_rows_of_the_linear_method():
    cmf = RunConfig().with_options(method="cmf", loss_weights=(0.2, 0.0, 1.0))
    plan = resolve(cmf, BEHAVIORS)
    drawn = nearest(settings_as_they_are(cmf, plan), space_of(plan))
    assert as_options(drawn, space_of(plan))["loss_weights"] == (0.2, 0, 1)
    linear = RunConfig().with_options(method="nmtr_linear", linear_gates=(0.25, 0.5, 1.0))
    for config, gates in [(linear, (0.25, 0.5, 1)), (linear.with_options(linear_gates=()), (1, 1, 1))]:
        plan, tuning = resolve(config, BEHAVIORS), TuneConfig(search=("linear_gates",))
        space = chosen_space(of_method(plan, tuning), tuning, ())
        assert as_options(nearest(settings_as_they_are(config, plan), space), space)["linear_gates"] == gates


@pytest.mark.parametrize("method", [*PAPER_METHODS, "nmtr_linear"])
def test_whatever_was_drawn_is_what_has_to_be_drawn_for_it(method):
    """To three digits on a logarithmic scale, where steps are not rounded away by weights' thousandths."""
    plan = resolve(RunConfig().with_options(method=method), BEHAVIORS)
    space = space_of(plan)
    for seed in range(20):
        options = as_options(create_study(sampler=RandomSampler(seed=seed)).ask(dict(space)).params, space)
        again = as_options(nearest(options, space), space)
        assert again.keys() == options.keys()
        for name, value in options.items():
            if isinstance(value, str):
                assert again[name] == value
            else:
                np.testing.assert_allclose(
                    again[name], value, rtol=1e-6, atol=2e-3 * (name == "loss_weights")
                )


def test_the_first_trial_of_a_search_has_the_settings_as_they_are(shop, tmp_path, script):
    given: dict[str, Any] = {
        "method": "nmtr_gmf",
        "num_epochs": 1,
        "learning_rate": 0.07,
        "monitor": "NDCG@10",
        "ks": (10,),
    }
    for sampler in ("tpe", "random"):
        configs = script([0.1], [0.2])
        search: dict[str, Any] = {"search": ("learning_rate", "l2_item"), "sampler": sampler, "trials": 2}
        tune(shop, workdir=tmp_path / sampler, **given, **search)
        assert [(one.training.learning_rate, one.training.l2_item) for one in configs[:1]] == [(0.07, 0.0)]
        assert configs[1].training.learning_rate != 0.07


def test_the_first_trial_has_the_very_values_not_those_of_steps(shop, tmp_path, script):
    """.47 is between two steps of .04, .012345 has five digits, 20 and .3 are above their ranges."""
    given: dict[str, Any] = {"dropout": 0.47, "learning_rate": 0.012345, "num_negatives": 20, "l2_user": 0.3}
    given |= {"method": "nmtr_neumf", "loss_weights": (0.25, 0.35, 0.4), "monitor": "NDCG@10", "ks": (10,)}
    configs = script([0.1])
    names = ("dropout", "learning_rate", "num_negatives", "l2_user", "loss_weights")
    record = tune(shop, workdir=tmp_path, trials=1, search=names, **given)
    training = configs[0].training
    assert (configs[0].model.dropout, training.learning_rate) == (0.47, 0.012345)
    assert (training.num_negatives, training.l2_user) == (8, 0.1)
    assert training.loss_weights == (0.25, 0.35, 0.4)
    flags = record.flags_path.read_text().splitlines()
    assert {"--dropout=0.47", "--learning_rate=0.012345", "--loss_weights=0.25,0.35,0.4"} <= set(flags)


def test_the_first_trial_of_a_baseline_has_its_defaults_or_what_is_given(shop, tmp_path):
    options: dict[str, Any] = {
        "trials": 1,
        "monitor": "NDCG@10",
        "ks": (10,),
        "space": ("ease_lambda=1..1000",),
    }
    record = tune_baseline(shop, "ease", workdir=tmp_path / "1", **options)
    assert record.trials[0].options == {
        "ease_lambda": 500.0,
        "ease_beta": 0.0,
        "ease_dropout": 0.0,
    }
    record = tune_baseline(shop, "ease", workdir=tmp_path / "2", ease_lambda=30.0, **options)
    assert record.trials[0].options["ease_lambda"] == 30.0


def test_a_grid_begins_with_none_but_its_own_points(shop, tmp_path, script):
    configs = script([0.1], [0.2])
    grid: dict[str, Any] = {
        "sampler": "grid",
        "space": ("learning_rate=0.1:0.2",),
        "search": ("learning_rate",),
    }
    record = tune(shop, workdir=tmp_path, method="nmtr_gmf", num_epochs=1, monitor="NDCG@10", **grid)
    assert sorted(one.training.learning_rate for one in configs) == [0.1, 0.2]
    assert record.num_trials == 2
    assert in_words({"learning_rate": parse("learning_rate=0.1:0.2")[1]}) == record.space
