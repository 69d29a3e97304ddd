"""Tables I, II, IV and V: from results to entries beside the paper's."""

import dataclasses

from nmtr_tf.config import RunConfig
from nmtr_tf.paper.ablation_tables import subsets_table, training_tables
from nmtr_tf.paper.data_tables import settings_table, statistics_table
from nmtr_tf.paper.documents import Entry
from nmtr_tf.paper.variants import Variant
from paper.made_up import entries_of, finished_of, result_of


def test_table_four():
    results = [result_of(f"nmtr_gmf{suffix}", seed=i) for i, suffix in enumerate(["", "-cart_0.5-buy"])]
    finished, bases = finished_of(*results), [Variant("nmtr_gmf"), Variant("nmtr_mlp")]
    table = subsets_table(finished, bases, "validation")
    assert [label for label, _ in table.rows] == [
        "(buy, cart)",
        "NMTR-GMF",
        "NMTR-MLP",
        "(buy, 50 % cart)",
        "NMTR-GMF",
        "NMTR-MLP",
    ]
    assert [entry.value for entry in table.rows[4][1]] == [results[1].test[m] for m in ("HR@100", "NDCG@100")]
    peak = subsets_table(finished, bases, "peak")
    assert "In brackets: the paper's values, with the same behaviors." in peak.notes
    assert not any("The data here has" in note for note in peak.notes)
    assert [entry.paper for entry in peak.rows[1][1]] == ["0.2979", "0.0705"]
    assert [entry.paper for entry in peak.rows[5][1]] == ["0.2726", "0.0654"]


def test_table_four_of_three_behaviors():
    three = finished_of(
        result_of("nmtr_gmf-view_0.5-buy"), result_of("nmtr_gmf"), behaviors=("view", "cart", "buy")
    )
    peak = subsets_table(three, [Variant("nmtr_gmf")], "peak")
    assert [label for label, entries in peak.rows if not entries] == [
        "(buy, cart)",
        "(buy, view)",
        "(buy, 50 % cart)",
        "(buy, 50 % view)",
    ]
    assert [entry.paper for entry in peak.rows[7][1]] == ["0.2953", "0.0698"]
    assert peak.rows[7][1][0].value == three.results["nmtr_gmf-view_0.5-buy"].peak["HR@100"]


def test_table_five():
    names = ["nmtr_gmf", "nmtr_gmf-sequential", "nmtr_gmf-separate"]
    results = [result_of(name, seed=i) for i, name in enumerate(names)]
    results[2] = dataclasses.replace(results[2], num_parameters=3000, best_epoch=2, heads={})
    finished = finished_of(*results)
    kinds, convergence, heads = training_tables(finished, [Variant("nmtr_gmf")], ["peak"])
    assert [label for label, _ in kinds.rows] == [
        "NMTR-GMF",
        "multi-task",
        "sequential",
        "separate embeddings",
    ]
    assert [entry.paper for _, entries in kinds.rows for entry in entries] == [
        *["0.3119", "0.0741"],
        *["0.2730", "0.0672"],
        *["", ""],
    ]
    assert kinds.rows[2][1][0].value == results[1].peak["HR@100"]
    assert convergence.columns[1:] == ["parameters", "best epoch", "epochs", "first loss", "last loss"]
    assert [entry.value for entry in convergence.rows[1][1]] == [1000, 1, 2, 0.6, 0.3]
    assert [entry.value for entry in convergence.rows[2][1]] == [3000, 2, 2, 0.6, 0.3]
    assert heads.title.startswith("Beside Table V: beibei, protocol strict, mask all, heads of the aux")
    assert [label for label, _ in heads.rows] == ["NMTR-GMF, cart", "multi-task", "sequential"]
    assert [entry.value for entry in heads.rows[1][1]] == [0.5, 0.25]
    assert "(cart 7)" in heads.notes[0]
    both = training_tables(finished, [Variant("nmtr_gmf")], ["validation", "peak"])
    assert [table.title.split(",")[-1] for table in both[:2]] == [
        " the epoch that validation chose",
        " the peak over epochs on test",
    ]


def test_table_one_beside_the_papers():
    rows = {"cart": {"train": 3, "test": 1}, "buy": {"train": 2, "test": 1}}
    header = {"num_users": 5, "num_items": 7, "behaviors": ["cart", "buy"], "rows": rows}
    table = statistics_table("beibei", header)
    assert entries_of(table, "beibei") == {
        "users": Entry(5, "21,716"),
        "items": Entry(7, "7,977"),
        "buy": Entry(3, "295,622"),
        "cart": Entry(4, "642,622"),
    }
    assert "view 2,412,586" in " ".join(table.notes)
    assert "304,576" in " ".join(table.notes)


def test_table_two_beside_the_papers():
    table = settings_table("tmall", "strict", ("view", "buy"), {}, ["nmtr_gmf", "cmf"])
    assert entries_of(table, "NMTR-GMF")["regularization"] == Entry(None, "[0.5e-5]")
    assert table.notes[-1] == "Not tuned yet: NMTR-GMF, CMF; tune finds their settings."
    assert any("[0,5e-5]" in note for note in table.notes)


def test_table_two_shows_layers_where_there_is_a_tower():
    config = RunConfig().with_options(num_layers=2, l2_item=1e-5)
    rates = {"nmtr_gmf": 0.0, "nmtr_mlp": 0.2, "bpr": 0.0}
    found = {name: (20, config.with_options(method=name, dropout=rate)) for name, rate in rates.items()}
    table = settings_table("shop", "strict", ("view", "buy"), found, list(found))
    shown = {name: {k: e.value for k, e in entries_of(table, name).items()} for name, _ in table.rows}
    assert [shown[name]["layers"] for name in shown] == ["-", "2", "-"]
    assert [shown[name]["dropout"] for name in shown] == ["-", "0.2", "-"]
    assert [shown[name]["loss coefficients"] for name in shown] == ["equal", "equal", "-"]
    assert {row["regularization"] for row in shown.values()} == {"[0,1e-05]"}
    assert not any("Not tuned" in note for note in table.notes)
