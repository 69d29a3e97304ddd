"""What is searched: ranges, the grid, what a user names, and how drawn numbers become options."""

import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.study import create_study

from nmtr_tf.config import OPTION_TYPES, RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.tuning.choice import check_space, chosen_space, of_method, parse
from nmtr_tf.tuning.options import TuneConfig
from nmtr_tf.tuning.space import as_options, ends_of, grid_points, in_words, on_simplex, own_space

BEHAVIORS = ("view", "cart", "buy")
NUMBERS = (int, float, float | None, tuple[float, ...])
BASE = ["learning_rate", "loss_reduction", "l2_user", "l2_item", "num_negatives"]


def plan_of(method, **options):
    return resolve(RunConfig().with_options(method=method, **options), BEHAVIORS)


def size(space):
    return math.prod(len(one.choices) for one in space.values())


@pytest.mark.parametrize(
    ("method", "own"),
    [
        ("bpr", []),
        ("neumf", ["num_layers", "dropout"]),
        ("cmf", ["loss_weights[0]", "loss_weights[1]", "loss_weights[2]"]),
        ("mc_gmf", ["beta"]),
        ("nmtr_gmf", ["loss_weights[0]", "loss_weights[1]"]),  # the third is the rest to 1
    ],
)
def test_what_a_method_has_to_search(method, own):
    assert list(own_space(plan_of(method), is_grid=False)) == BASE + own


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["learning_rate", "loss_reduction", "l2_user", "l2_item", "unobserved_weight", "dropout"]),
        (
            {"user_rows": "history"},
            ["learning_rate", "loss_reduction", "l2_item", "unobserved_weight", "dropout", "history_dropout"],
        ),
        ({"learner": "als"}, ["l2_user", "l2_item", "unobserved_weight"]),
    ],
)
def test_what_the_whole_data_loss_has_to_search(options, expected):
    """No negatives, which it does not draw, no L2 of users without a table, no rate without gradients."""
    space = own_space(plan_of("nmtr_gmf", objective="whole_data", **options), is_grid=False)
    assert list(space) == [*expected, "loss_weights[0]", "loss_weights[1]"]
    assert space["unobserved_weight"] == FloatDistribution(0.001, 0.5, log=True)
    drawn = as_options({**dict.fromkeys(space, 1.0), "unobserved_weight": 0.01234}, space)
    assert drawn["unobserved_weight"] == (0.0123,)


def test_the_ranges():
    space = own_space(plan_of("mc_neumf"), is_grid=False)
    assert space["l2_user"] == space["l2_item"] == FloatDistribution(3e-5, 0.1, log=True)
    assert space["beta"] == FloatDistribution(0, 1, step=0.05)
    assert space["dropout"] == FloatDistribution(0, 0.5, step=0.025)
    assert space["num_layers"] == IntDistribution(1, 5)
    assert in_words(space)["l2_user"] == "0, or 0.0001 to 0.1, logarithmic"
    assert in_words(space)["beta"] == "0 to 1"
    assert in_words(space)["loss_reduction"] == "sum | mean"
    assert in_words(own_space(plan_of("nmtr_gmf"), False))["loss_weights"] == "at least 0, sum 1"
    assert in_words(own_space(plan_of("cmf"), False))["loss_weights"] == "0 to 1 each"


@pytest.mark.parametrize(
    ("method", "expected"),
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
def test_size_of_the_papers_grid(method, expected):
    assert size(own_space(plan_of(method), is_grid=True)) == expected


def test_dimensions_of_section_iv():
    space = own_space(plan_of("mc_neumf"), is_grid=True)
    assert space["learning_rate"].choices == ("0.001", "0.005", "0.01", "0.02", "0.05")
    assert space["num_layers"].choices == ("1", "2", "3", "4", "5")
    assert space["dropout"].choices == ("0", "0.2", "0.5")
    assert space["beta"].choices == ("0", "0.2", "0.4", "0.6", "0.8", "1")
    assert "loss_weights" not in space


def test_layers_stop_where_the_tower_has_no_width_left():
    def layers(method, **options):
        return own_space(plan_of(method, **options), False).get("num_layers")

    assert layers("nmtr_gmf") is None
    assert layers("nmtr_gmf", units=("gmf", "gmf", "mlp")) == IntDistribution(1, 5)
    assert layers("mlp", embedding_dim=4, num_layers=1) == IntDistribution(1, 3)
    assert layers("mlp", embedding_dim=4, tower_width=16) == IntDistribution(1, 5)


def test_users_from_histories_have_their_dropout_to_search():
    options = {"objective": "whole_data", "user_rows": "history"}
    assert own_space(plan_of("nmtr_gmf", **options), False)["history_dropout"] == FloatDistribution(
        0.0, 0.9, step=0.045
    )
    assert "history_dropout" not in own_space(plan_of("nmtr_gmf"), False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"objective": "softmax"}, ["l2_user", "l2_item", "num_negatives", "temperature"]),
        ({"objective": "contrastive"}, ["l2_user", "l2_item", "num_negatives", "margin", "negative_weight"]),
        (
            {"objective": "contrastive", "user_rows": "history"},
            ["l2_item", "num_negatives", "margin", "negative_weight", "history_dropout"],
        ),
    ],
)
def test_losses_with_shared_negatives_have_options_of_their_own_to_search(options, expected):
    plan = plan_of("bpr", **options)
    space = own_space(plan, is_grid=False)
    assert list(space) == ["learning_rate", "loss_reduction", *expected]
    assert space["num_negatives"] == IntDistribution(64, 1024, log=True)
    config = RunConfig().with_options(method="bpr", **options)
    check_space(space, config, BEHAVIORS)
    check_space(own_space(plan, is_grid=True), config, BEHAVIORS)


def test_the_linear_method_has_options_of_its_own_to_search():
    names = ["linear_lambda", "linear_beta", "linear_dropout", "linear_theta", "linear_discount"]
    for is_grid in (False, True):
        space = own_space(plan_of("nmtr_linear"), is_grid)
        assert list(space) == names
        check_space(space, RunConfig().with_options(method="nmtr_linear"), BEHAVIORS)
    assert own_space(plan_of("nmtr_linear"), False)["linear_lambda"] == FloatDistribution(1, 5000, log=True)
    assert size(own_space(plan_of("nmtr_linear"), True)) == 4 * 3 * 4 * 4 * 3
    assert chosen("nmtr_linear", fixed=["linear_beta"]) == [one for one in names if one != "linear_beta"]
    with pytest.raises(InputError, match="`search` should name options of NMTR-Linear"):
        chosen("nmtr_linear", search=("embedding_dim",))


def test_the_gates_of_the_linear_method_are_searched_where_they_are_named():
    assert chosen("nmtr_linear", search=("linear_beta", "linear_gates")) == [
        "linear_beta",
        *[f"linear_gates[{s}]" for s in range(3)],
    ]
    tuning = TuneConfig(search=("linear_gates",))
    space = chosen_space(of_method(plan_of("nmtr_linear"), tuning), tuning, ())
    assert [(one.low, one.high) for one in space.values()] == [(0, 20), (0, 20), (1, 20)]
    drawn = as_options({"linear_gates[0]": 0, "linear_gates[1]": 10, "linear_gates[2]": 5}, space)
    assert drawn == {"linear_gates": (0.0, 0.5, 0.25)}
    assert in_words(space) == {"linear_gates": "0 to 1 each"}
    tuning = TuneConfig(search=("linear_gates",), sampler="grid")
    grid = chosen_space(of_method(plan_of("nmtr_linear"), tuning), tuning, ())
    assert grid["linear_gates"].choices == ("0.3,0.3,1", "0.3,1,1", "1,0.3,1", "1,1,1")
    check_space(grid, RunConfig().with_options(method="nmtr_linear"), BEHAVIORS)
    alone = resolve(RunConfig().with_options(method="nmtr_linear"), ("buy",))
    with pytest.raises(InputError, match="`search` should name options of NMTR-Linear"):
        chosen_space(of_method(alone, tuning), tuning, ())


def test_sequential_training_has_no_weights_to_search():
    sequential = plan_of("nmtr_gmf", train_mode="sequential")
    assert list(own_space(sequential, False)) == BASE
    assert "loss_weights" not in own_space(sequential, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate=0.01..0.1", FloatDistribution(0.01, 0.1, log=True)),
        ("l2_user=0..0.01", FloatDistribution(3e-5, 0.01, log=True)),
        ("dropout=0.1..0.3", FloatDistribution(0.1, 0.3, step=0.01)),
        ("num_negatives=2..6", IntDistribution(2, 6)),
        ("unobserved_weight=0.01..0.5", FloatDistribution(0.01, 0.5, log=True)),
        ("embedding_dim=64:128", CategoricalDistribution(("64", "128"))),
        ("l2_item=0:1e-3", CategoricalDistribution(("0", "0.001"))),
        ("optimizer=adam", CategoricalDistribution(("adam",))),
        ("loss_weights=1,0,0:1/3,1/3,1/3", CategoricalDistribution(("1,0,0", "1/3,1/3,1/3"))),
    ],
)
def test_what_a_user_wants_drawn(text, expected):
    assert parse(text) == (text.partition("=")[0], expected)


@pytest.mark.parametrize("name", [name for name, kind in OPTION_TYPES.items() if kind in NUMBERS])
def test_every_number_can_be_drawn_from_a_range(name):
    name, one = parse(f"{name}=1..2")
    value = as_options({name: one.low}, {name: one})[name]
    assert value == ((1.0,) if OPTION_TYPES[name] == tuple[float, ...] else 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "learning_rate",
        "learning_rate=",
        "learning_rate=0.1..",
        "learning_rate=0.1..0.01",
        "learning_rate=0.1..0.2..0.3",
        "learning_rate=0.1..inf",
        "learning_rate=-1..1",
        "learning_rate=fast",
        "l2_user=0..1e-4",
        "num_layers=1.5..3",
        "optimizer=adam..sgd",
    ],
)
def test_what_cannot_be_drawn(text):
    with pytest.raises(InputError, match="`space` should be options with a range or values, such as"):
        parse(text)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("learnrate", "learning_rate, learner, linear_gates"),
        ("l2_users", "l2_user, eval_users, l2_power"),
        ("qqq", "learning_rate, l2_user, l2_item"),
    ],
)
def test_a_name_that_is_no_option_is_said_and_what_it_may_have_been(name, others):
    with pytest.raises(InputError) as caught:
        parse(f"{name}=0.1")
    assert str(caught.value) == (
        f"`space` names no option that can be searched, '{name}'; {others} can. Received: '{name}=0.1'."
    )


def chosen(method="nmtr_gmf", fixed=(), **tuning):
    options = TuneConfig(**tuning)
    return list(chosen_space(of_method(plan_of(method), options), options, fixed))


def test_what_is_given_is_not_searched_unless_it_is_named():
    assert chosen("bpr", fixed=["l2_user", "num_epochs"]) == [name for name in BASE if name != "l2_user"]
    assert chosen("nmtr_gmf", fixed=["loss_weights"]) == BASE
    assert chosen("bpr", fixed=["l2_user"], search=("l2_user", "l2_item")) == ["l2_user", "l2_item"]
    assert chosen("bpr", fixed=["l2_user"], space=("l2_user=0:1",)) == BASE
    assert chosen("bpr", search=("embedding_dim",)) == ["embedding_dim"]
    assert chosen("nmtr_gmf", search=("loss_weights",)) == ["loss_weights[0]", "loss_weights[1]"]
    assert chosen("bpr", search=("l2_user",), space=("batch_size=512:1024",)) == ["l2_user", "batch_size"]


def test_other_values_take_the_place_of_a_range():
    tuning = TuneConfig(space=("learning_rate=0.1:0.2", "loss_weights=1,0,0:0,0,1"))
    space = chosen_space(of_method(plan_of("nmtr_gmf"), tuning), tuning, ())
    assert list(space) == [*BASE, "loss_weights"]
    assert space["learning_rate"] == CategoricalDistribution(("0.1", "0.2"))


@pytest.mark.parametrize(
    ("method", "fixed", "tuning", "message"),
    [
        ("bpr", (), {"search": ("dropout",)}, "`search` should name options of BPR, .* Received: 'dropout'."),
        ("bpr", (), {"search": ("batch_size",)}, "others need their values in `space`"),
        ("bpr", BASE, {}, "nothing to search: no option of BPR is left"),
        ("bpr", (), {"sampler": "grid", "space": ("beta=0..1",)}, "lists of values, no range: .* 'beta'"),
    ],
)
def test_a_search_that_makes_no_sense(method, fixed, tuning, message):
    with pytest.raises(InputError, match=message):
        chosen(method, fixed, **tuning)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["dropout=0..1"], r"`dropout` should be in \[0, 1\). Received: 1.0"),
        (["num_layers=1..9"], "`num_layers` should be from 1 to 5. Received: 9"),
        (["learning_rate=0..0.1"], "`learning_rate` should be positive"),
        (["loss_weights=1,1,1"], "`loss_weights` should be at least 0 each and sum to 1"),
        (["num_layers=1..5", "embedding_dim=8:64"], "`num_layers=5` with a first layer of width 8"),
    ],
)
def test_values_that_the_method_does_not_take_are_refused_before_anything_runs(texts, message):
    with pytest.raises(InputError, match=message):
        check_space(dict(map(parse, texts)), RunConfig(), BEHAVIORS)


def test_drawn_numbers_become_options_by_hand():
    space = dict(
        map(parse, ["learning_rate=0.01..0.1", "l2_user=0..0.1", "l2_item=0..0.1", "embedding_dim=64:128"])
    )
    space |= {"beta": FloatDistribution(0, 1, step=0.05), "num_layers": IntDistribution(1, 5)}
    drawn = {"learning_rate": 0.0123456, "l2_user": 9.9e-5, "l2_item": 1.004e-4, "embedding_dim": "128"}
    drawn |= {"beta": 0.15000000000000002, "num_layers": 3}
    options = as_options(drawn, space)
    assert options == {
        "learning_rate": 0.0123,
        "l2_user": 0.0,  # below 1e-4 stands for 0
        "l2_item": 0.0001,
        "embedding_dim": 128,
        "beta": 0.15,
        "num_layers": 3,
    }
    assert isinstance(options["embedding_dim"], int)
    small = {"l2_unit": FloatDistribution(1e-6, 1e-5, log=True)}
    assert as_options({"l2_unit": 1.2345e-6}, small) == {"l2_unit": 1.23e-6}


def test_rounding_does_not_leave_the_range():
    space = {"learning_rate": FloatDistribution(0.012346, 0.0987654, log=True)}
    assert as_options({"learning_rate": 0.012346}, space) == {"learning_rate": 0.012346}
    assert as_options({"learning_rate": 0.0987653}, space) == {"learning_rate": 0.0987654}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((), (1.0,)),
        ((0.3,), (0.3, 0.7)),
        ((0.75, 0.5), (0.5, 0.25, 0.25)),  # 1 - sqrt(1/4), then half of the rest
        ((0, 0), (0, 0, 1)),
        ((1, 0.4), (1, 0, 0)),
        ((0, 1), (0, 1, 0)),
    ],
)
def test_weights_on_the_simplex_by_hand(shares, expected):
    assert on_simplex(shares) == expected


def test_uniform_shares_are_uniform_on_the_simplex():
    shares = np.random.default_rng(0).random((4000, 2))
    weights = np.array([on_simplex(row) for row in shares])
    assert weights.sum(axis=1) == pytest.approx(1)
    # Each weight is then a Beta(1, 2): mean 1/3, variance 1/18.
    assert weights.mean(axis=0) == pytest.approx(1 / 3, abs=0.015)
    assert weights.var(axis=0) == pytest.approx(1 / 18, abs=0.005)


def test_weights_of_both_kinds():
    steps = IntDistribution(0, 20)
    simplex = {"loss_weights[0]": steps, "loss_weights[1]": steps}
    drawn = {"loss_weights[0]": 15, "loss_weights[1]": 10}
    assert as_options(drawn, simplex) == {"loss_weights": (0.5, 0.25, 0.25)}
    free = {"loss_weights[0]": steps, "loss_weights[1]": IntDistribution(1, 20)}
    assert as_options(drawn, free) == {"loss_weights": (0.75, 0.5)}


def test_points_of_a_grid_in_a_seeded_order_and_more_of_them_begin_alike():
    space = dict(map(parse, ["num_layers=1:2:3", "optimizer=adagrad:adam"]))
    drawn = grid_points(space, 6, seed=1)
    assert sorted(point["num_layers"] + point["optimizer"] for point in drawn) == [
        f"{layers}{optimizer}" for layers in "123" for optimizer in ("adagrad", "adam")
    ]
    assert grid_points(space, 4, seed=1) == drawn[:4]
    assert grid_points(space, 100, seed=1) == drawn
    assert grid_points(space, 6, seed=2) != drawn


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_draws_make_valid_plans(method):
    config = RunConfig().with_options(method=method)
    space, grid = own_space(plan_of(method), False), own_space(plan_of(method), True)
    check_space(space, config, BEHAVIORS)
    study = create_study(sampler=RandomSampler(0))
    found = [as_options(study.ask(space).params, space) for _ in range(10)]
    found += [as_options(point, grid) for point in grid_points(grid, 10, seed=0)]
    for options in found:
        plan = resolve(config.with_options(**options), BEHAVIORS)
        assert plan.stages[0].weights == options.get("loss_weights", plan.stages[0].weights)
    assert 0.0 in [options["l2_user"] for options in found]


def test_ends():
    assert ends_of(IntDistribution(1, 5)) == (1, 5)
    assert ends_of(CategoricalDistribution(("a", "b", "c"))) == ("a", "b", "c")
