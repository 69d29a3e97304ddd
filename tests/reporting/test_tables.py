"""Tables for the terminal, to the letter."""

import numpy as np
import pandas as pd

from nmtr_tf.reporting.tables import format_table, metrics_table, note_on_ks


def test_table_by_hand():
    text = format_table("Title", ["name", "rows", "HR"], [["shop", 12345, 0.25], ["log", 7, 1.0]])
    assert text.splitlines() == [
        "Title",
        "name      rows      HR",
        "------  ------  ------",
        "shop    12,345  0.2500",
        "log          7  1.0000",
    ]


def test_metrics_table_has_a_row_each():
    table = pd.DataFrame(
        {"users": np.array([1234, 7]), "HR@5": [0.5, 0.25], "coverage@5": [1.0, 0.125]},
        index=["all", "touched"],
    )
    assert metrics_table("test", table).splitlines() == [
        "test",
        "           users    HR@5    coverage@5",
        "-------  -------  ------  ------------",
        "all        1,234  0.5000        1.0000",
        "touched        7  0.2500        0.1250",
    ]


def test_a_table_without_rows_has_its_head():
    assert format_table("Nothing", ["a", "b"], []).splitlines()[:2] == ["Nothing", "a    b"]


def test_cut_offs_that_say_nothing_are_named():
    counts = np.array([4, 9, 9])
    assert note_on_ks((1, 3), counts) == ""
    assert note_on_ks((3, 5), counts) == (
        "No more items than K were ranked, so that HR@K is 1: K = 5 for 1 of 3 held-out items."
    )
    assert note_on_ks((200, 3, 100, 5), counts) == (
        "No more items than K were ranked, so that HR@K is 1: K = 5 for 1 of 3 held-out items; "
        "100, 200 for all."
    )
