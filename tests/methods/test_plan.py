"""What each method and its options mean."""

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from conftest import BEHAVIORS

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import Stage, resolve
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.methods.unit_kinds import UNITS
from nmtr_tf.models.units import MF

THIRD = 1 / 3
CHAIN = ((), (0,), (1,))
ALONE = ((), (), ())


def plan_of(method="nmtr_gmf", behaviors=BEHAVIORS, **options):
    return resolve(RunConfig().with_options(method=method, **options), behaviors)


def expected_plan(unit, predicted=("buy",), parents=((),), shares=True, shares_items=True, **own):
    """What the paper says of a method; `own` overrides what most of them have in common."""
    common = {"separates_parts": False, "item_bias": False, "loss": "log", "samples_channels": False}
    facts = {"predicted": predicted, "parents": parents, "unit_names": (unit,) * len(predicted)}
    facts |= {"shares_users": shares, "shares_items": shares_items, "channel_weights": ()}
    return facts | common | own


MULTI_CHANNEL = {"loss": "bpr", "samples_channels": True, "channel_weights": (1 / 3, 1 / 2)}
EXPECTED = {
    "bpr": expected_plan("mf", loss="bpr"),
    "gmf": expected_plan("gmf"),
    "mlp": expected_plan("mlp"),
    "neumf": expected_plan("neumf", shares=False, shares_items=False, separates_parts=True),
    "cmf": expected_plan("mf", BEHAVIORS, ALONE, shares_items=False, loss="squared"),
    "mc_bpr": expected_plan("mf", **MULTI_CHANNEL),
    "mc_gmf": expected_plan("gmf", **MULTI_CHANNEL),
    "mc_mlp": expected_plan("mlp", **MULTI_CHANNEL),
    "mc_neumf": expected_plan("neumf", **MULTI_CHANNEL),
    "nmtr_gmf": expected_plan("gmf", BEHAVIORS, CHAIN, item_bias=True),
    "nmtr_mlp": expected_plan("mlp", BEHAVIORS, CHAIN, item_bias=True),
    "nmtr_neumf": expected_plan("neumf", BEHAVIORS, CHAIN, item_bias=True),
}


def test_every_method_is_expected():
    assert set(EXPECTED) == set(PAPER_METHODS)


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_a_method_as_it_is(method):
    plan, expected = plan_of(method, num_epochs=7), EXPECTED[method]
    assert {name: getattr(plan, name) for name in expected} == expected
    assert (plan.name, plan.method, plan.behaviors) == (method, PAPER_METHODS[method], BEHAVIORS)
    assert plan.units == tuple(UNITS[name] for name in plan.unit_names)
    weights = (1 / len(plan.predicted),) * len(plan.predicted)
    assert plan.stages == (Stage(plan.predicted, weights, 7),)
    assert plan.stages[0].frozen == ()
    assert plan.num_epochs == 7
    assert plan.objective == "sampled"


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_what_follows_from_a_plan(method):
    plan = plan_of(method, embedding_dim=10, num_layers=2)
    assert plan.row_size == (20 if method == "neumf" else 10)
    assert plan.tower_widths == (10, 5)
    assert plan.has_tower == method.endswith(("mlp", "neumf"))
    assert plan.has_cascade == method.startswith("nmtr_")
    everything = method.startswith(("nmtr_", "mc_", "cmf"))
    assert plan.learned_from == (BEHAVIORS if everything else ("buy",))


def test_with_one_behavior_nothing_is_before_the_target():
    plan = plan_of("nmtr_mlp", ("buy",))
    assert (plan.predicted, plan.parents, plan.has_cascade) == (("buy",), ((),), False)
    assert plan.stages[0].weights == (1.0,)


def test_options_come_before_the_methods_own():
    options = {"embedding_stddev": 0.1, "dropout": 0.2, "item_bias": False, "loss": "bpr"}
    plan = plan_of(units=("gmf", "mlp", "neumf"), share_embeddings=False, **options)
    assert plan.unit_names == ("gmf", "mlp", "neumf")
    assert (plan.shares_users, plan.shares_items, plan.separates_parts) == (False, False, False)
    assert {name: getattr(plan, name) for name in options} == options


@pytest.mark.parametrize("given", [None, True, False])
@pytest.mark.parametrize("method", PAPER_METHODS)
def test_item_bias_is_the_methods_own_unless_given(method, given):
    assert plan_of(method, item_bias=given).item_bias == (
        PAPER_METHODS[method].item_bias if given is None else given
    )


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_loss_is_the_methods_own_unless_given(method):
    assert plan_of(method).loss == EXPECTED[method]["loss"]
    assert plan_of(method, loss="squared").loss == "squared"


@pytest.mark.parametrize(
    ("method", "share", "users", "items", "parts"),
    [
        ("neumf", True, True, True, False),
        ("neumf", False, False, False, True),
        ("mc_neumf", False, False, False, True),
        ("gmf", False, False, False, False),  # it has one part
        ("nmtr_neumf", False, False, False, False),  # a table for each behavior instead
        ("cmf", True, True, False, False),  # shared are the users alone
        ("cmf", False, False, False, False),
    ],
)
def test_what_share_embeddings_means(method, share, users, items, parts):
    plan = plan_of(method, share_embeddings=share)
    assert (plan.shares_users, plan.shares_items, plan.separates_parts) == (users, items, parts)


def test_sequential_training_is_a_stage_a_behavior():
    assert plan_of("nmtr_mlp", num_epochs=7, train_mode="sequential").stages == (
        Stage(("view",), (1.0,), 7, ("cart", "buy")),
        Stage(("cart",), (1.0,), 7, ("view", "buy")),
        Stage(("buy",), (1.0,), 7, ("view", "cart")),
    )
    plan = plan_of("nmtr_mlp", train_mode="sequential", stage_epochs=(3, 1, 2), loss="bpr")
    assert [stage.num_epochs for stage in plan.stages] == [3, 1, 2]
    assert (plan.num_epochs, plan.loss) == (6, "bpr")


def weights_of(method, weights, behaviors=BEHAVIORS):
    (stage,) = plan_of(method, behaviors, loss_weights=weights).stages
    return stage.weights


def test_loss_weights():
    assert weights_of("nmtr_gmf", (), ("a", "b", "c", "d")) == (0.25,) * 4
    assert weights_of("nmtr_gmf", (0.0, 0.25, 0.75)) == (0.0, 0.25, 0.75)
    assert weights_of("bpr", ()) == (1.0,)
    assert weights_of("cmf", (0.2, 0.0, 1.0)) == (0.2, 0.0, 1.0)
    assert weights_of("cmf", ()) == (THIRD,) * 3


def test_whole_numbers_are_numbers():
    assert weights_of("nmtr_gmf", [1, 0, 0]) == (1.0, 0.0, 0.0)
    weights = plan_of("mc_bpr", channel_weights=(1, 1)).channel_weights
    assert weights == (1.0, 1.0)
    assert {type(weight) for weight in weights} == {float}


@pytest.mark.parametrize(
    ("method", "weights", "message"),
    [
        (
            "nmtr_gmf",
            (0.5, 0.6, 0.1),
            r"at least 0 each and sum to 1 .* Received: \(0.5, 0.6, 0.1\)",
        ),
        ("nmtr_gmf", (-0.5, 1.0, 0.5), "at least 0 each and sum to 1 for `method=nmtr_gmf`"),
        ("nmtr_gmf", (0.5, 0.5), r"one weight for each of the 3 behaviors \(view, cart, buy\)\. Received: 2"),
        ("bpr", (0.5, 0.5), r"one weight for each of the 1 behaviors \(buy\)\. Received: 2"),
        ("cmf", (0.0, 0.0, 0.0), r"in \[0, 1\] each and not all 0 for `method=cmf`"),
        ("cmf", (0.5, 1.2, 0.0), r"in \[0, 1\] each"),
        ("cmf", (0.5, -0.2, 0.0), r"in \[0, 1\] each"),
    ],
)
def test_loss_weights_that_do_not_fit(method, weights, message):
    with pytest.raises(InputError, match=f"^`loss_weights` should .*{message}") as caught:
        weights_of(method, weights)
    assert caught.value.option == "loss_weights"


def test_channel_weights_fall_with_the_distance_from_the_target():
    assert plan_of("mc_bpr").channel_weights == (1 / 3, 1 / 2)
    assert plan_of("mc_bpr", channel_weights=(2.0, 0.0)).channel_weights == (2.0, 0.0)
    assert plan_of("nmtr_gmf").channel_weights == ()  # it has no channels


@pytest.mark.parametrize(
    ("method", "options", "behaviors", "message"),
    [
        (
            "svd",
            {},
            BEHAVIORS,
            r"^`method` should be one of bpr, .*, nmtr_linear_gmf\. Received: 'svd'\.$",
        ),
        ("mc_gmf", {}, ("buy",), r"^`method=mc_gmf` .* at least two behaviors\. Received: buy\.$"),
        (
            "mc_bpr",
            {"channel_weights": (1.0,)},
            BEHAVIORS,
            r"^`channel_weights` .* for each of the 2 auxiliary behaviors \(view, cart\)\. Received: 1\.$",
        ),
        (
            "gmf",
            {"train_mode": "sequential"},
            BEHAVIORS,
            r"^`train_mode=sequential` .* `method=gmf` for buy\.$",
        ),
        ("cmf", {"train_mode": "sequential"}, BEHAVIORS, "^`train_mode=sequential` .* `method=cmf`"),
        ("nmtr_gmf", {"train_mode": "sequential"}, ("buy",), "at least two behaviors. Received: .* for buy"),
        (
            "nmtr_gmf",
            {"train_mode": "sequential", "stage_epochs": (3, 4)},
            BEHAVIORS,
            r"^`stage_epochs` should hold one number for each of the 3 behaviors \(view, .* Received: 2\.$",
        ),
        (
            "nmtr_gmf",
            {"units": ("gmf", "mlp")},
            BEHAVIORS,
            r"^`units` should name one unit for each of the 3 behaviors .* Received: gmf,mlp\.$",
        ),
        ("gmf", {"units": ("mlp", "gmf", "gmf")}, BEHAVIORS, "^`units` .* each of the 1 behaviors"),
        (
            "gmf",
            {"units": ("lstm",)},
            BEHAVIORS,
            r"^`units` should name a known .* unit: mf, gmf, mlp, neumf, linear .* Received: 'lstm'\.$",
        ),
    ],
)
def test_what_does_not_fit_the_method_is_named(method, options, behaviors, message):
    with pytest.raises(InputError, match=message) as caught:
        plan_of(method, behaviors, **options)
    assert "\n" not in str(caught.value)


class OwnProduct(MF):
    """An inner product that least squares know nothing of."""


WHOLE: dict[str, Any] = {"objective": "whole_data"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.01,) * 3),
        ({"unobserved_weight": (0.2,)}, (0.2,) * 3),
        ({"unobserved_weight": (0.2, 0.3, 1.0)}, (0.2, 0.3, 1.0)),
    ],
)
def test_weights_of_unobserved_pairs_are_one_for_all_or_one_for_each(options, expected):
    assert plan_of(**WHOLE, **options).unobserved_weights == expected


@pytest.mark.parametrize(
    "options",
    [
        {"method": "bpr"},
        {"method": "gmf", "share_embeddings": False},  # one behavior has one table
        {"method": "cmf", "share_embeddings": False},
        {"method": "nmtr_gmf", "units": ("mf", "gmf", "mf"), "train_mode": "sequential"},
        {"method": "nmtr_neumf", "units": ("gmf",) * 3},
    ],
)
def test_the_whole_data_loss_goes_with_all_inner_products(options):
    assert plan_of(**WHOLE, **options).objective == "whole_data"


GRADIENT = "`objective=whole_data` with `learner=gradient` needs "
PRODUCTS = GRADIENT + "units that are inner products, mf or gmf. Received: "
CHANNELS = GRADIENT + "a method without sampled negatives of its own. Received: "
TABLES = GRADIENT + "item embeddings that all behaviors of a cascade share. Received: "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "nmtr_mlp"}, PRODUCTS + "`units=mlp,mlp,mlp`."),
        ({"units": ("gmf", "gmf", "neumf")}, PRODUCTS + "`units=gmf,gmf,neumf`."),
        ({"method": "mc_gmf"}, CHANNELS + "`method=mc_gmf`."),
        ({"share_embeddings": False}, TABLES + "`share_embeddings=False`."),
        (
            {"unobserved_weight": (0.1, 0.2)},
            "`unobserved_weight` should hold one weight, or one for each of the 3 behaviors "
            "(view, cart, buy). Received: 2.",
        ),
        (
            {"loss": "squared"},
            "`loss` should be left out with `objective=whole_data`, whose errors are squared. "
            "Received: 'squared'.",
        ),
    ],
)
def test_what_does_not_go_with_the_whole_data_loss_is_one_line(options, message):
    with pytest.raises(InputError) as caught:
        plan_of(**WHOLE, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"units": ("gmf", "mlp", "gmf")},
            "units that are inner products, mf or gmf. Received: `units=gmf,mlp,gmf`.",
        ),
        (
            {"units": (OwnProduct,) * 3},
            f"units mf or gmf. Received: `units={OwnProduct},{OwnProduct},{OwnProduct}`.",
        ),
        (
            {"method": "cmf", "share_embeddings": False},
            "user embeddings that all behaviors share. Received: `share_embeddings=False`.",
        ),
        ({"train_mode": "sequential"}, "`train_mode=multitask`. Received: `train_mode=sequential`."),
        ({"dropout": 0.5}, "`dropout=0`, as it is exact. Received: `dropout=0.5`."),
    ],
)
def test_what_does_not_go_with_least_squares_is_one_line(options, message):
    with pytest.raises(InputError) as caught:
        plan_of(**WHOLE, learner="als", **options)
    assert str(caught.value) == "`objective=whole_data` with `learner=als` needs " + message


def test_least_squares_go_with_the_whole_data_loss_alone():
    assert plan_of(**WHOLE, learner="als").learner == "als"
    assert plan_of("cmf", **WHOLE, learner="als").learner == "als"
    with pytest.raises(
        InputError, match=r"^`learner=als` goes with `objective=whole_data`\. Received: 'sampled'\.$"
    ):
        plan_of(learner="als")


def test_users_from_histories_learn_from_all_behaviors():
    plan = plan_of("gmf", **WHOLE, user_rows="history", history_alpha=1)
    assert (plan.from_history, plan.is_closed_form, plan.learner) == (True, False, "gradient")
    assert (plan.predicted, plan.learned_from) == (BEHAVIORS[-1:], BEHAVIORS)
    assert plan.history.history_alpha == 1.0
    assert plan_of("cmf", **WHOLE, user_rows="both").from_history  # with an item table of their own
    assert not plan_of(**WHOLE).from_history


HISTORY = (
    "`user_rows=history` goes with `learner=gradient` and one of the objectives sampled, softmax, "
    "contrastive, whole_data. Received: "
)


@pytest.mark.parametrize("objective", ["sampled", "softmax", "contrastive", "whole_data"])
@pytest.mark.parametrize("user_rows", ["table", "history", "both"])
@pytest.mark.parametrize("method", ["nmtr_gmf", "cmf", "bpr", "nmtr_mlp", "mlp"])
def test_objectives_rows_and_units_cross(objective, user_rows, method):
    """All but towers, where inner products are asked for."""
    options = {"objective": objective, "user_rows": user_rows}
    if "mlp" in method and objective in ("contrastive", "whole_data"):
        with pytest.raises(InputError, match="needs units that are inner products"):
            plan_of(method, **options)
        return
    plan = plan_of(method, **options)
    assert plan.objective == objective
    assert plan.from_history == (user_rows != "table")
    assert plan.normalizes_items == (objective == "contrastive")
    assert not (plan.item_bias and plan.normalizes_items)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "softmax", "method": "mc_gmf"},
            "`objective=softmax` with `learner=gradient` needs a method without sampled negatives of its "
            "own. Received: `method=mc_gmf`.",
        ),
        (
            {"objective": "softmax", "method": "nmtr_mlp", "dropout": 0.2},
            "`objective=softmax` with `learner=gradient` needs `dropout=0`, as logits are computed twice. "
            "Received: `dropout=0.2`.",
        ),
        (
            {"objective": "contrastive", "item_bias": True},
            "`objective=contrastive` with `learner=gradient` needs `item_bias=False`, as a cosine has none. "
            "Received: `item_bias=True`.",
        ),
        (
            {"objective": "contrastive", "share_embeddings": False},
            "`objective=contrastive` with `learner=gradient` needs item embeddings that all behaviors of a "
            "cascade share. Received: `share_embeddings=False`.",
        ),
        (
            {"objective": "contrastive", "learner": "als"},
            "`learner=als` goes with `objective=whole_data`. Received: 'contrastive'.",
        ),
        (
            {"objective": "softmax", "loss": "bpr"},
            "`loss` should be left out with `objective=softmax`, which is a loss itself. Received: 'bpr'.",
        ),
        ({"margin": 0.5}, "`margin` goes with `objective=contrastive`. Received: `objective=sampled`."),
        (
            {"objective": "contrastive", "temperature": 0.5},
            "`temperature` goes with `objective=softmax`. Received: `objective=contrastive`.",
        ),
        (
            {"objective": "contrastive", "method": "nmtr_linear_gmf"},
            "`method=nmtr_linear_gmf` needs `objective=whole_data` or `softmax`, whose scores are of one "
            "scale for all users and items. Received: `objective=contrastive`.",
        ),
        (
            {"objective": "softmax", "method": "nmtr_linear_gmf", "units": ("gmf", "gmf", "mlp")},
            "`method=nmtr_linear_gmf` needs units that are inner products, mf or gmf. "
            "Received: `units=gmf,gmf,mlp`.",
        ),
    ],
)
def test_what_does_not_go_with_shared_negatives_is_one_line(options, message):
    with pytest.raises(InputError) as caught:
        plan_of(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "mine"}, HISTORY + "`objective=mine`, `learner=gradient`."),
        ({"learner": "als"}, HISTORY + "`objective=whole_data`, `learner=als`."),
        ({"method": "nmtr_mlp"}, PRODUCTS + "`units=mlp,mlp,mlp`."),
        (
            {"share_embeddings": False, "units": ("gmf",) * 3},
            "`user_rows=history` needs user embeddings that all behaviors share. "
            "Received: `share_embeddings=False`.",
        ),
        (
            {"method": "cmf", "history_items": "shared"},
            "`user_rows=history` with `history_items=shared` needs item embeddings that all behaviors share. "
            "Received: `method=cmf`.",
        ),
        (
            {"user_rows": "table", "history_alpha": 0.3},
            "`history_alpha` goes with `user_rows=history` or `both`. Received: `user_rows=table`.",
        ),
        (
            {"method": "nmtr_linear", "objective": "sampled"},
            "`user_rows` has no meaning for `method=nmtr_linear`, whose weights are solved in closed form. "
            "Received: 'history'.",
        ),
    ],
)
def test_what_does_not_go_with_histories_is_one_line(options, message):
    with pytest.raises(InputError) as caught:
        plan_of(**{**WHOLE, "user_rows": "history", **options})
    assert str(caught.value) == message


def test_units_are_checked_for_the_predicted_behaviors():
    assert plan_of("gmf", units=("mlp",)).unit_names == ("mlp",)


def test_a_plan_is_frozen():
    plan = plan_of()
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.loss = "bpr"
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.stages[0].num_epochs = 1


def test_a_plan_needs_no_tensorflow():
    code = (
        "import sys; from nmtr_tf.config import RunConfig; from nmtr_tf.methods.plan import resolve\n"
        "for method in ('cmf', 'mc_mlp', 'nmtr_neumf'):\n"
        "    resolve(RunConfig().with_options(method=method), ('view', 'buy'))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_sum_is_a_cascade_from_histories_on_all_pairs_with_a_linear_part():
    plan = plan_of("nmtr_linear_gmf")
    assert (plan.parents, plan.unit_names, plan.learner) == (CHAIN, ("gmf",) * 3, "gradient")
    assert (plan.objective, plan.history.user_rows) == ("whole_data", "history")
    assert plan.adds_linear
    assert plan.has_item_weights
    assert not plan.is_closed_form
    assert plan_of("nmtr_linear_gmf", user_rows="both").history.user_rows == "both"
    assert plan_of("nmtr_gmf").history.user_rows == "table"
    assert not plan_of("nmtr_gmf").has_item_weights
