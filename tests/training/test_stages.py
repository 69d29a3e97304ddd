"""Stages, and what a method makes of the training options."""

import pytest
from conftest import BEHAVIORS

from nmtr_tf.config import ModelConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import METHODS
from nmtr_tf.training.settings import behavior_weights, channel_weights, loss_name
from nmtr_tf.training.stages import Stage, check_method, make_stages

THIRD = 1 / 3


def test_multi_task_training_is_one_stage():
    stages = make_stages(ModelConfig("nmtr_gmf"), TrainingConfig(num_epochs=7), BEHAVIORS)
    assert stages == [Stage(BEHAVIORS, (THIRD,) * 3, 7, (), "log")]


def test_sequential_training_is_a_stage_a_behavior():
    training = TrainingConfig(num_epochs=7, train_mode="sequential")
    assert make_stages(ModelConfig("nmtr_mlp"), training, BEHAVIORS) == [
        Stage(("view",), (1.0,), 7, ("cart", "buy"), "log"),
        Stage(("cart",), (1.0,), 7, ("view", "buy"), "log"),
        Stage(("buy",), (1.0,), 7, ("view", "cart"), "log"),
    ]
    training = TrainingConfig(train_mode="sequential", stage_epochs=(3, 1, 2), loss="bpr")
    stages = make_stages(ModelConfig("nmtr_mlp"), training, BEHAVIORS)
    assert [(stage.num_epochs, stage.loss) for stage in stages] == [(3, "bpr"), (1, "bpr"), (2, "bpr")]


@pytest.mark.parametrize("method", METHODS)
def test_loss_is_the_methods_own_unless_given(method):
    own = {"bpr": "bpr", "cmf": "squared"} | dict.fromkeys(["mc_bpr", "mc_gmf", "mc_mlp", "mc_neumf"], "bpr")
    assert loss_name(ModelConfig(method), TrainingConfig()) == own.get(method, "log")
    assert loss_name(ModelConfig(method), TrainingConfig(loss="log")) == "log"


def weights_of(method, weights, behaviors=BEHAVIORS):
    return behavior_weights(ModelConfig(method), TrainingConfig(loss_weights=weights), behaviors)


def test_loss_weights():
    assert weights_of("nmtr_gmf", (), ("a", "b", "c", "d")) == (0.25,) * 4
    assert weights_of("nmtr_gmf", (0.0, 0.25, 0.75)) == (0.0, 0.25, 0.75)
    assert weights_of("bpr", (), ("buy",)) == (1.0,)
    assert weights_of("cmf", (0.2, 0.0, 1.0)) == (0.2, 0.0, 1.0)
    assert weights_of("cmf", ()) == (THIRD,) * 3


@pytest.mark.parametrize(
    ("method", "weights", "message"),
    [
        (
            "nmtr_gmf",
            (0.5, 0.6, 0.1),
            r"at least 0 each and sum to 1 .* Received: \(0.5, 0.6, 0.1\)",
        ),
        ("nmtr_gmf", (-0.5, 1.0, 0.5), "at least 0 each and sum to 1 for --method=nmtr_gmf"),
        ("nmtr_gmf", (0.5, 0.5), r"one weight for each of the 3 behaviors \(view, cart, buy\)\. Received: 2"),
        ("cmf", (0.0, 0.0, 0.0), r"in \[0, 1\] each and not all 0 for --method=cmf"),
        ("cmf", (0.5, 1.2, 0.0), r"in \[0, 1\] each"),
        ("cmf", (0.5, -0.2, 0.0), r"in \[0, 1\] each"),
    ],
)
def test_loss_weights_that_do_not_fit(method, weights, message):
    with pytest.raises(InputError, match=f"--loss_weights should .*{message}"):
        weights_of(method, weights)


def test_channel_weights_fall_with_the_distance_from_the_target():
    config = ModelConfig("mc_bpr")
    assert channel_weights(config, TrainingConfig(), BEHAVIORS) == (1 / 3, 1 / 2)
    assert channel_weights(config, TrainingConfig(channel_weights=(2.0, 0.0)), BEHAVIORS) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("model", "training", "behaviors", "message"),
    [
        ("svd", {}, BEHAVIORS, "--method should be one of bpr"),
        ("mc_gmf", {}, ("buy",), r"--method=mc_gmf .* at least two behaviors\. Received: buy"),
        (
            "mc_bpr",
            {"channel_weights": (1.0,)},
            BEHAVIORS,
            r"for each of the 2 weaker .*\(view, cart\).* 1\.",
        ),
        ("gmf", {"train_mode": "sequential"}, BEHAVIORS, "--train_mode=sequential .* --method=gmf for buy"),
        ("cmf", {"train_mode": "sequential"}, BEHAVIORS, "--train_mode=sequential .* --method=cmf"),
        ("nmtr_gmf", {"train_mode": "sequential"}, ("buy",), "at least two behaviors. Received: .* for buy"),
        (
            "nmtr_gmf",
            {"train_mode": "sequential", "stage_epochs": (3, 4)},
            BEHAVIORS,
            "--stage_epochs should hold one number for each of the 3 behaviors .* Received: 2",
        ),
        ("bpr", {"loss_weights": (0.5, 0.5)}, BEHAVIORS, "each of the 1 behaviors"),
    ],
)
def test_what_does_not_fit_the_method_is_named(model, training, behaviors, message):
    with pytest.raises(InputError, match=message):
        check_method(ModelConfig(model), TrainingConfig(**training), behaviors)


def test_units_are_checked_for_the_predicted_behaviors():
    check_method(ModelConfig("gmf", units=("mlp",)), TrainingConfig(), BEHAVIORS)
    with pytest.raises(InputError, match="--units should name one unit for each of the 1 behaviors"):
        check_method(ModelConfig("gmf", units=("mlp", "gmf", "gmf")), TrainingConfig(), BEHAVIORS)
