"""Groups of held-out pairs by hand."""

import numpy as np
from conftest import make_dataset

from nmtr_tf.evaluation.groups import held_out_groups

DATASET = make_dataset(
    {
        "view": [[0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]],
        "cart": [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]],
        "buy": [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 0, 0]],
    },
    validation=[(1, 2), (3, 3)],
    test=[(0, 2), (1, 3), (2, 4), (3, 4)],
)
USERS, ITEMS = DATASET.held_out["test"].T


def groups(bounds, behaviors=()):
    before = DATASET.before("test", behaviors)
    members = held_out_groups(before, USERS, ITEMS, bounds)
    return {name: np.flatnonzero(chosen).tolist() for name, chosen in members.items()}


def test_touched_is_any_auxiliary_behavior_and_purchases_count_the_validation_row():
    assert groups((2, 4)) == {
        "touched": [0, 1, 3],  # viewed; carted; both
        "untouched": [2],
        "<2 buy": [0],  # 1 purchase
        "2-3 buy": [1],  # 2 + 1 for validation
        ">=4 buy": [2, 3],  # 4; 3 + 1
    }


def test_groups_without_a_pair_are_left_out():
    assert list(groups((1, 2, 50))) == ["touched", "untouched", "1 buy", "2-49 buy"]


def test_a_single_behavior_has_no_auxiliary_one():
    assert list(groups((100,), ["buy"])) == ["<100 buy"]


def test_without_bounds_there_are_no_groups_of_users():
    assert list(groups(())) == ["touched", "untouched"]
