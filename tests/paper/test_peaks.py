"""Peaks on test: those on a sample of users stand apart from those of everybody."""

import dataclasses

from nmtr_tf.paper.ablation_tables import subsets_table
from nmtr_tf.paper.method_table import methods_table
from nmtr_tf.paper.peaks import tables_apart
from nmtr_tf.paper.variants import Variant
from paper.made_up import finished_of, result_of

METHODS = [Variant("gmf"), Variant("cmf"), Variant("nmtr_gmf"), Variant("mlp")]


def rule():
    """A baseline, which has no epochs and ranks everybody."""
    made = result_of("baseline_popularity", method="popularity")
    return dataclasses.replace(made, history=(), curve_users=0, peak={})


def labels(table):
    return [label for label, entries in table.rows if entries]


FINISHED = finished_of(
    result_of("gmf", curve_users=100), result_of("cmf"), result_of("nmtr_gmf", curve_users=100), rule()
)


def test_a_sample_and_everybody_have_a_table_each():
    whole, sample = tables_apart(methods_table, FINISHED, METHODS, "peak")
    assert labels(whole) == ["CMF", "popularity"]
    assert labels(sample) == ["NMTR-GMF", "GMF"]
    assert whole.title.endswith("the peak over epochs on test")
    assert sample.title.endswith("the peak over epochs on test, of a sample of users")
    assert not any("were ranked" in note for note in whole.notes)
    assert any("100 of the 400 users were ranked" in note for note in sample.notes)
    best = {label: [entry.best for entry in entries] for label, entries in sample.rows if entries}
    assert all(map(any, zip(*best.values(), strict=True)))  # the best of each column is of its own table


def test_what_validation_chose_is_of_everybody():
    (table,) = tables_apart(methods_table, FINISHED, METHODS, "validation")
    assert labels(table) == ["NMTR-GMF", "CMF", "GMF", "MLP", "popularity"]


def test_where_all_are_a_sample_rules_are_left_out_and_what_is_missing_stays():
    finished = finished_of(result_of("gmf", curve_users=100), rule())
    (table,) = tables_apart(methods_table, finished, METHODS, "peak")
    assert labels(table) == ["NMTR-GMF", "CMF", "GMF", "MLP"]
    assert table.title.endswith("of a sample of users")


def test_subsets_of_a_method_may_be_of_either():
    finished = finished_of(result_of("nmtr_gmf", curve_users=100), result_of("nmtr_gmf-cart_0.5-buy"))
    tables = tables_apart(subsets_table, finished, [Variant("nmtr_gmf")], "peak")
    assert len(tables) == 2
    assert [label for one in tables for label, _ in one.rows] == [
        "(buy, 50 % cart)",
        "NMTR-GMF",
        "(buy, cart)",
        "NMTR-GMF",
    ]
