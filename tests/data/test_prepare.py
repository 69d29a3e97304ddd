"""From a log in memory to a data set."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events, fingerprint
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.preparation import prepare, prepare_events
from nmtr_tf.data.prepare_options import PrepareOptions
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.errors import InputError

LOG = pd.DataFrame(
    [
        ("ann", "tea", "view", 1),
        ("ann", "tea", "buy", 2),
        ("ann", "pot", "buy", 4),
        ("ann", "cup", "buy", 5),
        ("bob", "tea", "view", 1),
        ("bob", "cup", "buy", 9),
        ("bob", "tea", "buy", 3),
        ("cat", "tea", "buy", 1),
        ("cat", "cup", "buy", 2),
    ],
    columns=["user", "item", "behavior", "timestamp"],
)
BEHAVIORS = ("view", "buy")


def pre_split(tmp_path) -> Events:
    """A log that comes split, with a user of one kind of behavior."""
    for name, text in (("view", "0 1 2\n"), ("buy", "0 1 2\n1 0 2\n"), ("test", "0 3\n1 3\n")):
        (tmp_path / f"{name}.txt").write_text(text)
    files = {name: tmp_path / f"{name}.txt" for name in BEHAVIORS}
    return read_log(files, format="adjacency", heldout=tmp_path / "test.txt")


def test_data_frame_to_data_set():
    dataset = prepare(LOG, behaviors=BEHAVIORS)
    assert dataset.user_ids.tolist() == ["ann", "bob"]  # cat shows one kind of behavior
    assert dataset.item_ids.tolist() == ["cup", "pot", "tea"]
    assert dataset.held_out["test"].tolist() == [[0, 0], [1, 0]]  # the latest purchases: cup and cup
    assert dataset.held_out["validation"][:, 0].tolist() == [0]
    assert dataset.behaviors == BEHAVIORS
    assert (dataset.protocol, dataset.directory) == ("strict", None)
    assert dataset.about == {
        "source": "data frame",
        "checksums": {},
        "rows_read": 9,
        "bad_rows": {},
        "ignored_rows": {},
        "impossible_times": 0,
        "times": "times from 1970-01-01 to 1970-01-01 (seconds, as no unit puts them between 1990 and 2100 "
        "(`time_unit=order`: an order))",
        "filters": [
            {"filter": "duplicates merged", "users": 0, "items": 0, "rows": 0},
            {"filter": "users with fewer than 2 kinds of behavior", "users": 1, "items": 0, "rows": 2},
        ],
        "seed": 0,
        "table_one": {"users": 2, "items": 3, "buy": 5, "view": 2},
    }
    assert dataset.training_view().target.nnz == 2


def test_data_frame_with_options_of_its_own():
    renamed = LOG.rename(columns={"user": "who", "timestamp": "when"})
    columns = {"user": "who", "timestamp": "when"}
    renamed.loc[9] = (None, "tea", "view", 1)
    dataset = prepare(
        renamed, behaviors=["view", "buy"], columns=columns, on_bad_rows="skip", min_behaviors=1
    )
    assert dataset.user_ids.tolist() == ["ann", "bob", "cat"]
    assert dataset.about["bad_rows"] == {"expected an id": 1}


def test_data_set_in_memory_and_stored_are_the_same(tmp_path):
    LOG.to_csv(tmp_path / "log.csv", index=False)
    dataset = prepare(read_log(tmp_path / "log.csv", behaviors=BEHAVIORS), seed=np.int64(3))
    stored = dataset.save(tmp_path / "d")
    loaded = Dataset.load(tmp_path / "d")
    assert stored.about == loaded.about == dataset.about
    assert json.loads((tmp_path / "d" / "dataset.json").read_text()) == dataset.header
    assert loaded.about["seed"] == 3
    assert list(loaded.about["checksums"]) == ["log.csv"]
    assert loaded.fingerprint == prepare(LOG, behaviors=BEHAVIORS, seed=3).fingerprint


@pytest.mark.parametrize(
    ("options", "least", "protocol"),
    [
        ({}, 1, "released"),
        ({"min_behaviors": 2}, 2, "released"),
        ({"protocol": "strict"}, 1, "strict"),
    ],
)
def test_defaults_of_a_log_that_comes_split(tmp_path, options, least, protocol):
    dataset = prepare(pre_split(tmp_path), **options)
    assert dataset.user_ids.tolist() == (["0", "1"] if least == 1 else ["0"])
    assert dataset.protocol == protocol
    assert dataset.about["source"] == "adjacency"
    assert dataset.events.heldout is None


@pytest.mark.parametrize(
    ("options", "least"), [({}, 2), ({"min_behaviors": 1}, 1), ({"min_behaviors": 3}, 3)]
)
def test_options_reach_the_steps(options, least):
    shop = synthetic_shop(80, 40, seed=3)
    dataset = prepare(shop, **options, min_target=2, k_core=1, seed=4)
    expected = prepare_events(shop, PrepareOptions(least, 2, 1, 4))
    np.testing.assert_array_equal(dataset.split, expected.split)
    assert dataset.about["filters"] == expected.filters
    assert dataset.about["table_one"] == expected.table_one()
    assert (dataset.about["source"], dataset.about["rows_read"]) == ("synthetic", len(shop))


def test_fingerprint_without_times_is_that_of_earlier_versions():
    dataset = prepare(synthetic_shop(80, 40, seed=3))
    untimed = dataclasses.replace(dataset.events, timestamp=None)
    earlier = "d92a771b2881e25634631477ec6818bf310f7d43c227b831fa773f4dec84bc3e"
    assert fingerprint(untimed, dataset.split) == earlier


def test_events_made_by_hand():
    events = dataclasses.replace(synthetic_shop(30, 20), origin={})
    dataset = prepare(events, behaviors=events.behaviors)
    assert dataset.about["source"] == "events"
    assert dataset.about["rows_read"] == len(events)


@pytest.mark.parametrize(
    ("log", "options", "message"),
    [
        (LOG, {}, "`behaviors` is needed with a data frame: its behaviors, weakest first"),
        (LOG, {"behaviors": "buy"}, "`behaviors` should be a list of names. Received: 'buy'."),
        (LOG, {"behaviors": BEHAVIORS, "columns": {"user": "who"}}, "data frame: expected one column 'who'"),
        (LOG, {"behaviors": BEHAVIORS, "protocol": "x"}, "`protocol` should be one of 'released', "),
        (LOG, {"behaviors": BEHAVIORS, "k_core": -1}, "`k_core` should be at least 0. Received: -1."),
        (
            LOG,
            {"behaviors": BEHAVIORS, "min_target": "2"},
            "`min_target` should be whole numbers below 2^31.",
        ),
        (LOG, {"behaviors": BEHAVIORS, "seed": -1}, "`seed` should be at least 0. Received: -1."),
        (
            LOG,
            {"behaviors": BEHAVIORS, "on_bad_rows": "no"},
            "`on_bad_rows` should be one of 'error', 'skip'.",
        ),
        (LOG, {"behaviors": BEHAVIORS, "min_target": 9}, "No rows are left after the filters"),
        (synthetic_shop(30, 20), {"on_bad_rows": "no"}, "`on_bad_rows` should be 'error' or 'skip'."),
        (synthetic_shop(30, 20), {"behaviors": BEHAVIORS}, "`behaviors` and `columns` are for data frames"),
        (synthetic_shop(30, 20), {"columns": {"user": "u"}}, "`behaviors` and `columns` are for data frames"),
        ("events.csv", {}, "A log should be what read_log returns, or a pandas DataFrame. Received: str."),
    ],
)
def test_bad_input(log, options, message):
    with pytest.raises(InputError) as caught:
        prepare(log, **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
