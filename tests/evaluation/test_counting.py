"""Counts of scores above and level with one of each row, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.evaluation.counting import ONE_PASS_ITEMS, places_of_splits

_RNG = np.random.default_rng(5)


def places(scores, items, masked=((0,), (0,)), compiled=False, in_one_pass=False):
    """Of one item of each row; the first row's item as the masked entry masks nothing."""
    rows, columns = (np.array(part, np.int32) for part in masked)
    columns = np.where((rows == 0) & (columns == 0), items[0], columns) if masked == ((0,), (0,)) else columns
    graph = tf.function(
        lambda *given: places_of_splits(given[0], [given[1:]], 0, in_one_pass)[0][0], jit_compile=compiled
    )
    given = scores, np.asarray(items, np.int32), rows, columns.astype(np.int32)
    return graph(*map(tf.constant, given)).numpy()


def expected(scores, items):
    own = scores[np.arange(len(scores)), items][:, None]
    return np.stack([(scores > own).sum(axis=1), (scores == own).sum(axis=1)]).astype(np.float32)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("num_items", [1, 2, 1000, 40_000, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("ties", ["none", "some", "all"])
def test_counts_of_any_number_of_items(num_items, ties, compiled):
    scores = {
        "none": lambda: _RNG.permuted(np.tile(np.arange(num_items, dtype=np.float32), (4, 1)), axis=1),
        "some": lambda: np.round(_RNG.normal(size=(4, num_items)), 2).astype(np.float32),
        "all": lambda: np.full((4, num_items), 0.25, np.float32),
    }[ties]()
    # The best and the worst item, whose counts are the largest, and two others.
    items = [scores[0].argmax(), scores[1].argmin(), 0, num_items - 1]
    right = expected(scores, items)
    np.testing.assert_array_equal(places(scores, items, compiled=compiled), right)
    if num_items < ONE_PASS_ITEMS:
        found = places(scores, items, compiled=compiled, in_one_pass=True)
        np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("num_tied", [0, 1, 32, 33, 100])
def test_one_pass_leaves_open_what_many_rows_with_ties_have(num_tied):
    scores = _RNG.permuted(np.tile(np.arange(20, dtype=np.float32), (100, 1)), axis=1)
    tied = np.sort(_RNG.choice(100, num_tied, replace=False))
    scores[tied, 3] = scores[tied, 5]
    right = expected(scores, [5] * 100)
    found = places(scores, [5] * 100, in_one_pass=True)
    open_rows = tied[32:]
    assert np.isnan(found[:, open_rows]).all()
    np.testing.assert_array_equal(np.delete(found, open_rows, 1), np.delete(right, open_rows, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["another item", "its own", "many items"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_row_with_a_score_that_is_no_number_is_nan_and_no_other(bad, where, compiled):
    scores = _RNG.permuted(np.tile(np.arange(50, dtype=np.float32), (3, 1)), axis=1)
    right = expected(scores, [7, 7, 7])
    scores[1, {"another item": [3], "its own": [7], "many items": range(50)}[where]] = bad
    found = places(scores, [7, 7, 7], compiled=compiled)
    assert np.isnan(found[0]).tolist() == [False, True, False]
    np.testing.assert_array_equal(found[:, [0, 2]], right[:, [0, 2]])
    found = places(scores, [7, 7, 7], compiled=compiled, in_one_pass=True)
    assert np.isnan(found[0]).tolist() == [False, True, False]
    np.testing.assert_array_equal(found[:, [0, 2]], right[:, [0, 2]])


@pytest.mark.parametrize("largest", [np.finfo(np.float32).max, np.finfo(np.float32).tiny])
def test_the_largest_and_smallest_finite_scores_count(largest):
    scores = np.array([[0.0, largest, -largest, largest], [largest, 0.0, -largest, 1.0]], np.float32)
    right = expected(scores, [0, 2])
    np.testing.assert_array_equal(places(scores, [0, 2]), right)
    np.testing.assert_array_equal(places(scores, [0, 2], in_one_pass=True), right)


@pytest.mark.parametrize("tie", [False, True])
def test_masked_entries_do_not_count(tie):
    scores = np.array([[4.0, 3.0, 2.0, 1.0, 5.0], [1.0, 2.0, 3.0, 4.0, 3.0 if tie else 0.0]], np.float32)
    # Row 0 ranks item 2 without items 0 and 3, row 1 item 2 without item 4; row 1's own item masks nothing.
    found = places(scores, [2, 2], masked=((0, 0, 1, 1), (0, 3, 4, 2)))
    np.testing.assert_array_equal(found, [[2, 1], [1, 1]])
    found = places(scores, [2, 2], masked=((0, 0, 1, 1), (0, 3, 4, 2)), in_one_pass=True)
    np.testing.assert_array_equal(found, [[2, 1], [1, 1]])
