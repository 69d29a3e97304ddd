"""A log that is cut at several times: by hand, and against the log up to the next cut."""

import numpy as np
import pandas as pd
import pytest
from time_log import BEHAVIORS, LOG, pairs, split

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.destination import check_destination, cut_directories
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.several_cuts import prepare_cuts, save_cuts
from nmtr_tf.errors import InputError

# After 13 bob buys the pot again, and cat what is new: the second cut has one pair, of a user seen since.
LATER = pd.DataFrame(
    [("dan", "pot", "buy", 14), ("eve", "cup", "buy", 20)], columns=["user", "item", "behavior", "timestamp"]
)
BOTH = pd.concat([LOG, LATER], ignore_index=True)


def made(frame: pd.DataFrame = BOTH, times=(11, 13), **options) -> dict[str, Dataset]:
    return dict(prepare_cuts(read_log(frame, behaviors=BEHAVIORS), times, **options))


def test_each_is_tested_on_what_comes_before_the_next():
    found = made(times=(11, 13))
    assert list(found) == ["cut_1970-01-01T000011", "cut_1970-01-01T000013"]
    assert [pairs(one, "test") for one in found.values()] == [["ann pot"], ["bob pot", "dan pot", "eve cup"]]


@pytest.mark.parametrize("times", [(11, 13), (10, 12, 14)])
def test_each_is_what_prepare_makes_of_the_log_up_to_the_next(times):
    found = made(times=times, seed=3)
    for dataset, start, end in zip(found.values(), times, [*times[1:], 10**9], strict=True):
        own = split(BOTH[BOTH.timestamp < end], split_time=start, seed=3)
        assert dataset.fingerprint == own.fingerprint
        assert dataset.about["time_split"] == own.about["time_split"]
        assert dataset.protocol == "time"


def test_the_name_of_a_date_is_the_date():
    days = pd.to_datetime(BOTH.timestamp, unit="D", origin="2024-03-01")
    log = read_log(BOTH.assign(timestamp=days), behaviors=BEHAVIORS)
    names = [name for name, _ in prepare_cuts(log, ["2024-03-12", "2024-03-13T06:30"])]
    assert names == ["cut_2024-03-12", "cut_2024-03-13T063000"]


def test_all_stand_or_none(tmp_path):
    log = read_log(BOTH, behaviors=BEHAVIORS)
    for _ in save_cuts(log, (11, 13), tmp_path / "cuts"):
        assert not (tmp_path / "cuts").exists()
    found = cut_directories(tmp_path / "cuts")
    assert [Dataset.load(path).fingerprint for path in found] == [one.fingerprint for one in made().values()]
    with pytest.raises(InputError, match="holds a data set; name another one, or replace it"):
        next(save_cuts(log, (11, 13), tmp_path / "cuts"))
    with pytest.raises(InputError, match="should be inside the log"):
        list(save_cuts(log, (11, 999), tmp_path / "cuts", overwrite=True))
    assert cut_directories(tmp_path / "cuts") == found
    list(save_cuts(log, (10, 12, 14), tmp_path / "cuts", overwrite=True))
    first = cut_directories(tmp_path / "cuts")[0]
    assert len(cut_directories(tmp_path / "cuts")) == 3
    (first / "audit.json").write_text("{}")
    check_destination(tmp_path / "cuts", overwrite=True)
    (first / "raw.csv").write_text("of a user")
    with pytest.raises(InputError, match=r"holds more than a data set: .*cut_[^/]*/raw\.csv; move it"):
        check_destination(tmp_path / "cuts", overwrite=True)
    (first / "raw.csv").unlink()
    (tmp_path / "cuts" / "notes.txt").write_text("of a user")
    with pytest.raises(InputError, match="exists and is no data set"):
        check_destination(tmp_path / "cuts", overwrite=True)


@pytest.mark.parametrize("times", [(13, 11), (11, 11), (11, 11.0)])
def test_cuts_out_of_order_are_refused(times):
    with pytest.raises(InputError, match="`split_time` should be different times, the earliest first"):
        made(times=times)


def test_a_log_without_times_is_refused():
    frame = BOTH.drop(columns="timestamp")
    with pytest.raises(InputError, match="`split=time` needs a log with times"):
        made(frame)


def test_the_log_stays_as_it_is():
    log = read_log(BOTH, behaviors=BEHAVIORS)
    before = {name: np.copy(getattr(log, name)) for name in ("user", "item", "behavior", "timestamp")}
    list(prepare_cuts(log, (11, 13)))
    for name, column in before.items():
        np.testing.assert_array_equal(getattr(log, name), column)
