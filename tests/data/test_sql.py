"""Tests for nmtr_tf.data.sql."""

import numpy as np

from nmtr_tf.data import sql


def test_large_arrays_are_filled_over_several_batches():
    count = 1_200_001  # above DuckDB's batches, of a million rows at most
    query = f"""SELECT range::INTEGER AS "user", (range % 7)::TINYINT AS behavior, range * 5 AS time,
        range % 3 = 0 AS heldout FROM range({count}) ORDER BY range DESC"""
    with sql.session() as connection:
        columns = sql.large_arrays(connection, query, count)
    ids = np.arange(count)[::-1]
    expected: dict[str, np.ndarray] = {"user": ids.astype(np.int32), "behavior": (ids % 7).astype(np.int8)}
    expected |= {"time": ids * 5, "heldout": ids % 3 == 0}
    assert list(columns) == list(expected)
    for name, column in expected.items():
        assert columns[name].dtype == column.dtype
        np.testing.assert_array_equal(columns[name], column)


def test_large_arrays_of_no_rows():
    with sql.session() as connection:
        columns = sql.large_arrays(connection, "SELECT 1::INTEGER AS a WHERE false", 0)
    assert columns["a"].dtype == np.int32
    assert columns["a"].shape == (0,)
