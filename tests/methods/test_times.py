"""What plans make of the times of training rows, by hand."""

import numpy as np
import pytest
from conftest import BEHAVIORS, make_view

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import buckets_of, check_times, times_of

DONE = {"view": [[1, 1, 0], [1, 0, 1]], "buy": [[1, 0, 0], [1, 0, 0]]}
DAYS = {"view": [[0, 9, 0], [20, 0, 25]], "buy": [[5, 0, 0], [30, 0, 0]]}
VIEW = make_view(DONE, days=DAYS)
UNTIMED = make_view(DONE)


def plan_of(behaviors=VIEW.behaviors, **options):
    return resolve(RunConfig().with_options(**{"method": "nmtr_gmf", **options}), behaviors)


def popularity_of(view, plan) -> np.ndarray:
    popularity, weights = times_of(view, plan)
    assert weights is None
    assert popularity is not None
    return popularity


def test_by_default_nothing_reads_times():
    plan = plan_of()
    assert plan.timed_option == ""
    check_times(plan, UNTIMED)
    assert times_of(UNTIMED, plan) == (None, None)
    assert buckets_of(UNTIMED, plan, VIEW.behaviors) == []


def test_a_window_sees_what_was_there_before_it_and_nothing_of_its_own():
    """Columns: windows of 14 days back from day 30, from days 2 and 16 on, and now."""
    plan = plan_of(time_bias="window")
    popularity = popularity_of(VIEW, plan)
    expected = np.log1p(
        [
            [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]],
            [[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
        ]
    )
    means = expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(popularity, expected - means, rtol=1e-5, atol=1e-6)
    assert popularity.dtype == np.float32
    view, buy = buckets_of(VIEW, plan, VIEW.behaviors)
    assert (view.tolist(), buy.tolist()) == ([0, 1, 2, 2], [1, 2])


def test_what_is_very_old_still_weighs_more_than_nothing():
    """Ages of days beside a half-life of hours, whose power is below the least float32."""
    plan = plan_of(user_rows="history", history_half_life=0.1)
    weights = times_of(VIEW, plan).entry_weights
    assert weights is not None
    assert 0 < weights.min() == np.float32(2.0**-64) < weights.max() == 1


def test_what_comes_later_changes_nothing_of_a_window():
    """Another row of the same or of a later time leaves the columns up to that window as they were."""
    plan, more = plan_of(time_bias="window"), {name: np.array(rows) for name, rows in DONE.items()}
    days = {name: np.array(rows, float) for name, rows in DAYS.items()}
    more["buy"][0, 1], days["buy"][0, 1] = 1, 29
    before, after = (popularity_of(view, plan) for view in (VIEW, make_view(more, days=days)))
    np.testing.assert_array_equal(before[:, :, :-1], after[:, :, :-1])
    assert after[1, 1, -1] > before[1, 1, -1]


def test_only_predicted_behaviors_have_a_popularity():
    plan = plan_of(method="gmf", item_bias=True, time_bias="window")
    assert popularity_of(VIEW, plan).shape == (1, 3, 4)
    assert [own.tolist() for own in buckets_of(VIEW, plan, ("buy",))] == [[1, 2]]


def test_buckets_need_no_more_than_the_plan():
    plan = plan_of(time_bias="buckets", time_buckets=3)
    assert times_of(VIEW, plan) == (None, None)
    assert [own.tolist() for own in buckets_of(VIEW, plan, VIEW.behaviors)] == [[0, 0, 1, 2], [0, 2]]


def test_a_history_is_as_old_as_the_last_that_was_done_to_an_item():
    plan = plan_of(user_rows="history", history_half_life=10)
    popularity, weights = times_of(VIEW, plan)
    assert popularity is None
    assert weights is not None
    # Items 0 (viewed on day 0, bought on 5) and 1 (9) of one user, 0 (20 and 30) and 2 (25) of the other.
    np.testing.assert_allclose(weights, 2.0 ** (-np.array([25, 21, 0, 5]) / 10), rtol=1e-6)
    assert weights.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"time_bias": "buckets"}, "time_bias=buckets"),
        ({"time_bias": "window"}, "time_bias=window"),
        ({"user_rows": "both", "history_half_life": 7.5}, "history_half_life=7.5"),
        ({"method": "nmtr_linear", "history_half_life": 7.5}, "history_half_life=7.5"),
        ({"method": "nmtr_linear_gmf", "history_half_life": 7.5}, "history_half_life=7.5"),
    ],
)
def test_without_times_it_is_one_line(options, named):
    check_times(plan_of(**options), VIEW)
    with pytest.raises(InputError) as caught:
        check_times(plan_of(**options), UNTIMED)
    assert str(caught.value) == (
        f"`{named}` needs a log with times, and this data set has none (ids and orders are none); leave it "
        "out, or prepare from a log with a timestamp."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "softmax"},
            "`time_bias=buckets` needs `objective=sampled`, whose pairs have their times. Received: "
            "`objective=softmax`.",
        ),
        (
            {"objective": "whole_data", "learner": "als"},
            "`time_bias=buckets` needs `objective=sampled`, whose pairs have their times. Received: "
            "`objective=whole_data`.",
        ),
        (
            {"method": "nmtr_linear_gmf"},
            "`time_bias=buckets` needs `objective=sampled`, whose pairs have their times. Received: "
            "`objective=whole_data`.",
        ),
        (
            {"method": "bpr"},
            "`time_bias=buckets` needs `item_bias=True`, of which it is a part. Received: "
            "`item_bias=False` (`method=bpr`).",
        ),
        (
            {"method": "nmtr_linear"},
            "`time_bias` has no meaning for `method=nmtr_linear`, whose weights are solved in closed form. "
            "Received: 'buckets'.",
        ),
        (
            {"time_window": 7.0},
            "`time_window` goes with `time_bias=window`. Received: `time_bias=buckets`.",
        ),
        (
            {"time_bias": "none", "time_buckets": 5},
            "`time_buckets` goes with `time_bias=buckets`. Received: `time_bias=none`.",
        ),
        (
            {"time_bias": "none", "history_half_life": 5.0},
            "`history_half_life` goes with `user_rows=history` or `both`. Received: `user_rows=table`.",
        ),
        (
            {"time_bias": "none", "history_alpha": 1.0, "method": "nmtr_linear"},
            "`history_alpha` has no meaning for `method=nmtr_linear`, whose weights are solved in closed "
            "form. Received: 1.0.",
        ),
    ],
)
def test_what_does_not_go_with_times_is_one_line(options, message):
    with pytest.raises(InputError) as caught:
        plan_of(BEHAVIORS, **{"time_bias": "buckets", **options})
    assert str(caught.value) == message


@pytest.mark.parametrize("user_rows", ["table", "both"])
@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_neumf", "cmf", "mc_mlp"])
def test_units_rows_and_stages_cross(method, user_rows):
    options = {"item_bias": True, "user_rows": user_rows, "time_bias": "window"}
    assert plan_of(BEHAVIORS, method=method, **options).timed_option == "time_bias=window"
    if method.startswith("nmtr"):
        assert len(plan_of(BEHAVIORS, method=method, train_mode="sequential", **options).stages) == 3
