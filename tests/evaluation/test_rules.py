"""Baselines that learn nothing, against scores and ranks worked by hand."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import build_baseline
from nmtr_tf.evaluation.baselines.rules import dense_ranks
from nmtr_tf.evaluation.ranking import rank_held_out

MATRICES = {
    "view": [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]],
    "cart": [[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]],
    "buy": [[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1]],
}
TEST = [(0, 2), (1, 4), (2, 3)]
VIEW = make_view(MATRICES, test=TEST)
DATASET = Dataset(
    Events(
        users=VIEW.user_ids,
        items=VIEW.item_ids,
        behaviors=VIEW.behaviors,
        # The purchases in order of time, then held-out ones and a cart, later than all.
        user=np.array([0, 2, 2, 1, 0, 1, 2, 1], np.int32),
        item=np.array([0, 4, 5, 5, 2, 4, 3, 4], np.int32),
        behavior=np.array([2, 2, 2, 2, 2, 2, 2, 1], np.int8),
        timestamp=np.array([10, 20, 30, 40, 90, 90, 90, 99]),
    ),
    np.array([0, 0, 0, 0, 2, 2, 2, 0], np.int8),
    "released",
)


def build(name, view=VIEW, **options):
    return build_baseline(name, DATASET, view, **options)


def scores(scorer, num_users=3):
    return np.asarray(scorer.scores(tf.range(num_users), scorer.item_side()))


def ranks(scorer, view=VIEW, **config):
    return rank_held_out(scorer, view, "test", EvaluationConfig(**config))


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("popularity", [1, 0, 0, 0, 1, 2]),  # purchases 1 0 0 0 1 2
        ("popularity_all", [1, 1, 0, 0, 2, 2]),  # rows 2 2 1 1 3 3
        ("recency", [0, 0, 0, 0, 1, 2]),  # 1 x 0^4, 0, 0, 0, 1 x (4/6)^4, 2 x (5/6)^4
        ("recency_time", [1, 0, 0, 0, 2, 3]),  # (1/4)^4, 0, 0, 0, (2/4)^4, (3/4)^4 + (4/4)^4
    ],
)
def test_orders(name, order):
    np.testing.assert_array_equal(scores(build(name)), [order] * 3)


@pytest.mark.parametrize("name", ["recency", "recency_time"])
def test_lateness_to_the_power_of_0_is_popularity(name):
    np.testing.assert_array_equal(scores(build(name, recency_power=0)), scores(build("popularity")))
    for bad in (-1.0, float("nan")):
        with pytest.raises(InputError, match="`recency_power` should be at least 0"):
            build(name, recency_power=bad)


def test_touched_first_by_hand():
    expected = [
        [1, 6 + 0, 3 + 0, 0, 1, 2],  # carted 1, viewed 2, bought 0; three values of popularity
        [1, 0, 0, 3 + 0, 6 + 1, 2],  # viewed and carted 4, viewed 3, carted and bought 5
        [1, 0, 0, 0, 1, 2],
    ]
    np.testing.assert_array_equal(scores(build("touched_first")), expected)


@pytest.mark.parametrize(
    ("name", "mask", "expected"),
    [
        # User 0: 4 and 5 above item 2, 1 and 3 level. User 1: 0 level. User 2: 0 above, 1 and 2 level.
        ("popularity", "target", [(2, 3), (0, 2), (1, 3)]),
        ("popularity", "none", [(3, 3), (1, 2), (3, 3)]),
        ("touched_first", "target", [(1, 1), (0, 1), (1, 3)]),
        ("touched_first", "none", [(1, 1), (0, 1), (3, 3)]),
    ],
)
def test_masks_and_ties_are_those_of_the_ranking(name, mask, expected):
    found = ranks(build(name), mask=mask)
    assert list(zip(found.ranks, found.tied, strict=True)) == expected


def test_validation_purchases_are_masked_at_test():
    view = dataclasses.replace(VIEW, held_out={**VIEW.held_out, "validation": np.array([[0, 5]], np.int32)})
    found = ranks(build("popularity", view), view)
    assert list(zip(found.ranks, found.tied, strict=True)) == [(1, 3), (0, 2), (1, 3)]


def test_chunks_pick_their_own_users():
    scorer = build("touched_first")
    chosen = scorer.scores(tf.constant([1, 0, 1]), scorer.item_side())
    np.testing.assert_array_equal(chosen, scores(scorer)[[1, 0, 1]])


def test_with_one_behavior_nothing_else_was_touched():
    view = make_view({"buy": MATRICES["buy"]}, test=TEST)
    np.testing.assert_array_equal(scores(build("touched_first", view)), scores(build("popularity", view)))


def test_random_depends_on_seed_and_user_alone():
    scorer = build("random", seed=5)
    first = scores(scorer)
    np.testing.assert_array_equal(scores(build("random", seed=5)), first)
    np.testing.assert_array_equal(scorer.scores(tf.constant([2]), scorer.item_side()), first[2:])
    assert len(np.unique(first)) == first.size
    assert (scores(build("random", seed=6)) != first).all()
    np.testing.assert_array_equal(scores(build("random")), scores(build("random", seed=0)))


def test_random_ranks_are_uniform():
    view = make_view({"buy": np.zeros((2000, 20))}, test=[(user, 7) for user in range(2000)])
    found = ranks(build("random", view), view).ranks
    assert found.mean() == pytest.approx(9.5, abs=0.5)  # 4 standard errors
    assert np.bincount(found.astype(int), minlength=20).min() > 60


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_no_generator_takes(seed):
    with pytest.raises(InputError, match=rf"`seed` should be at least 0 and below 2\^31. Received: {seed}"):
        build("random", seed=seed)


def test_close_values_stay_apart_and_ties_stay_ties():
    values = np.array([1e9, 1e9 + 1, 1e9, 1e-30, 2e-30, 0])
    np.testing.assert_array_equal(dense_ranks(values), [3, 4, 3, 1, 2, 0])
    assert dense_ranks(values).dtype == np.float32
