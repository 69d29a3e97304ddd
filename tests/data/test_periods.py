"""The training time in periods, and what was popular in each, by hand."""

import numpy as np
import pytest
from conftest import make_view

from nmtr_tf.data.periods import Periods
from nmtr_tf.errors import InputError

DONE = {"view": [[1, 1, 0], [1, 0, 1]], "buy": [[1, 0, 0], [1, 0, 0]]}
DAYS = {"view": [[0, 9, 0], [20, 0, 25]], "buy": [[5, 0, 0], [30, 0, 0]]}
VIEW = make_view(DONE, days=DAYS)


def test_equal_parts_from_the_first_row_to_the_last():
    periods = Periods.equal(VIEW, 3)
    assert (periods.days, periods.count) == (10, 3)
    ages = np.array([30, 20.1, 20, 19.9, 10, 9.9, 0])
    assert periods.of(ages).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert periods.of(VIEW.ages["view"]).tolist() == [0, 0, 1, 2]  # days 0, 9, 20 and 25


def test_windows_are_counted_back_from_the_last_row():
    periods = Periods.windows(VIEW, 14)
    assert periods.count == 3
    assert periods.of(np.array([0, 13.9, 14, 27.9, 28, 30])).tolist() == [2, 2, 1, 1, 0, 0]
    assert Periods.windows(VIEW, 30).count == 2  # the first row is as old as that
    assert Periods.windows(VIEW, 30.5).count == 1


def test_popularity_counts_rows_of_the_behavior_in_each_period():
    view, buy = (Periods.windows(VIEW, 14).popularity(VIEW, name) for name in ("view", "buy"))
    assert view.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert buy.tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_one_time_alone_is_the_last():
    view = make_view({"buy": [[1, 1]]}, days={"buy": 3})
    for periods in (Periods.equal(view, 4), Periods.windows(view, 14)):
        assert periods.of(view.ages["buy"]).tolist() == [periods.count - 1] * 2


@pytest.mark.parametrize("days", [0.03, 1e-300])
def test_too_many_windows_are_one_line(days):
    with pytest.raises(InputError) as caught:
        Periods.windows(VIEW, days)
    assert str(caught.value) == (
        f"`time_window={days:g}` cuts 30 days of training rows into more than 1,000 windows; expected at "
        "least 0.04 days."
    )
    assert Periods.windows(VIEW, 0.04).count <= 1000
