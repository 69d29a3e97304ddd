"""Preparation of a log: duplicates, filters, held-out rows."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nmtr_tf.data.events import SPLITS, Events, fingerprint
from nmtr_tf.data.preparation import Prepared, prepare_events
from nmtr_tf.data.prepare_options import PrepareOptions
from nmtr_tf.errors import InputError
from nmtr_tf.texts import counted

BEHAVIORS = ("v", "c", "b")


def make(frame: pd.DataFrame, behaviors=BEHAVIORS) -> Events:
    """Events of columns user, item, behavior and, where there are any, time and heldout."""
    users, user = np.unique(frame.user.to_numpy(object), return_inverse=True)
    items, item = np.unique(frame.item.to_numpy(object), return_inverse=True)
    return Events(
        users=users,
        items=items,
        behaviors=behaviors,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        behavior=np.array([behaviors.index(name) for name in frame.behavior], np.int8),
        timestamp=frame.time.to_numpy(np.int64) if "time" in frame else None,
        heldout=frame.heldout.to_numpy(bool) if "heldout" in frame else None,
    )


def log(text: str) -> Events:
    """Events of rows "user item behavior [time]" between commas; a row that ends in * is held out."""
    rows = [row.split() for row in text.replace("*", " *").split(",")]
    frame = pd.DataFrame([row[:3] for row in rows], columns=["user", "item", "behavior"])
    if len(rows[0]) == 4 and "*" not in text:
        frame["time"] = [int(row[3]) for row in rows]
    if "*" in text:
        frame["heldout"] = [row[-1] == "*" for row in rows]
    return make(frame)


def spelled(prepared: Prepared) -> dict[tuple[str, str, str], str]:
    """Split of every row (user, item, behavior)."""
    events = prepared.events
    rows = zip(
        events.users[events.user],
        events.items[events.item],
        [events.behaviors[code] for code in events.behavior],
        strict=True,
    )
    found = {row: SPLITS[code] for row, code in zip(rows, prepared.split, strict=True)}
    assert len(found) == len(events)
    return found


def in_split(prepared: Prepared, split: str) -> set[str]:
    """The rows of a split, as "user item behavior"."""
    return {" ".join(row) for row, part in spelled(prepared).items() if part == split}


def removed(name: str, users: int, items: int, rows: int) -> dict:
    return {"filter": name, "users": users, "items": items, "rows": rows}


def shoppers(count: int, purchases: str) -> Events:
    """`count` users who all make the purchases "item [time]"."""
    return log(
        ", ".join(
            f"{n:04} {p.replace(' ', ' b ', 1) if ' ' in p else p + ' b'}"
            for n in range(count)
            for p in purchases.split(",")
        )
    )


def test_duplicates_merge_into_the_earliest():
    # Bought again at 9, x still counts as bought at 4, so y is the last purchase.
    prepared = prepare_events(log("a x v 5,a x b 9,a x v 3,a x b 4,a y b 6,a x v 7"), PrepareOptions())
    assert spelled(prepared) == {
        ("a", "x", "v"): "train",
        ("a", "x", "b"): "train",
        ("a", "y", "b"): "test",
    }
    assert prepared.events.timestamp is not None
    assert prepared.events.timestamp.tolist() == [3, 4, 6]
    assert prepared.filters == [removed("duplicates merged", 0, 0, 3)]


@pytest.mark.parametrize("columns", [["time"], [], ["heldout"]])
def test_order_of_the_input_does_not_matter(columns):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "user": rng.choice(list("abcdef"), 120),
            "item": rng.choice(list("pqrstu"), 120),
            "behavior": rng.choice(list(BEHAVIORS), 120),
        }
    )
    if columns == ["time"]:
        frame["time"] = rng.integers(0, 5, 120)  # with ties
    if columns == ["heldout"]:
        frame["heldout"] = False
        held_out = pd.DataFrame({"user": list("abcdef"), "item": "new", "behavior": "b", "heldout": True})
        frame = pd.concat([frame, held_out])
    reference = prepare_events(make(frame), PrepareOptions(seed=3))
    for seed in range(5):
        shuffled = prepare_events(make(frame.sample(frac=1, random_state=seed)), PrepareOptions(seed=3))
        assert fingerprint(shuffled.events, shuffled.split) == fingerprint(reference.events, reference.split)
        np.testing.assert_array_equal(shuffled.events.timestamp, reference.events.timestamp)


PLAIN = "a x v,a x c,a x b,a y b,a z b, b x v,b y v,b z v, c x v,c x b,c y b"
# p and q carry each other. Without r3, which one user buys and others merely view, u3 has one purchase
# left, then r2 one buyer, and so on up to u1.
CHAIN = (
    "k p b,k q b,l p b,l q b,k r3 v,l r3 v, u1 p b,u1 r1 b,u1 p v, u2 r1 b,u2 r2 b, u3 r2 b,u3 r3 b,u3 r3 v"
)


@pytest.mark.parametrize(
    ("text", "options", "left", "report"),
    [
        (
            PLAIN,
            {"min_behaviors": 2},
            "a x v,a x c,a x b,a y b,a z b,c x v,c x b,c y b",
            removed("users with fewer than 2 kinds of behavior", 1, 0, 3),
        ),
        (
            PLAIN,
            {"min_behaviors": 3},
            "a x v,a x c,a x b,a y b,a z b",
            removed("users with fewer than 3 kinds of behavior", 2, 0, 6),
        ),
        (
            PLAIN,
            {"min_target": 2},
            "a x v,a x c,a x b,a y b,a z b,c x v,c x b,c y b",
            removed("users with fewer than 2 target rows", 1, 0, 3),
        ),
        (
            PLAIN,
            {"min_target": 3},
            "a x v,a x c,a x b,a y b,a z b",
            removed("users with fewer than 3 target rows", 2, 0, 6),
        ),
        (
            PLAIN,
            {"k_core": 2},
            "a x v,a x c,a x b,a y b,c x v,c x b,c y b",
            removed("2-core of the target", 1, 1, 4),
        ),
        (CHAIN, {"k_core": 2}, "k p b,k q b,l p b,l q b", removed("2-core of the target", 3, 3, 10)),
    ],
    ids=["2 kinds", "3 kinds", "2 target rows", "3 target rows", "core", "core of a chain"],
)
def test_filter(text, options, left, report):
    prepared = prepare_events(log(text), PrepareOptions(**options))
    assert {" ".join(row) for row in spelled(prepared)} == set(left.split(","))
    assert prepared.filters == [removed("duplicates merged", 0, 0, 0), report]
    assert len(prepared.dropped) == report["users"]
    steps = prepared.dropped.steps_of(pa.array(prepared.dropped.user_ids, pa.string()))
    assert steps == [report["filter"]] * report["users"]
    assert not set(prepared.dropped.user_ids) & set(prepared.events.users)


def test_filters_run_in_a_fixed_order():
    # Bought by c (one kind of behavior) or d (two purchases) too, z would be in the core, and with d also
    # q. The core takes the view of a and a third purchase of both, and they stay nevertheless.
    text = "a w v,a x b,a y b,a z b, b x v,b x b,b y b,b q b, c x b,c y b,c z b, d z v,d z b,d q b, a x b"
    prepared = prepare_events(log(text), PrepareOptions(min_behaviors=2, min_target=3, k_core=2))
    assert prepared.filters == [
        removed("duplicates merged", 0, 0, 1),
        removed("users with fewer than 2 kinds of behavior", 1, 0, 3),
        removed("users with fewer than 3 target rows", 1, 0, 3),
        removed("2-core of the target", 0, 3, 3),
    ]
    assert {" ".join(row) for row in spelled(prepared)} == {"a x b", "a y b", "b x v", "b x b", "b y b"}
    assert prepared.events.users.tolist() == ["a", "b"]
    assert prepared.events.items.tolist() == ["x", "y"]
    dropped = prepared.dropped
    assert dropped.user_ids.tolist() == ["c", "d"]
    asked = pa.array(["d", "a", "c", "nobody"])
    steps = ["users with fewer than 3 target rows", None, "users with fewer than 2 kinds of behavior", None]
    assert dropped.steps_of(asked) == steps


def test_table_one_counts_held_out_rows_and_names_the_target_first():
    prepared = prepare_events(log(PLAIN), PrepareOptions())
    assert list(prepared.table_one().items()) == [("users", 3), ("items", 3), ("b", 5), ("c", 1), ("v", 5)]


@pytest.mark.parametrize("seed", range(5))
def test_the_latest_purchase_is_the_test_row(seed):
    prepared = prepare_events(
        log("a x b 5,a y b 9,a z b 7,a x v 99,b y b -1,b z b -2"), PrepareOptions(seed=seed)
    )
    assert in_split(prepared, "test") == {"a y b", "b y b"}


@pytest.mark.parametrize("text", ["a x b 1,a x v 2,a y v 3,b x b 1,b y b 2", "a x b,a x v,a y v,b x b,b y b"])
def test_only_purchase_of_a_user_is_not_held_out(text):
    for seed in range(10):
        prepared = prepare_events(log(text), PrepareOptions(seed=seed))
        assert len(in_split(prepared, "test")) == 1
        # b has one purchase left for training, which is not taken for validation.
        assert {row[0] for row in in_split(prepared, "test")} == {"b"}
        assert not in_split(prepared, "validation")


@pytest.mark.parametrize(
    ("purchases", "test_items", "validation_items"),
    [
        # Among the ones that tie for last, a third of the users each; of the three purchases left, w is
        # taken for validation by a third, and x, y and z share the rest evenly.
        (
            "w 0,x 1,y 1,z 1",
            {"x": 1 / 3, "y": 1 / 3, "z": 1 / 3},
            {"w": 3 / 9, "x": 2 / 9, "y": 2 / 9, "z": 2 / 9},
        ),
        ("w,x,y,z", dict.fromkeys("wxyz", 1 / 4), dict.fromkeys("wxyz", 1 / 4)),
        ("w 5,x 1,y 2", {"w": 1.0}, {"x": 1 / 2, "y": 1 / 2}),
    ],
    ids=["ties", "no times", "times"],
)
def test_random_choices_are_seeded_and_uniform(purchases, test_items, validation_items):
    count = 3000
    events = shoppers(count, purchases)
    first, again, other = (prepare_events(events, PrepareOptions(seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.split, again.split)
    for split, shares in (("test", test_items), ("validation", validation_items)):
        chosen = in_split(first, split)
        assert len(chosen) == count
        assert {row[:4] for row in chosen} == {f"{n:04}" for n in range(count)}
        assert (chosen != in_split(other, split)) == (len(shares) > 1)
        found = pd.Series([row.split()[1] for row in chosen]).value_counts().to_dict()
        assert found.keys() == shares.keys()
        for item, share in shares.items():
            assert abs(found[item] - count * share) <= 5 * np.sqrt(count * share * (1 - share))


def test_held_out_rows_of_a_log_that_comes_split_are_the_test_rows():
    text = "a w b*,a x b,a y b,a x v,b x b,b w b*,c x v,c y v,c x b*,d w b,d x b,a w v"
    for seed in range(10):
        prepared = prepare_events(log(text), PrepareOptions(seed=seed))
        assert in_split(prepared, "test") == {"a w b", "b w b", "c x b"}
        # One of two training purchases; b has one, c none; d has two though none is held out.
        validation = in_split(prepared, "validation")
        assert {row[0] for row in validation} == {"a", "d"}
        assert len(validation) == 2
        assert validation < {"a x b", "a y b", "d w b", "d x b"}
    assert prepared.events.heldout is None
    assert prepared.filters == [removed("duplicates merged", 0, 0, 0)]


@pytest.mark.parametrize(
    ("share", "left", "expected"),
    [
        (0.0, 20, 1),
        (0.1, 1, 0),  # never all of them
        (0.1, 2, 1),  # .2 rounds to none, but there are two
        (0.1, 14, 1),
        (0.1, 16, 2),
        (0.1, 20, 2),
        (0.9, 2, 1),
        (0.9, 3, 2),
        (0.5, 6, 3),
        (0.3, 5, 2),  # halves go up, whatever the binary digits of the share
        (0.7, 5, 4),
        (0.15, 10, 2),
        (0.35, 10, 4),
    ],
)
@pytest.mark.parametrize("comes_split", [False, True])
def test_share_of_purchases_for_validation(share, left, expected, comes_split):
    purchases = [f"a i{n} b" for n in range(left)] + ["a last b*" if comes_split else "a last b"]
    others = ["b x b", "b y b*" if comes_split else "b y b", "a last v", "a i0 v"]
    prepared = prepare_events(log(",".join(purchases + others)), PrepareOptions(validation_share=share))
    validation = in_split(prepared, "validation")
    assert len(validation) == expected
    assert all(row.startswith("a ") and row.endswith(" b") for row in validation)
    assert len(in_split(prepared, "test")) == 2
    assert not validation & in_split(prepared, "test")


def test_share_of_purchases_for_validation_is_seeded_and_uniform():
    count = 2000
    events = shoppers(count, "t 9," + ",".join(f"{item} 1" for item in "abcde"))
    first, again, other = (
        prepare_events(events, PrepareOptions(seed=seed, validation_share=0.4)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.split, again.split)
    chosen = [row.split() for row in in_split(first, "validation")]
    assert set(map(tuple, chosen)) != {tuple(row.split()) for row in in_split(other, "validation")}
    assert (pd.Series([user for user, _, _ in chosen]).value_counts() == 2).all()
    found = pd.Series([item for _, item, _ in chosen]).value_counts()
    assert set(found.index) == set("abcde")
    assert (abs(found - 0.4 * count) <= 5 * np.sqrt(count * 0.4 * 0.6)).all()


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_share_that_is_none_is_refused(share):
    with pytest.raises(InputError, match="`validation_share` should be at least 0 and below 1"):
        PrepareOptions(validation_share=share)


def test_share_for_validation_is_not_for_a_split_in_time():
    with pytest.raises(InputError, match="validation is a cut"):
        PrepareOptions(split="time", split_share=0.2, validation_share=0.1)


def test_filters_count_held_out_rows_of_a_log_that_comes_split():
    text = "a x b,a y b*,b x b,b y b*,c x b,c x v"
    prepared = prepare_events(log(text), PrepareOptions(min_target=2, k_core=2))
    assert {" ".join(row) for row in spelled(prepared)} == {"a x b", "a y b", "b x b", "b y b"}
    assert in_split(prepared, "test") == {"a y b", "b y b"}


TRAINED = "held-out pairs that are training purchases"
ALONE = "held-out users without training rows"


@pytest.mark.parametrize(
    ("text", "kind", "count", "first", "left", "report"),
    [
        (
            "a x b,a y b,a x b*,b x b,b x b*,c x b,c y b*",
            TRAINED,
            2,
            ("a", "x"),
            "c y b",
            removed("bad held-out rows", 0, 0, 2),
        ),
        ("a x b,a y b*,b z b*", ALONE, 1, ("b", "z"), "a y b", removed("bad held-out rows", 1, 1, 1)),
        ("a x b,a y b*,a x b*", TRAINED, 1, ("a", "x"), "a y b", removed("bad held-out rows", 0, 0, 1)),
        ("a x b,b y b*,b z b*,a y b*", ALONE, 2, ("b", "y"), "a y b", removed("bad held-out rows", 1, 1, 2)),
        (
            "a x b,a x b*,a y b*,a z b*",
            TRAINED,
            1,
            ("a", "x"),
            "a y b,a z b",
            removed("bad held-out rows", 0, 0, 1),
        ),
    ],
    ids=[
        "training purchase",
        "no training rows",
        "training purchase and a good one",
        "two of a user without training rows",
        "training purchase and two good ones",
    ],
)
def test_bad_held_out_rows(text, kind, count, first, left, report):
    with pytest.raises(InputError) as caught:
        prepare_events(log(text), PrepareOptions())
    assert str(caught.value) == (
        f"The held-out file has {counted(count, 'row')} of the kind '{kind}', the first: user {first[0]}, "
        f"item {first[1]}. Expected new items of users with training rows (`on_bad_rows=skip` drops the "
        "others)."
    )
    prepared = prepare_events(log(text), PrepareOptions(on_bad_rows="skip"))
    assert in_split(prepared, "test") == set(left.split(","))
    training = {row.strip() for row in text.split(",") if "*" not in row}
    assert in_split(prepared, "train") | in_split(prepared, "validation") == training
    assert prepared.filters == [removed("duplicates merged", 0, 0, 0), report]
    assert len(prepared.dropped) == report["users"]
    steps = prepared.dropped.steps_of(pa.array(prepared.dropped.user_ids, pa.string()))
    assert steps == [report["filter"]] * report["users"]
    assert not set(prepared.dropped.user_ids) & set(prepared.events.users)


def test_several_held_out_items_of_a_user_are_all_test_rows():
    prepared = prepare_events(log("a x v,a y b*,a z b*,a w b*,b x b,b y b,b w b*"), PrepareOptions())
    assert in_split(prepared, "test") == {"a y b", "a z b", "a w b", "b w b"}
    assert len(in_split(prepared, "validation")) == 1


def test_twice_held_out_pair_is_one():
    prepared = prepare_events(log("a x b,a y b*,a y b*,a y v"), PrepareOptions())
    assert in_split(prepared, "test") == {"a y b"}
    assert prepared.filters == [removed("duplicates merged", 0, 0, 1)]


@pytest.mark.parametrize("options", [{"min_behaviors": 4}, {"min_target": 4}, {"k_core": 3}])
def test_nothing_left(options):
    with pytest.raises(InputError, match=r"^No rows are left after the filters"):
        prepare_events(log(PLAIN), PrepareOptions(**options))


def test_nothing_to_begin_with():
    events = log(PLAIN)
    none = np.zeros(0, np.int32)
    with pytest.raises(InputError, match=r"^No rows are left after the filters"):
        prepare_events(
            dataclasses.replace(events, user=none, item=none, behavior=none.astype(np.int8)), PrepareOptions()
        )


def test_nobody_with_two_target_rows():
    with pytest.raises(InputError, match=r"^No user has two 'b' rows"):
        prepare_events(log("a x b,a y v,b x b,b x b,c z v,c y v"), PrepareOptions())


def prepared_by_pandas(
    frame: pd.DataFrame, options: PrepareOptions, target: str
) -> tuple[pd.DataFrame, list]:
    """What `prepare_events` should leave, with the column `last` for the test rows where there are times."""
    report = []

    def step(name: str, after: pd.DataFrame) -> pd.DataFrame:
        users, items = (frame[key].nunique() - after[key].nunique() for key in ("user", "item"))
        report.append(removed(name, users, items, len(frame) - len(after)))
        return after

    def with_enough(rows: pd.DataFrame, key: str, count: int) -> pd.DataFrame:
        buys = rows[rows.behavior == target][key].value_counts()
        return rows[rows[key].isin(buys[buys >= count].index)]

    first = frame.sort_values("time") if "time" in frame else frame
    frame = step("duplicates merged", first.drop_duplicates(["user", "item", "behavior"]))
    if (count := options.min_behaviors) > 1:
        kinds = frame.groupby("user").behavior.nunique()
        enough = frame[frame.user.isin(kinds[kinds >= count].index)]
        frame = step(f"users with fewer than {count} kinds of behavior", enough)
    if count := options.min_target:
        frame = step(f"users with fewer than {count} target rows", with_enough(frame, "user", count))
    if count := options.k_core:
        core = frame
        while len(smaller := with_enough(with_enough(core, "item", count), "user", count)) < len(core):
            core = smaller
        frame = step(f"{count}-core of the target", core)
    buys = frame[frame.behavior == target]
    repeated = buys[buys.groupby("user").user.transform("size") >= 2]
    if "time" in frame:
        repeated = repeated.sort_values("time").groupby("user").tail(1)
    return frame.assign(last=frame.index.isin(repeated.index)), report


@pytest.mark.slow
def test_random_logs_equal_pandas():
    finished = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(20, 160))
        behaviors = ("v", "b") if seed % 3 else BEHAVIORS
        frame = pd.DataFrame(
            {
                "user": rng.choice([f"u{n}" for n in range(14)], count),
                "item": rng.choice([f"i{n}" for n in range(10)], count),
                "behavior": rng.choice(behaviors, count),
            }
        )
        if seed % 2:
            frame["time"] = rng.permutation(count)
        kinds, purchases, core = rng.integers(0, 4, 3).tolist()
        options = PrepareOptions(kinds, purchases, core, seed)
        expected, report = prepared_by_pandas(frame, options, target="b")
        if not expected["last"].any():
            with pytest.raises(InputError):
                prepare_events(make(frame, behaviors), options)
            continue
        finished += 1
        prepared = prepare_events(make(frame, behaviors), options)
        assert prepared.filters == report, seed
        splits = spelled(prepared)
        assert set(splits) == {(row.user, row.item, row.behavior) for row in expected.itertuples()}, seed
        assert prepared.events.users.tolist() == sorted(set(expected.user)), seed
        assert prepared.events.items.tolist() == sorted(set(expected["item"])), seed
        last = {(row.user, row.item, row.behavior) for row in expected[expected["last"]].itertuples()}
        test = {row for row, split in splits.items() if split == "test"}
        assert test <= last, seed
        assert sorted(user for user, _, _ in test) == sorted({user for user, _, _ in last}), seed
        buys = expected[expected.behavior == "b"].user.value_counts()
        validation = [row for row, split in splits.items() if split == "validation"]
        assert {behavior for _, _, behavior in validation} <= {"b"}, seed
        assert sorted(user for user, _, _ in validation) == sorted(buys[buys >= 3].index), seed
        if prepared.events.timestamp is not None:
            assert sorted(prepared.events.timestamp) == sorted(expected.time), seed
    assert finished >= 15
