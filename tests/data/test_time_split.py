"""A log that is split in time: by hand, and against pandas."""

import dataclasses
import datetime

import numpy as np
import pandas as pd
import pytest
from time_log import BEHAVIORS, LOG, pairs, split

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import SPLITS
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.errors import InputError


def rows(dataset: Dataset, matrices) -> dict[str, str]:
    """Behavior -> "user item" of its entries."""
    users, items = dataset.user_ids, dataset.item_ids
    return {
        name: ", ".join(f"{users[u]} {items[i]}" for u, i in zip(*matrix.nonzero(), strict=True))
        for name, matrix in matrices.items()
    }


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return split(split_time=11)


def test_test_pairs_are_first_purchases_after_the_cut_of_what_was_known(dataset):
    assert pairs(dataset, "test") == ["ann pot", "bob pot"]
    assert pairs(dataset, "validation") == ["eve tea"]
    assert dataset.user_ids.tolist() == ["ann", "bob", "cat", "eve"]
    assert dataset.item_ids.tolist() == ["cup", "pot", "tea"]
    assert dataset.protocol == "time"


def test_what_is_new_is_counted(dataset):
    assert dataset.about["time_split"] == {
        "validation_from": "1970-01-01T00:00:05",
        "test_from": "1970-01-01T00:00:11",
        "target_rows": 4,
        "target_users": 4,
        "of_known_users": 3,
        "of_known_items": 3,
        "unseen_users": 1,
        "unseen_items": 1,
    }
    assert dataset.about["filters"] == [
        {"filter": "duplicates merged", "users": 0, "items": 0, "rows": 3},
        {"filter": "later rows of users and items that are new", "users": 1, "items": 1, "rows": 2},
    ]
    assert dataset.dropped.user_ids.tolist() == ["dan"]


def test_training_sees_only_what_came_before(dataset):
    view = dataset.training_view()
    assert rows(dataset, view.matrices) == {"view": "ann tea, bob tea, eve pot", "buy": "ann tea, bob tea"}
    assert rows(dataset, view.between) == {"view": "ann pot, cat cup", "buy": "bob cup, cat tea, eve tea"}
    assert len(view.held_out["validation"]) == 1
    assert rows(dataset, dataset.whole)["view"] == "ann pot, ann tea, bob tea, cat cup, cat pot, eve pot"


def test_without_validation_every_behavior_gets_the_rows_between_the_cuts_back(dataset):
    view = dataset.training_view(validation="none")
    before = {
        "view": "ann pot, ann tea, bob tea, cat cup, eve pot",
        "buy": "ann tea, bob cup, bob tea, cat tea, eve tea",
    }
    assert rows(dataset, view.matrices) == rows(dataset, view.every) == before
    assert rows(dataset, dataset.training_view(("buy",), validation="none").matrices) == {
        "buy": before["buy"]
    }
    assert (len(view.held_out["validation"]), len(view.held_out["test"]), view.between) == (0, 2, {})
    assert rows(dataset, dataset.before("test").matrices) == before
    assert rows(dataset, dataset.before("validation").matrices) == rows(dataset, dataset.matrices)


def test_a_share_of_the_rows_is_cut_off_with_all_of_one_time():
    assert split(split_share=8 / 18).about["time_split"]["test_from"] == "1970-01-01T00:00:11"
    # Two rows of 12: a cut between them would part what happened at once.
    assert split(split_share=6 / 18).about["time_split"]["test_from"] == "1970-01-01T00:00:12"


@pytest.mark.parametrize(
    "text", ["20240503", "2024-05-03", "2024-05-03T00:00", "03.05.2024", "1714694400", "1714694400000"]
)
def test_a_day_is_spelled_as_in_a_log(text):
    found = split(days(60, 20, 30), split_time=text).about["time_split"]
    assert found["test_from"] == "2024-05-03T00:00:00"


def days(*counts: int) -> pd.DataFrame:
    """So many rows a day, each of another of 143 pairs of a user and an item; every third is a purchase."""
    places = np.arange(sum(counts))
    drawn = places * 37 % 143
    days = pd.Timestamp("2024-05-01") + pd.to_timedelta(np.repeat(np.arange(len(counts)), counts), "D")
    columns = {"user": drawn % 11, "item": drawn // 11, "timestamp": days}
    return pd.DataFrame(columns | {"behavior": np.where(places % 3, "view", "buy")})


@pytest.mark.parametrize(
    ("counts", "options", "validation_from"),
    [
        ((60, 20, 30), {"split_time": "2024-05-03"}, "2024-05-02T00:00:00"),
        ((60, 20, 30), {"split_share": 0.25}, "2024-05-02T00:00:00"),
        ((60, 0, 20, 30), {"split_time": "2024-05-04"}, "2024-05-03T00:00:00"),
        ((60, 10, 10, 30), {"split_time": "2024-05-04"}, "2024-05-02T00:00:00"),
        ((30, 30, 20, 30), {"split_time": "2024-05-04"}, "2024-05-02T00:00:00"),
        ((30, 30, 40, 30), {"split_time": "2024-05-04"}, "2024-05-03T00:00:00"),
    ],
)
def test_validation_leaves_rows_to_train_on(counts, options, validation_from):
    dataset = split(days(*counts), **options)
    assert dataset.about["time_split"]["validation_from"] == validation_from
    assert all(parts["train"] for parts in dataset.header["rows"].values())


def test_nothing_to_train_on():
    with pytest.raises(InputError) as caught:
        split(days(60, 30), split_time="2024-05-02")
    assert str(caught.value) == (
        "`split_time=2024-05-02` has but one time before it, 2024-05-01T00:00:00; expected two or more, as "
        "the rows of the last are for validation; cut later."
    )
    late = days(20, 60, 40)
    late.loc[:19, "user"] = range(100, 120)  # each with one row
    assert split(late, split_time="2024-05-03").header["rows"]["buy"]["train"] == 7
    with pytest.raises(InputError) as caught:
        split(late, split_time="2024-05-03", min_target=2)
    assert str(caught.value) == (
        "No row from before 2024-05-02T00:00:00, where validation begins, is left after the filters, so "
        "there is nothing to train on; relax them or cut later."
    )


EARLY = "ann a buy, ann b buy, ann a view, dan a buy, dan b buy, dan c buy, dan a view, bob a buy, cat a buy"
LATE = "bob b buy, bob c buy, bob b view, ann c buy, cat b buy"


@pytest.mark.parametrize("options", [{"min_target": 2}, {"min_behaviors": 2}])
def test_filters_count_what_is_before_the_cut(options):
    parts = [(*row.split(), time) for time, text in ((1, EARLY), (9, LATE)) for row in text.split(", ")]
    frame = pd.DataFrame(parts, columns=LOG.columns)
    frame.loc[0, "timestamp"] = 0
    assert pairs(split(frame, split_time=9), "test") == ["ann c", "bob b", "bob c", "cat b"]
    dataset = split(frame, split_time=9, **options)
    assert dataset.user_ids.tolist() == ["ann", "dan"]  # bob does more, but later
    assert pairs(dataset, "test") == ["ann c"]
    with pytest.raises(InputError, match="No 'buy' row from"):
        split(frame, split_time=9, k_core=2)  # c had one buyer


def test_later_rows_of_an_item_that_the_filters_left_no_other_of_go():
    rows = [("ann", "a", "buy", 0), ("ann", "b", "buy", 1), ("bob", "c", "buy", 1), ("dan", "a", "buy", 1)]
    rows += [("dan", "b", "view", 1), ("dan", "d", "buy", 1), ("ann", "c", "buy", 9), ("ann", "d", "buy", 9)]
    dataset = split(pd.DataFrame(rows, columns=LOG.columns), split_time=9, min_target=2)
    assert pairs(dataset, "test") == ["ann d"]
    assert dataset.about["filters"][1:] == [
        {"filter": "users with fewer than 2 target rows", "users": 1, "items": 0, "rows": 1},
        {
            "filter": "later rows of items that the filters left no other of",
            "users": 0,
            "items": 1,
            "rows": 1,
        },
    ]


@pytest.mark.parametrize(
    "given",
    [
        "2015-08-15",
        "2015-08-15T02:00+02:00",
        datetime.date(2015, 8, 15),
        datetime.datetime(2015, 8, 15, tzinfo=datetime.timezone.utc),
        pd.Timestamp("2015-08-15"),
        1439596800,
        1439596800000,
    ],
)
def test_times_are_given_in_many_ways(given):
    frame = LOG.assign(timestamp=pd.Timestamp("2015-08-15") + pd.to_timedelta(LOG.timestamp - 11, "h"))
    dataset = split(frame, split_time=given)
    assert dataset.about["time_split"]["test_from"] == "2015-08-15T00:00:00"
    assert pairs(dataset, "test") == ["ann pot", "bob pot"]
    # A millisecond later ann's purchase is before the cut.
    assert pairs(split(frame, split_time="2015-08-15T00:00:00.001"), "test") == ["bob pot"]


def test_stored_and_loaded_it_is_the_same(dataset, tmp_path):
    loaded = Dataset.load(dataset.save(tmp_path / "d").directory)
    assert loaded.split.tolist() == dataset.split.tolist()
    assert (loaded.protocol, loaded.about, loaded.fingerprint) == ("time", dataset.about, dataset.fingerprint)
    assert pairs(loaded, "test") == ["ann pot", "bob pot"]
    assert loaded.header["rows"]["view"] == {"train": 3, "validation": 2, "test": 1}


PURCHASES_LATE = pd.DataFrame(
    [(user, "tea", "view", time) for time, user in enumerate("abcd")] + [("a", "tea", "buy", 9)],
    columns=LOG.columns,
)


@pytest.mark.parametrize(
    ("log", "options", "message"),
    [
        (LOG.drop(columns="timestamp"), {"split_share": 0.2}, "`split=time` needs a log with times."),
        (
            LOG,
            {"split_time": 99},
            "`split_time=99`, 1970-01-01T00:01:39, should be inside the log, which goes ",
        ),
        (
            LOG,
            {"split_time": 1},
            "`split_time=1`, 1970-01-01T00:00:01, should be inside the log, which goes ",
        ),
        (
            LOG,
            {"split_time": "soon"},
            "`split_time` should be a time such as 2015-08-15 or 2015-08-15T12:00. ",
        ),
        (
            LOG,
            {"split_time": 9},
            "`split_time=9` holds 11 rows out and leaves 7 to train on; expected no more ",
        ),
        (LOG, {"split_share": 0.7}, "`split_share=0.7` holds 13 rows out and leaves 5 to train on; "),
        (LOG, {"split_share": 0}, "`split_share` should be above 0 and below 1. Received: 0.0."),
        (LOG, {"split_share": 1}, "`split_share` should be above 0 and below 1. Received: 1.0."),
        (LOG, {"split_share": float("nan")}, "`split_share` should be a finite number. Received: nan."),
        (LOG, {"split_share": "half"}, "`split_share` should be a finite number. Received: 'half'."),
        (
            LOG,
            {"split_share": 0.2, "split_time": 11},
            "`split=time` takes one of `split_time` and `split_sha",
        ),
        (LOG, {}, "`split=time` takes one of `split_time` and `split_share`."),
        (LOG, {"split": "leave_one_out", "split_share": 0.2}, "`split_share` goes with `split=time`."),
        (LOG, {"split": "leave_one_out", "split_time": 11}, "`split_time` goes with `split=time`."),
        (LOG, {"split": "days"}, "`split` should be 'leave_one_out' or 'time'. Received: 'days'."),
        (LOG, {"split_time": 11, "protocol": "strict"}, "`protocol=strict` does not go with `split=time`."),
        (
            LOG,
            {"split": "leave_one_out", "protocol": "time"},
            "`protocol=time` does not go with `split=leave",
        ),
        (
            LOG,
            {"split_time": 15},
            "No 'buy' row from 1970-01-01T00:00:15 on is of a user and an item that have",
        ),
        (PURCHASES_LATE, {"split_time": 9}, "No 'buy' row is from before 1970-01-01T00:00:09; cut later."),
    ],
)
def test_bad_input(log, options, message):
    with pytest.raises(InputError) as caught:
        prepare(log, behaviors=BEHAVIORS, **{"split": "time", **options})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_order_is_no_time_and_what_comes_split_stays_so():
    with pytest.raises(InputError, match="needs times, and `time_unit=order` says that these only order"):
        prepare(read_log(LOG, behaviors=BEHAVIORS, time_unit="order"), split="time", split_share=0.2)
    held_out = pd.DataFrame([("ann", "cup", 20)], columns=["user", "item", "timestamp"])
    log = read_log(LOG, behaviors=BEHAVIORS, heldout=held_out)
    with pytest.raises(InputError, match="is for logs that do not come split; this one names its held-out"):
        prepare(log, split="time", split_share=0.2)


def test_nothing_to_begin_with():
    none = np.zeros(0, np.int32)
    log = dataclasses.replace(
        read_log(LOG, behaviors=BEHAVIORS),
        user=none,
        item=none,
        behavior=none.astype(np.int8),
        timestamp=none,
    )
    with pytest.raises(InputError, match="The log has no rows"):
        prepare(log, split="time", split_share=0.2)


def test_it_has_one_protocol(dataset):
    for protocol in ("released", "strict"):
        with pytest.raises(InputError, match=f"`protocol={protocol}` does not fit .* is time; expected time"):
            dataset.training_view(protocol=protocol)
    with pytest.raises(InputError, match=r"`protocol=time` does not fit .* strict; expected released or str"):
        prepare(synthetic_shop(30, 20)).training_view(protocol="time")


def early_and_late(frame: pd.DataFrame, cut: int, kinds: int, purchases: int, core: int):
    """What is left before and after a cut, by pandas."""
    first = frame.sort_values("timestamp").drop_duplicates(["user", "item", "behavior"])
    early = first[first.timestamp < cut]

    def with_buys(rows: pd.DataFrame, key: str, count: int) -> pd.DataFrame:
        buys = rows[rows.behavior == "buy"][key].value_counts()
        return rows[rows[key].isin(buys.index[buys >= count])] if count else rows

    of_user = early.groupby("user").behavior.nunique()
    early = with_buys(early[early.user.isin(of_user.index[of_user >= kinds])], "user", purchases)
    while len(smaller := with_buys(with_buys(early, "item", core), "user", core)) < len(early):
        early = smaller
    late = first[first.timestamp >= cut]
    return early, late[late.user.isin(early.user) & late.item.isin(early.item)]


@pytest.mark.slow
def test_random_logs_equal_pandas():
    finished = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        count, (kinds, purchases, core) = int(rng.integers(20, 200)), rng.integers(0, 3, 3).tolist()
        frame = pd.DataFrame(
            {
                "user": rng.choice([f"u{n}" for n in range(12)], count),
                "item": rng.choice([f"i{n}" for n in range(14)], count),
                "behavior": rng.choice(BEHAVIORS, count),
                "timestamp": rng.integers(0, 60, count),
            }
        )
        share = rng.uniform(0.1, 0.5)
        times = np.sort(frame.timestamp)
        cut = times[int(count * (1 - share))]
        before = times[times < cut]
        early, late = early_and_late(frame, cut, kinds, purchases, core)
        is_target = (early.behavior == "buy").any() and (late.behavior == "buy").any()
        options = {"min_behaviors": kinds, "min_target": purchases, "k_core": core, "split_share": share}
        if 2 * len(before) < count or not is_target:
            with pytest.raises(InputError):
                split(frame, **options)
            continue
        finished += 1
        dataset = split(frame, **options)
        earlier = before[int(len(before) * len(before) / count)]
        period = np.digitize(pd.concat([early, late]).timestamp, [earlier, cut])
        expected = pd.concat([early, late]).assign(split=np.array(SPLITS)[period])
        events = dataset.events
        found = zip(
            dataset.user_ids[events.user],
            dataset.item_ids[events.item],
            np.array(BEHAVIORS)[events.behavior],
            np.array(SPLITS)[dataset.split],
            strict=True,
        )
        wanted = expected[["user", "item", "behavior", "split"]].itertuples(index=False, name=None)
        assert sorted(found) == sorted(wanted), seed
        buys = late[late.behavior == "buy"].sort_values(["user", "item"])
        assert pairs(dataset, "test") == (buys.user + " " + buys["item"]).tolist(), seed
        train, middle = early[early.timestamp < earlier], early[early.timestamp >= earlier]
        buys = middle[
            (middle.behavior == "buy") & middle.user.isin(train.user) & middle["item"].isin(train["item"])
        ]
        assert sorted(pairs(dataset, "validation")) == sorted(buys.user + " " + buys["item"]), seed
    assert finished >= 15
