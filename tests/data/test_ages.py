"""How old training rows are, by hand; and where there are no times."""

import dataclasses

import numpy as np
import pytest
from conftest import make_dataset, make_view
from time_log import LOG, split

from nmtr_tf.config import RunConfig
from nmtr_tf.data.ages import ages_of, has_times
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.preparation import prepare

SECOND = 1 / 86_400


def entries(view, name):
    """(user, item) -> seconds from the row to the last one."""
    pairs = zip(*view.matrices[name].nonzero(), view.ages[name], strict=True)
    return {f"{view.user_ids[u]} {view.item_ids[i]}": round(age / SECOND, 6) for u, i, age in pairs}


def test_ages_are_counted_from_the_last_training_row():
    """Of any behavior; what is held out for validation is not among them, or is with `validation=none`."""
    dataset = split(split_time=11)
    view = dataset.training_view()
    assert entries(view, "view") == {"ann tea": 3, "bob tea": 1, "eve pot": 3}
    assert entries(view, "buy") == {"ann tea": 2, "bob tea": 0}
    later = dataset.training_view(validation="none")
    assert entries(later, "buy") == {"ann tea": 8, "bob cup": 1, "bob tea": 6, "cat tea": 0, "eve tea": 0}
    assert later.ages["view"].max() == pytest.approx(9 * SECOND)
    everything = dataset.full_view(RunConfig())
    assert entries(everything, "buy")["ann tea"] == 17 - 2  # "cat pot", viewed at 17, is in it too
    assert min(ages.min() for ages in everything.ages.values()) == 0


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_the_unit_of_the_times_does_not_matter(unit):
    days = np.array([[1, 0], [2.5, 9]])
    view = make_view({"buy": [[1, 0], [1, 1]]}, days={"buy": days})
    assert view.log is not None
    times = np.asarray(view.log.timestamp) * {"ms": 1, "us": 10**3, "ns": 10**6}[unit]
    log = dataclasses.replace(view.log, timestamp=times, time_unit=unit)
    np.testing.assert_allclose(ages_of(log, view.matrices)["buy"], [8, 6.5, 0])


def test_a_row_that_is_not_trained_on_counts_for_nothing():
    """Shares of auxiliary behaviors, and behaviors that are left out."""
    days = {"view": [[20, 1], [2, 3]], "buy": [[4, 5], [6, 7]]}
    view = make_view({"view": [[1, 1], [1, 1]], "buy": [[1, 0], [1, 1]]}, days=days)
    np.testing.assert_allclose(view.ages["buy"], [16, 14, 13])
    alone = dataclasses.replace(view, matrices={"buy": view.matrices["buy"]})
    np.testing.assert_allclose(alone.ages["buy"], [3, 1, 0])


def test_ids_and_orders_are_no_times():
    made = make_dataset({"buy": [[1, 1, 0], [0, 1, 1]]}, test=[(0, 2)])
    assert not has_times(made.events)
    assert made.training_view().log is None
    ordered = prepare(read_log(LOG, behaviors=("view", "buy"), time_unit="order"))
    assert ordered.events.timestamp is not None
    assert ordered.training_view().log is None
    assert ordered.full_view(RunConfig()).log is None


def test_nothing_at_all_has_no_age():
    view = make_view({"view": np.zeros((2, 2)), "buy": np.zeros((2, 2))}, days={"view": 1, "buy": 1})
    assert [ages.tolist() for ages in view.ages.values()] == [[], []]
