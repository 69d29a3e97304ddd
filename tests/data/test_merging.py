"""Repeated rows merge into the earliest; rows of vocabularies are counted and numbered."""

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.data import merging, numbering
from nmtr_tf.data.events import Events, fingerprint
from nmtr_tf.data.merging import merge_duplicates
from nmtr_tf.data.preparation import prepare


def drawn(num_rows: int, num_users: int = 40, num_items: int = 9, timed=True, split=False) -> Events:
    """A log of random rows, most of which are repeated."""
    rng = np.random.default_rng(3)
    return Events(
        users=np.arange(num_users),
        items=np.arange(num_items),
        behaviors=("view", "cart", "buy"),
        user=np.minimum(rng.geometric(0.08, num_rows) - 1, num_users - 1).astype(np.int32),
        item=rng.integers(0, num_items, num_rows, dtype=np.int32),
        behavior=rng.integers(0, 3, num_rows, dtype=np.int8),
        timestamp=rng.integers(-5, 10**12, num_rows) if timed else None,
        heldout=rng.random(num_rows) < 0.3 if split else None,
    )


@pytest.mark.parametrize(("timed", "split"), [(True, False), (False, False), (True, True), (False, True)])
def test_merged_rows_are_those_of_pandas(monkeypatch, timed, split):
    monkeypatch.setattr(merging, "BLOCK_ROWS", 100)  # The first user has more: his rows stay together.
    monkeypatch.setattr(merging, "PART_ROWS", 500)
    events = drawn(3000, timed=timed, split=split)
    merged = merge_duplicates(events)
    frame = pd.DataFrame(merging.columns_of(events))
    keys = ["user", "item", "behavior"] + ["heldout"] * split
    grouped = frame.groupby(keys, as_index=False, sort=True)
    expected = grouped.time.min() if timed else frame.drop_duplicates().sort_values(keys)
    assert len(expected) < 2000
    assert set(merged) == set(frame)
    for name, column in merged.items():
        assert column.dtype == frame[name].dtype
        np.testing.assert_array_equal(column, expected[name])


def test_the_largest_numbers_of_a_row_stay_apart(monkeypatch):
    # Bits of 2**31 items, of 31 behaviors and of held-out rows leave 2**26 users in a number.
    far = Events(
        users=np.broadcast_to(np.int64(0), 2**26 + 3),
        items=np.broadcast_to(np.int64(0), 2**31),
        behaviors=tuple(map(str, range(31))),
        user=np.array([2**26 + 2, 0, 2**26, 0, 2**26 - 1], np.int32),
        item=np.array([2**31 - 1, 0, 0, 2**31 - 1, 2**31 - 1], np.int32),
        behavior=np.array([30, 0, 0, 30, 30], np.int8),
        heldout=np.array([True, False, False, True, False]),
    )
    merged = merge_duplicates(far)
    order = [1, 3, 4, 2, 0]
    for name in ("user", "item", "behavior", "heldout"):
        np.testing.assert_array_equal(merged[name], getattr(far, name)[order])


def test_no_rows():
    merged = merge_duplicates(drawn(0, num_users=0, num_items=0, split=True))
    assert {name: column.shape for name, column in merged.items()} == dict.fromkeys(
        ("user", "item", "behavior", "heldout", "time"), (0,)
    )


@pytest.fixture
def _small_pieces(monkeypatch):
    monkeypatch.setattr(numbering, "_PIECE", 7)


@pytest.mark.usefixtures("_small_pieces")
def test_numbers_are_counted_piece_by_piece():
    rows = np.random.default_rng(0).integers(3, 20, 50).astype(np.int32)
    expected = np.bincount(rows, minlength=25)
    np.testing.assert_array_equal(numbering.counts(rows, 25), expected)
    np.testing.assert_array_equal(numbering.present(rows, 25), expected > 0)
    table = np.arange(25) * 1.5
    np.testing.assert_array_equal(numbering.of_rows(table, rows), table[rows])


@pytest.mark.usefixtures("_small_pieces")
def test_gaps_are_closed_in_place():
    rows = np.array([9, 4, 9, 30, 4, 4, 0, 30, 9, 31, 0], np.int32)
    before = numbering.close_gaps(rows, 40)
    assert before.tolist() == [0, 4, 9, 30, 31]
    assert rows.tolist() == [2, 1, 2, 3, 1, 1, 0, 3, 2, 4, 0]
    assert rows.dtype == np.int32


def test_a_released_log_has_no_rows_and_makes_the_same_data_set():
    held, given = drawn(900), drawn(900)
    expected, made = prepare(held), prepare(given, release=True)
    assert (len(held), len(given)) == (900, 0)
    assert given.timestamp is not None
    assert [len(given.item), len(given.behavior), len(given.timestamp)] == [0, 0, 0]
    assert len(given.users) == 40
    assert made.fingerprint == expected.fingerprint
    assert made.about == expected.about
    assert made.about["rows_read"] == 900


def test_a_fingerprint_is_of_the_values_wherever_they_stand():
    events = drawn(50)
    wide = np.repeat(events.item, 2)
    apart = Events(
        events.users,
        events.items,
        events.behaviors,
        events.user,
        wide[::2],
        events.behavior,
        events.timestamp,
    )
    split = np.zeros(50, np.int8)
    assert not apart.item.flags["C_CONTIGUOUS"]
    assert fingerprint(apart, split) == fingerprint(events, split)
