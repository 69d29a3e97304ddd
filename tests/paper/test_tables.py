"""Tables I to V: from results to what is printed and written."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import call, refused
from scipy import stats

from nmtr_tf.cli import prepare, tables, train
from nmtr_tf.config import RunConfig
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.files import read_json
from nmtr_tf.models.methods import METHODS
from nmtr_tf.paper.ablation_tables import subsets_table, training_tables
from nmtr_tf.paper.data_tables import settings_table, statistics_table
from nmtr_tf.paper.documents import Entry, Table, to_text
from nmtr_tf.paper.method_table import methods_table, repeated_variants, seeds_table
from nmtr_tf.paper.results import Finished, write_result
from nmtr_tf.paper.results_page import BEGIN, END
from nmtr_tf.paper.variants import Variant

KS = (50, 100)
TINY = ["--embedding_dim=4", "--num_layers=1", "--num_epochs=1", "--ks=5,10", "--monitor=NDCG@10"]
TINY += ["--flags_dir=none"]


def result_of(name: str, center: float = 150.0, seed: int = 0, users: int = 400, **changes) -> dict:
    """A result with random ranks, the lower the center the better; its peak is twice its test metrics."""
    ranks = np.random.default_rng(seed).normal(center, 60, users).round().clip(0, 500)
    test = mean_metrics(ranks, KS)
    config = json.loads(json.dumps(RunConfig().to_json()))
    config["evaluation"]["ks"] = list(KS)
    return {
        "name": name,
        "method": name.split("-")[0],
        "dataset": "beibei",
        "dataset_fingerprint": "abc",
        "dataset_behaviors": ["cart", "buy"],
        "protocol": "strict",
        "num_test_users": users,
        "curve_users": users,
        "num_parameters": 1000,
        "seed": 0,
        "flags": [],
        "config": config,
        "seconds": 90.0,
        "epochs": 2,
        "best_epoch": 1,
        "hardware": "a CPU, 2 cores",
        "versions": {"tensorflow": "2.21.0"},
        "test": test,
        "peak": {metric: 2 * value for metric, value in test.items()},
        "heads": {"cart": {"num_pairs": 7, "HR@100": 0.5, "NDCG@100": 0.25}},
        "history": [{"epoch": 1, "train/loss": 0.6}, {"epoch": 2, "train/loss": 0.3}],
        "ranks": ranks,
        **changes,
    }


CENTERS = {"gmf": 200, "cmf": 150, "mc_gmf": 180, "nmtr_gmf": 80, "nmtr_mlp": 151}


def finished_of(*results: dict, **about) -> Finished:
    shared = {"dataset": "beibei", "protocol": "strict", "behaviors": ("cart", "buy"), **about}
    return Finished(results={result["name"]: result for result in results}, **shared)


@pytest.fixture(scope="module")
def finished() -> Finished:
    results = [result_of(name, center, seed) for seed, (name, center) in enumerate(CENTERS.items())]
    return finished_of(*results, result_of("reference_popularity", 300), result_of("reference_ease", 10))


def entries_of(table: Table, label: str) -> dict[str, Entry]:
    (entries,) = (entries for name, entries in table.rows if name == label)
    return dict(zip(table.columns[1:], entries, strict=True))


METHODS_SHOWN = [Variant(name) for name in METHODS]


def test_table_three_by_validation(finished):
    table = methods_table(finished, METHODS_SHOWN, "validation")
    labels = [label for label, _ in table.rows]
    assert labels[:5] == ["Our NMTR model", "NMTR-GMF", "NMTR-MLP", "NMTR-NeuMF", "Multi-behavior"]
    assert labels[-3:] == ["References", "popularity", "EASE"]
    for name in CENTERS:
        for metric, entry in entries_of(table, METHODS[name].label).items():
            assert entry.value == finished.results[name]["test"][metric]
            assert entry.best == (name == "nmtr_gmf")
            assert entry.paper == ""
    assert all(entry.value is None and not entry.best for entry in entries_of(table, "NMTR-NeuMF").values())
    assert entries_of(table, "EASE")["HR@50"] == Entry(finished.results["reference_ease"]["test"]["HR@50"])


def test_the_mark_is_a_paired_t_test_against_the_best_baseline_of_the_column(finished):
    table = methods_table(finished, METHODS_SHOWN, "validation")
    best = finished.results["cmf"]["ranks"]  # of the three baselines
    for name in ("nmtr_gmf", "nmtr_mlp"):
        ours = finished.results[name]["ranks"]
        test = stats.ttest_rel((ours < 50) * 1.0, (best < 50) * 1.0)
        entry = entries_of(table, METHODS[name].label)["HR@50"]
        assert entry.p_value == pytest.approx(test.pvalue)
        assert entry.significant == bool(test.pvalue < 0.05 and test.statistic > 0)
    assert entries_of(table, "NMTR-GMF")["HR@50"].significant
    assert not entries_of(table, "NMTR-MLP")["HR@50"].significant
    assert entries_of(table, "CMF")["HR@50"].p_value is None
    assert "(*) above the best baseline of its column: paired t-test over 400 users, p < 0.05." in table.notes


def test_significantly_below_is_no_mark():
    finished = finished_of(result_of("gmf", 50, 1), result_of("nmtr_gmf", 250, 2))
    table = methods_table(finished, METHODS_SHOWN, "validation")
    entry = entries_of(table, "NMTR-GMF")["HR@100"]
    assert entry.p_value is not None
    assert entry.p_value < 1e-6
    assert not entry.significant
    assert table.notes[0].startswith("No NMTR method is above the best baseline")


def test_equals_are_both_best():
    finished = finished_of(result_of("gmf"), result_of("mlp"))
    table = methods_table(finished, METHODS_SHOWN, "validation")
    assert entries_of(table, "GMF")["HR@50"].best
    assert entries_of(table, "MLP")["HR@50"].best


def test_references_above_all_methods_are_named(finished):
    assert (
        "References above every method by NDCG@100: EASE."
        in methods_table(finished, METHODS_SHOWN, "validation").notes
    )


def test_table_three_by_peak_beside_the_papers_values(finished):
    table = methods_table(finished, METHODS_SHOWN, "peak")
    entry = entries_of(table, "NMTR-GMF")["HR@50"]
    assert entry.value == 2 * finished.results["nmtr_gmf"]["test"]["HR@50"]
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


def seeds_of(center: float, name: str, *seeds: int) -> list[dict]:
    return [
        result_of(f"{name}-seed_{seed}" if seed else name, center, 10 * seed + len(name)) | {"seed": seed}
        for seed in seeds
    ]


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
            values = [result["test"][metric] for result in results]
            assert entries[place].value == pytest.approx(sum(values) / len(values))
            assert entries[place + 1].value == pytest.approx(pd.Series(values).std())
            assert entries[place].best == (results is nmtr)
    hits = [np.mean([one["ranks"] < 100 for one in results], axis=0) for results in (nmtr, cmf)]
    test = stats.ttest_rel(*hits)
    assert table.rows[1][1][1].p_value == pytest.approx(test.pvalue)
    assert table.rows[1][1][1].significant == bool(test.pvalue < 0.05)
    peak = entries_of(seeds_table(finished, variants, "peak"), "CMF")
    assert peak["HR@100"].value == pytest.approx(np.mean([result["peak"]["HR@100"] for result in cmf]))
    assert entries_of(seeds_table(finished, variants, "peak"), "NMTR-GMF")["HR@100"].p_value is None


def test_table_three_fits_a_terminal(finished):
    results = [result_of(name, test=dict.fromkeys(_ALL, 0.2)) for name in METHODS]
    full = finished_of(*[{**result, "peak": dict.fromkeys(_ALL, 0.2)} for result in results])
    for selection in ("validation", "peak"):
        text = to_text(methods_table(full, METHODS_SHOWN, selection))
        assert max(map(len, text.splitlines()[:18])) <= 145


_ALL = [f"{kind}@{k}" for k in (50, 80, 100, 200) for kind in ("HR", "NDCG")]


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
    assert [entry.value for entry in table.rows[4][1]] == [
        results[1]["test"][m] for m in ("HR@100", "NDCG@100")
    ]
    peak = subsets_table(finished, bases, "peak")
    assert "In brackets: the paper's values, with the same behaviors." in peak.notes
    assert not any("The data here has" in note for note in peak.notes)
    assert [entry.paper for entry in peak.rows[1][1]] == ["0.2979", "0.0705"]
    assert [entry.paper for entry in peak.rows[5][1]] == ["0.2726", "0.0654"]
    three = finished_of(
        result_of("nmtr_gmf-view_0.5-buy"), result_of("nmtr_gmf"), behaviors=("view", "cart", "buy")
    )
    peak = subsets_table(three, bases[:1], "peak")
    assert [label for label, entries in peak.rows if not entries] == [
        "(buy, cart)",
        "(buy, view)",
        "(buy, 50 % cart)",
        "(buy, 50 % view)",
    ]
    assert [entry.paper for entry in peak.rows[7][1]] == ["0.2953", "0.0698"]
    assert peak.rows[7][1][0].value == three.results["nmtr_gmf-view_0.5-buy"]["peak"]["HR@100"]


def test_table_five():
    names = ["nmtr_gmf", "nmtr_gmf-sequential", "nmtr_gmf-separate"]
    results = [result_of(name, seed=i) for i, name in enumerate(names)]
    results[2] |= {"num_parameters": 3000, "best_epoch": 2, "heads": {}}
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
    assert kinds.rows[2][1][0].value == results[1]["peak"]["HR@100"]
    assert convergence.columns[1:] == ["parameters", "best epoch", "epochs", "first loss", "last loss"]
    assert [entry.value for entry in convergence.rows[1][1]] == [1000, 1, 2, 0.6, 0.3]
    assert [entry.value for entry in convergence.rows[2][1]] == [3000, 2, 2, 0.6, 0.3]
    assert [label for label, _ in heads.rows] == ["NMTR-GMF, cart", "multi-task", "sequential"]
    assert [entry.value for entry in heads.rows[1][1]] == [0.5, 0.25]
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
    assert table.notes[-1].startswith("Not tuned yet: NMTR-GMF, CMF; python -m experiments.tune")
    assert any("[0,5e-5]" in note for note in table.notes)


@pytest.fixture(scope="module")
def made(shop_dir, tmp_path_factory) -> tuple:
    """The workdir of a Table III of two methods, and the flags that made it."""
    workdir = tmp_path_factory.mktemp("tables") / "work"
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={workdir}", *TINY, "--methods=gmf,nmtr_gmf"]
    assert call(tables, "--table=3", *flags, "--quiet") == 0
    return workdir, flags


def never(*arguments, **options):
    raise AssertionError("trained again")


def test_the_command_writes_three_files_and_resumes(made, monkeypatch, capsys):
    workdir, flags = made
    assert {path.name for path in workdir.glob("table3*")} == {
        f"table3_strict_validation.{suffix}" for suffix in ("md", "tex", "json")
    }
    first = read_json(workdir / "table3_strict_validation.json")
    assert (first["table"], first["protocol"], first["selection"], first["seed"]) == (
        3,
        "strict",
        "validation",
        0,
    )
    (table,) = first["tables"]
    assert table["columns"][1:] == ["HR@5", "NDCG@5", "HR@10", "NDCG@10"]
    stored = read_json(workdir / "results" / "shop" / "strict" / "nmtr_gmf.json")
    row = next(row for row in table["rows"] if row["label"] == "NMTR-GMF")
    assert row["entries"]["NDCG@10"]["value"] == stored["test"]["NDCG@10"]
    assert {"popularity", "weaker first", "recency (time)", "EASE (all)"} <= {
        r["label"] for r in table["rows"]
    }
    monkeypatch.setattr(train, "train_one", never)
    assert call(tables, "--table=3", *flags) == 0
    assert "Table III: shop, protocol strict" in capsys.readouterr().out
    assert read_json(workdir / "table3_strict_validation.json") == first
    assert call(tables, "--table=3", *flags, "--selection=peak", "--quiet") == 0
    assert "booktabs" not in (workdir / "table3_strict_peak.tex").read_text()
    assert r"\toprule" in (workdir / "table3_strict_peak.tex").read_text()
    assert "| NMTR-GMF |" in (workdir / "table3_strict_peak.md").read_text()


def test_several_seeds_train_what_is_missing(made, capsys):
    workdir, flags = made
    assert call(tables, "--table=3", *flags, "--methods=nmtr_gmf", "--seeds=0,3") == 0
    assert re.findall(r"^\[.*", capsys.readouterr().out, re.MULTILINE) == ["[1/1] nmtr_gmf-seed_3"]
    stored = [workdir / "results" / "shop" / "strict" / f"nmtr_gmf{end}.json" for end in ("", "-seed_3")]
    first, second = map(read_json, stored)
    assert (first["seed"], second["seed"]) == (0, 3)
    assert first["ranks"] != second["ranks"]
    assert not list(stored[0].parent.glob("reference*seed*"))
    three, beside = read_json(workdir / "table3_strict_validation.json")["tables"]
    assert three["rows"][1]["entries"]["NDCG@10"]["value"] == first["test"]["NDCG@10"]
    mean = (first["test"]["NDCG@10"] + second["test"]["NDCG@10"]) / 2
    entries = beside["rows"][1]["entries"]
    assert entries["NDCG@10"]["value"] == pytest.approx(mean)
    difference = abs(first["test"]["NDCG@10"] - second["test"]["NDCG@10"])
    assert entries["s.d. of NDCG@10"]["value"] == pytest.approx(difference / 2**0.5)


@pytest.mark.parametrize(("table", "count"), [("3", 1), ("4", 4), ("5", 3)])
def test_dry_run_lists_the_cells_and_trains_nothing(made, monkeypatch, capsys, table, count):
    workdir, flags = made
    monkeypatch.setattr(train, "train_one", never)
    assert call(tables, f"--table={table}", *flags, "--methods=nmtr_gmf", "--dry_run") == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"^nmtr_gmf", out, re.MULTILINE)) == count
    assert "finished" in out.lower() or table == "4"
    assert not list(workdir.glob(f"table{table}*")) or table == "3"


def test_tables_one_and_two(made, shop_dir, capsys):
    workdir, _ = made
    where = [f"--dataset_dir={shop_dir}", f"--workdir={workdir}"]
    assert call(tables, "--table=1", *where) == 0
    row = read_json(shop_dir / "dataset.json")["table_one"]
    assert f"{row['view']:,}" in capsys.readouterr().out
    tuned = workdir / "tune" / "shop" / "strict" / "nmtr_mlp"
    tuned.mkdir(parents=True)
    (tuned / "trials.csv").write_text("trial,value\n1,0.1\n2,0.2\n")
    best = ["--method=nmtr_mlp", "--optimizer=adam", "--num_layers=2", "--loss_weights=1/6,1/3,1/2"]
    (tuned / "best.flags").write_text("\n".join(["# 2 trials", *best, "--l2_item=1e-5"]) + "\n")
    assert call(tables, "--table=2", *where, "--quiet") == 0
    (table,) = read_json(workdir / "table2_strict.json")["tables"]
    rows = {
        row["label"]: {name: entry["value"] for name, entry in row["entries"].items()}
        for row in table["rows"]
    }
    assert rows["NMTR-MLP"] == {
        "trials": 2,
        "optimizer": "Adam",
        "learning rate": "0.01",
        "reduction": "sum",
        "layers": "2",
        "loss coefficients": "[0.167,0.333,0.5]",
        "regularization": "[0,1e-05]",
        "dropout": "0",
    }
    assert set(rows["NMTR-GMF"].values()) == {None}
    assert table["notes"][-1].startswith("Not tuned yet: NMTR-GMF, NMTR-NeuMF;")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--table is needed"),
        (["--table=6"], "table"),
        (
            ["--table=3", "--behaviors=buy"],
            "--table=3 compares uses of weaker behaviors and needs at least two",
        ),
        (["--table=4", "--behaviors=wish,buy"], "--behaviors should be a subset of view,cart,buy"),
        (["--table=4", "--keep=cart:1.5"], "--keep=cart:1.5: the share should be in (0, 1]."),
        (["--table=4", "--keep=cart:0"], "--keep=cart:0: the share should be in (0, 1]."),
        (
            ["--table=3", "--loss_weights=0.5,0.4,0.3"],
            "--loss_weights should be at least 0 each and sum to 1",
        ),
        (["--table=3", "--loss_weights=0.5,0.5"], "--loss_weights should hold one weight for each of the 3"),
        (["--table=3", "--selection=luck"], "luck"),
        (["--table=4", "--seeds=0,1"], "--seeds is for --table=3. Received: --table=4."),
        (["--table=3", "--seeds=1,1"], "--seeds should be different whole numbers, at least 0."),
        (["--table=3", "--validation=none"], "--selection=validation needs --validation=random"),
        (["--table=5", "--methods=gmf"], "--train_mode=sequential goes from behavior to behavior"),
        (["--table=3", "--write=RESULTS.md"], "--write shows all finished cells; it excludes --table."),
        (["--write=RESULTS.md"], "--results_dir is needed"),
    ],
)
def test_refuses(shop_dir, tmp_path, capsys, flags, message):
    where = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", "--flags_dir=none"]
    assert message in refused(capsys, tables, *where, *flags)
    assert not list(tmp_path.iterdir())


def test_refuses_the_workdir_of_another_data_set(made, tmp_path, capsys):
    workdir, flags = made
    shop = ["--source=synthetic", "--synthetic_users=50", "--synthetic_items=40", "--quiet"]
    assert call(prepare, *shop, f"--dataset_dir={tmp_path}/other") == 0
    line = refused(capsys, tables, "--table=3", *flags, f"--dataset_dir={tmp_path}/other")
    assert f"--workdir={workdir} belongs to another data set, 'shop'" in line


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text(f"# Results\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    return path


def results_in(directory, *results: dict):
    for result in results:
        path = directory / result["dataset"] / result["protocol"] / f"{result['name']}.json"
        write_result(path, result)
    return directory


def test_the_page_is_made_of_the_results_alone(tmp_path, page):
    gmf = result_of("gmf", flags=["--num_epochs=50"])
    folder = results_in(tmp_path / "results", gmf, result_of("nmtr_gmf-sequential"), result_of("nmtr_gmf"))
    other = {"dataset": "taobao", "protocol": "released"}
    results_in(folder, result_of("bpr") | other, result_of("bpr-seed_1") | other | {"seed": 1})
    command = [f"--results_dir={folder}", f"--write={page}", "--quiet"]
    assert call(tables, *command) == 0
    text = page.read_text()
    assert text.startswith(f"# Results\n\n{BEGIN}\n\n### beibei, protocol strict\n")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "old" not in text
    assert text.count("**Table III: beibei") == 2  # both selections where the paper has values
    assert text.count("**Table III: taobao") == 1
    assert text.count("**Beside Table III: taobao") == 1
    assert "**Beside Table III: beibei" not in text
    assert "--workdir=out/tables --seeds=0,1`: runs: 2, seeds 0, 1, at most" in text
    assert "Table IV" not in text  # it has no cell of its own yet
    assert text.count("**Table V: beibei") == 2
    assert (
        "- `python -m experiments.tables --table=3 --dataset_dir=out/beibei --protocol=strict "
        "--workdir=out/tables --num_epochs=50`: runs: 1, seed 0, at most 50 epochs, patience 10; a CPU, "
        "2 cores, TensorFlow 2.21.0; training took 1.5 min." in text
    )
    missing = next(line for line in text.splitlines() if line.startswith("Not done: "))
    assert "`nmtr_gmf-cart_0.5-buy`" in missing
    assert "`nmtr_gmf-separate`" in missing
    assert "`nmtr_gmf-sequential`" not in missing
    assert "`gmf`" not in missing
    assert call(tables, *command) == 0
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("# Results\n", "each once, in this order"),
        (f"{END}\n{BEGIN}\n", "each once, in this order"),
        (f"{BEGIN}\n{BEGIN}\n{END}\n", "each once, in this order"),
    ],
)
def test_a_page_without_its_marks(tmp_path, capsys, content, message):
    folder = results_in(tmp_path / "results", result_of("gmf"))
    page = tmp_path / "page.md"
    if content is not None:
        page.write_text(content)
    assert message in refused(capsys, tables, f"--results_dir={folder}", f"--write={page}")
    assert not page.exists() or page.read_text() == content


def test_a_page_of_nothing_or_of_mixed_data(tmp_path, page, capsys):
    (tmp_path / "results").mkdir()
    command = [f"--results_dir={tmp_path}/results", f"--write={page}"]
    assert "expected <data set>/<protocol>/<cell>.json. Found none." in refused(capsys, tables, *command)
    results_in(tmp_path / "results", result_of("gmf"), result_of("mlp", dataset_fingerprint="def"))
    assert "mlp.json is of another data set than gmf.json" in refused(capsys, tables, *command)
    assert "old" in page.read_text()
