"""Table III: from results to entries, marks and notes; over seeds."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.documents import Entry, to_text
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.method_table import methods_table, repeated_variants, seeds_table
from nmtr_tf.paper.variants import Variant, both_neumfs
from paper.made_up import METHODS_SHOWN, entries_of, finished_of, result_of

CENTERS = {"gmf": 200, "cmf": 150, "mc_gmf": 180, "nmtr_gmf": 80, "nmtr_mlp": 151}


def baseline_of(name: str, center: float) -> CellResult:
    return result_of(f"baseline_{name}", center, method=name, history=[], peak={}, heads={})


@pytest.fixture(scope="module")
def finished() -> FinishedCells:
    results = [result_of(name, center, seed) for seed, (name, center) in enumerate(CENTERS.items())]
    return finished_of(*results, baseline_of("popularity", 300), baseline_of("ease", 10))


def test_table_three_by_validation(finished):
    table = methods_table(finished, METHODS_SHOWN, "validation")
    labels = [label for label, _ in table.rows]
    assert labels[:5] == ["Our NMTR model", "NMTR-GMF", "NMTR-MLP", "NMTR-NeuMF", "Multi-behavior"]
    assert labels[-3:] == ["Baselines", "popularity", "EASE"]
    for name in CENTERS:
        for metric, entry in entries_of(table, PAPER_METHODS[name].label).items():
            assert entry.value == finished.results[name].test[metric]
            assert entry.best == (name == "nmtr_gmf")
            assert entry.paper == ""
    assert all(entry.value is None and not entry.best for entry in entries_of(table, "NMTR-NeuMF").values())
    assert entries_of(table, "EASE")["HR@50"] == Entry(finished.results["baseline_ease"].test["HR@50"])


def test_the_mark_is_a_paired_t_test_against_the_best_other_method_of_the_column(finished):
    table = methods_table(finished, METHODS_SHOWN, "validation")
    best = finished.results["cmf"].places.ranks  # of the three other methods; EASE above them is no method
    p_values = {}
    for name in ("nmtr_gmf", "nmtr_mlp"):
        ours = finished.results[name].places.ranks
        test = stats.ttest_rel((ours < 50) * 1.0, (best < 50) * 1.0)
        p_values[name] = test.pvalue
    assert p_values["nmtr_gmf"] < p_values["nmtr_mlp"]  # so Holm doubles the first alone
    corrected = {"nmtr_gmf": 2 * p_values["nmtr_gmf"], "nmtr_mlp": p_values["nmtr_mlp"]}
    for name, p_value in corrected.items():
        entry = entries_of(table, PAPER_METHODS[name].label)["HR@50"]
        assert entry.p_value == pytest.approx(p_value)
    assert entries_of(table, "NMTR-GMF")["HR@50"].significant
    assert not entries_of(table, "NMTR-MLP")["HR@50"].significant
    assert entries_of(table, "CMF")["HR@50"].p_value is None
    assert table.notes[0].startswith("(*) significantly above the method of the other groups that validation")
    assert "over 400 users, p < 0.05 after Holm's correction over the column." in table.notes[0]


def test_the_method_to_beat_is_chosen_on_validation():
    """CMF is ahead on test; validation had GMF first."""
    histories = {"gmf": 0.9, "cmf": 0.1, "nmtr_gmf": 0.5}
    results = [
        result_of(
            name, center, seed, history=[{"epoch": 1, "train/loss": 1.0, "validation/HR@50": histories[name]}]
        )
        for seed, (name, center) in enumerate({"gmf": 200, "cmf": 100, "nmtr_gmf": 150}.items())
    ]
    finished = finished_of(*results)
    gmf, cmf, ours = [(finished.results[name].places.ranks < 50) * 1.0 for name in histories]
    assert gmf.mean() < ours.mean() < cmf.mean()
    entry = entries_of(methods_table(finished, METHODS_SHOWN, "validation"), "NMTR-GMF")["HR@50"]
    assert entry.p_value == pytest.approx(stats.ttest_rel(ours, gmf).pvalue)
    assert entry.significant


def test_significantly_below_is_no_mark():
    finished = finished_of(result_of("gmf", 50, 1), result_of("nmtr_gmf", 250, 2))
    table = methods_table(finished, METHODS_SHOWN, "validation")
    entry = entries_of(table, "NMTR-GMF")["HR@100"]
    assert entry.p_value is not None
    assert entry.p_value < 1e-6
    assert not entry.significant
    assert table.notes[0].startswith("No NMTR method is significantly above")


def test_equals_are_both_best():
    table = methods_table(finished_of(result_of("gmf"), result_of("mlp")), METHODS_SHOWN, "validation")
    assert entries_of(table, "GMF")["HR@50"].best
    assert entries_of(table, "MLP")["HR@50"].best


def test_baselines_above_all_methods_are_named(finished):
    notes = methods_table(finished, METHODS_SHOWN, "validation").notes
    assert "Baselines above every method by NDCG@100: EASE." in notes


def test_table_three_by_peak_beside_the_papers_values(finished):
    table = methods_table(finished, METHODS_SHOWN, "peak")
    entry = entries_of(table, "NMTR-GMF")["HR@50"]
    assert entry.value == 2 * finished.results["nmtr_gmf"].test["HR@50"]
    assert entry.paper == "0.2050"
    assert entry.p_value is None
    assert entries_of(table, "NMTR-NeuMF")["HR@50"] == Entry(None, "0.2079")
    notes = " ".join(table.notes)
    assert "In brackets: the paper's values, with view, cart, buy. The data here has cart, buy." in notes
    assert "a misprint" in notes
    assert "were ranked" not in notes


def test_peaks_of_a_sample_of_users_say_so():
    table = methods_table(finished_of(result_of("gmf", curve_users=100)), METHODS_SHOWN, "peak")
    assert any("100 of the 400 users" in note for note in table.notes)


def test_no_paper_beside_other_data(finished):
    other = finished_of(*finished.results.values(), dataset="taobao")
    table = methods_table(other, METHODS_SHOWN, "peak")
    assert not any(entry.paper for _, entries in table.rows for entry in entries)
    assert "paper's values" not in " ".join(table.notes)


def test_a_metric_of_all_lists_together_has_no_test_of_users(finished):
    """Coverage is no mean over users; the tests of the others are as they were."""
    results = [
        dataclasses.replace(result, test={**result.test, "coverage@100": 0.5})
        for result in finished.results.values()
    ]
    table = methods_table(finished_of(*results), METHODS_SHOWN, "validation")
    entries = entries_of(table, "NMTR-GMF")
    assert entries["coverage@100"] == Entry(0.5, best=True)
    plain = entries_of(methods_table(finished, METHODS_SHOWN, "validation"), "NMTR-GMF")
    assert entries["HR@50"] == plain["HR@50"]


def seeds_of(center: float, name: str, *seeds: int) -> list[CellResult]:
    """A method's results, one for each seed."""
    made = [result_of(f"{name}-seed_{n}" if n else name, center, 10 * n + len(name)) for n in seeds]
    return [dataclasses.replace(result, seed=n) for result, n in zip(made, seeds, strict=True)]


def test_over_seeds_are_the_mean_the_deviation_and_a_test_of_each_users_mean():
    gmf, cmf, nmtr = seeds_of(200, "gmf", 0), seeds_of(150, "cmf", 0, 1, 4), seeds_of(120, "nmtr_gmf", 0, 1)
    finished = finished_of(*gmf, *cmf, *nmtr)
    variants = repeated_variants(finished, METHODS_SHOWN)
    assert [(one.method, one.seed) for one in variants] == [
        ("cmf", 0),
        ("cmf", 1),
        ("cmf", 4),
        ("nmtr_gmf", 0),
        ("nmtr_gmf", 1),
    ]
    table = seeds_table(finished, variants, "validation")
    assert table.title.startswith("Beside Table III: beibei")
    assert table.columns == ["", "seeds", "HR@100", "s.d. of HR@100", "NDCG@100", "s.d. of NDCG@100"]
    assert [label for label, _ in table.rows] == ["Our NMTR model", "NMTR-GMF", "Multi-behavior", "CMF"]
    for (_, entries), results in zip((table.rows[1], table.rows[3]), (nmtr, cmf), strict=True):
        assert entries[0].value == len(results)
        for place, metric in ((1, "HR@100"), (3, "NDCG@100")):
            values = [result.test[metric] for result in results]
            assert entries[place].value == pytest.approx(sum(values) / len(values))
            assert entries[place + 1].value == pytest.approx(pd.Series(values).std())
            assert entries[place].best == (results is nmtr)
    hits = [np.mean([one.places.ranks < 100 for one in results], axis=0) for results in (nmtr, cmf)]
    test = stats.ttest_rel(*hits)
    assert table.rows[1][1][1].p_value == pytest.approx(test.pvalue)
    assert table.rows[1][1][1].significant == bool(test.pvalue < 0.05)
    peak = entries_of(seeds_table(finished, variants, "peak"), "CMF")
    assert peak["HR@100"].value == pytest.approx(np.mean([result.peak["HR@100"] for result in cmf]))
    assert entries_of(seeds_table(finished, variants, "peak"), "NMTR-GMF")["HR@100"].p_value is None


def test_table_three_fits_a_terminal():
    everything = dict.fromkeys([f"{kind}@{k}" for k in (50, 80, 100, 200) for kind in ("HR", "NDCG")], 0.2)
    full = finished_of(*[result_of(name, test=everything, peak=everything) for name in PAPER_METHODS])
    for selection in ("validation", "peak"):
        text = to_text(methods_table(full, METHODS_SHOWN, selection))
        assert max(map(len, text.splitlines()[:18])) <= 145


def test_neumf_with_shared_embeddings_has_a_row_where_it_was_trained():
    names = [
        "neumf",
        "neumf-seed_1",
        "neumf-shared",
        "neumf-shared-seed_1",
        "nmtr_neumf",
        "nmtr_neumf-seed_1",
    ]
    results = {name: result_of(name, center=100 + 20 * place, seed=place) for place, name in enumerate(names)}
    results = {
        name: dataclasses.replace(result, seed=int(name.endswith("_1"))) for name, result in results.items()
    }
    variants = both_neumfs([Variant("neumf"), Variant("nmtr_neumf")])
    finished = finished_of(*results.values())
    table = methods_table(finished, variants, "validation")
    expected = ["Our NMTR model", "NMTR-NeuMF", "Single-behavior", "NeuMF", "NeuMF, shared embeddings"]
    assert [label for label, _ in table.rows] == expected
    values = {label: entries[0].value for label, entries in table.rows if entries}
    assert values["NeuMF, shared embeddings"] == results["neumf-shared"].test["HR@50"]
    over_seeds = seeds_table(finished, repeated_variants(finished, variants), "validation")
    assert [label for label, _ in over_seeds.rows] == expected
    mean = dict(over_seeds.rows)["NeuMF, shared embeddings"][1].value
    assert mean == pytest.approx(
        np.mean([results[name].test["HR@100"] for name in ("neumf-shared", "neumf-shared-seed_1")])
    )
    without = finished_of(*(result for name, result in results.items() if "shared" not in name))
    assert [label for label, _ in methods_table(without, variants, "validation").rows] == expected[:4]
