"""Options that nothing reads: refused where they are given, left out of settings that methods share."""

import pytest

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import of_method, resolve
from nmtr_tf.methods.table import METHODS
from nmtr_tf.models.units import MF

BEHAVIORS = ("view", "cart", "buy")
WHOLE = {"objective": "whole_data"}
READERS = {
    "dropout": (0.5, ["mlp", "neumf", "mc_mlp", "mc_neumf", "nmtr_mlp", "nmtr_neumf", "nmtr_linear_gmf"]),
    "beta": (0.7, ["mc_bpr", "mc_gmf", "mc_mlp", "mc_neumf"]),
    "channel_weights": ((0.5, 1.0), ["mc_bpr", "mc_gmf", "mc_mlp", "mc_neumf"]),
    "unobserved_weight": ((0.1,), ["nmtr_linear_gmf"]),
    "l2_power": (0.5, ["nmtr_linear_gmf"]),
    "l2_user": (0.1, sorted({*METHODS} - {"nmtr_linear", "nmtr_linear_gmf"})),
    "num_negatives": (7, sorted({*METHODS} - {"nmtr_linear", "nmtr_linear_gmf"})),
}
"""Option -> (a value, the methods whose own objective and units read it)."""


class OwnUnit(MF):
    """It may read what it likes."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("option", READERS)
def test_an_option_is_taken_where_something_reads_it_and_only_there(option, method):
    value, readers = READERS[option]
    config = RunConfig().with_options(method=method, **{option: value})
    if method in readers:
        resolve(config, BEHAVIORS)
        assert of_method(config, BEHAVIORS) == config
        return
    with pytest.raises(InputError, match=f"^`{option}` ") as caught:
        resolve(config, BEHAVIORS)
    assert caught.value.option == option


@pytest.mark.parametrize("option", READERS)
def test_settings_that_methods_share_are_those_that_each_of_them_reads(option):
    value, readers = READERS[option]
    shared = RunConfig().with_options(l2_item=0.01, **{option: value})
    for method in sorted({*METHODS} - {"nmtr_linear"}):
        own = of_method(shared.with_options(method=method), BEHAVIORS)
        resolve(own, BEHAVIORS)
        given = {option: value} if method in readers else {}
        assert own == RunConfig().with_options(method=method, l2_item=0.01, **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dropout": 0.5},
            "`dropout` goes with the tower of units mlp and neumf, and with `objective=whole_data`. "
            "Received: `method=nmtr_gmf`, units gmf, `objective=sampled`.",
        ),
        (
            {"beta": 0.7},
            "`beta` goes with multi-channel methods, `method=mc_bpr` and its like. "
            "Received: `method=nmtr_gmf`.",
        ),
        (
            {"l2_power": 0.5},
            "`l2_power` goes with `objective=whole_data`. Received: `objective=sampled`.",
        ),
        (
            {**WHOLE, "num_negatives": 7},
            "`num_negatives` goes with `objective=sampled` or `objective=softmax` or "
            "`objective=contrastive`. Received: `objective=whole_data`.",
        ),
        (
            {**WHOLE, "learner": "als", "learning_rate": 0.1},
            "`learning_rate` goes with `learner=gradient`. Received: `learner=als`.",
        ),
        (
            {**WHOLE, "learner": "als", "loss_reduction": "mean"},
            "`loss_reduction` goes with `learner=gradient`. Received: `learner=als`.",
        ),
        (
            {"train_mode": "sequential", "loss_weights": (0.2, 0.3, 0.5)},
            "`loss_weights` goes with `train_mode=multitask`, as a stage learns one behavior. "
            "Received: `train_mode=sequential`.",
        ),
        (
            {**WHOLE, "user_rows": "history", "l2_user": 0.1},
            "`l2_user` goes with `user_rows=table` or `both`, as histories have no vectors of users. "
            "Received: `user_rows=history`.",
        ),
        (
            {**WHOLE, "learner": "als", "initial_accumulator": 0.1},
            "`initial_accumulator` goes with `learner=gradient`. Received: `learner=als`.",
        ),
    ],
)
def test_what_would_read_it_is_said(options, message):
    with pytest.raises(InputError) as caught:
        resolve(RunConfig().with_options(method="nmtr_gmf", **options), BEHAVIORS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "options",
    [
        {**WHOLE, "dropout": 0.5, "l2_power": 0.5, "unobserved_weight": (0.1,)},
        {"units": ("gmf", "gmf", "mlp"), "dropout": 0.5},
        {"units": (OwnUnit,) * 3, "dropout": 0.5},
        {"objective": "softmax", "num_negatives": 500, "temperature": 0.5},
        {"num_layers": 2, "tower_width": 32},
        {**WHOLE, "user_rows": "both", "l2_user": 0.1},
    ],
)
def test_what_is_read_besides(options):
    config = RunConfig().with_options(method="nmtr_gmf", **options)
    resolve(config, BEHAVIORS)
    assert of_method(config, BEHAVIORS) == config
