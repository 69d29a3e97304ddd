"""The grid: its dimensions, and the points that are drawn from it."""

import pytest

from nmtr_tf.config import RunConfig
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import METHODS
from nmtr_tf.tuning.space import grid_points, random_points, search_space, simplex, size

BEHAVIORS = ("view", "cart", "buy")


def space_of(method, **options):
    return search_space(resolve(RunConfig().with_options(method=method, **options), BEHAVIORS))


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
def test_size_of_the_grid(method, expected):
    assert size(space_of(method)) == expected


def test_dimensions_of_section_iv():
    space = space_of("mc_neumf")
    assert list(space["learning_rate"]) == [0.001, 0.005, 0.01, 0.02, 0.05]
    assert list(space["num_layers"]) == [1, 2, 3, 4, 5]
    assert list(space["dropout"]) == [0, 0.2, 0.5]
    assert list(space["beta"]) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert list(space["l2_item"]) == [0, 1e-6, 1e-5, 1e-4]
    assert "loss_weights" not in space


def test_a_tower_in_one_of_the_units_has_layers_to_search():
    assert "num_layers" not in space_of("nmtr_gmf")
    assert "num_layers" in space_of("nmtr_gmf", units=("gmf", "gmf", "mlp"))


def test_layers_stop_where_the_tower_has_no_width_left():
    assert list(space_of("mlp", embedding_dim=4)["num_layers"]) == [1, 2, 3]
    assert list(space_of("mlp", embedding_dim=4, tower_width=16)["num_layers"]) == [1, 2, 3, 4, 5]


def test_sequential_training_has_no_weights_to_search():
    assert "loss_weights" in space_of("nmtr_gmf")
    assert "loss_weights" not in space_of("nmtr_gmf", train_mode="sequential")


def test_steps_of_lambda():
    tenths, sixths = simplex(2), simplex(3)
    assert tenths == [(i / 10, (10 - i) / 10) for i in range(11)]
    assert len(sixths) == len(set(sixths)) == 28
    assert (2 / 6, 2 / 6, 2 / 6) in sixths
    assert all(sum(weights) == pytest.approx(1) and min(weights) >= 0 for weights in sixths)
    assert simplex(1) == [(1.0,)]


def test_random_points_are_different_points_of_the_grid_and_more_of_them_begin_alike():
    space = {"a": (1, 2, 3), "b": ("x", "y")}
    everything = list(grid_points(space))
    assert everything[:3] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}]
    drawn = random_points(space, 6, seed=1)
    assert sorted(map(str, drawn)) == sorted(map(str, everything))
    assert random_points(space, 4, seed=1) == drawn[:4]
    assert random_points(space, 100, seed=1) == drawn
    assert random_points(space, 6, seed=2) != drawn


@pytest.mark.parametrize("method", METHODS)
def test_points_make_valid_plans(method):
    config = RunConfig().with_options(method=method)
    for point in random_points(space_of(method), 20, seed=0):
        plan = resolve(config.with_options(**point), BEHAVIORS)
        assert plan.name == method
        assert plan.stages[0].weights == point.get("loss_weights", plan.stages[0].weights)
