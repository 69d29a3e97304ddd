"""The command `tables`: what it trains, prints and writes, and what it refuses; nothing is really trained."""

import re

import pytest
from conftest import call, refused

from nmtr_tf.cli import tables
from nmtr_tf.evaluation.baselines import BASELINES
from nmtr_tf.files import read_json
from paper.conftest import TINY
from paper.made_up import install


@pytest.fixture(scope="module")
def made(shop_dir, tmp_path_factory) -> tuple:
    """The workdir of a Table III of two methods, and the flags that made it."""
    workdir = tmp_path_factory.mktemp("tables") / "work"
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={workdir}", *TINY, "--methods=gmf,nmtr_gmf"]
    with pytest.MonkeyPatch.context() as patch:
        pretence = install(patch)
        assert call(tables, "--table=3", *flags, "--quiet") == 0
        assert pretence.trained == ["gmf", "nmtr_gmf"]
    return workdir, flags


@pytest.fixture
def nothing_trains(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr("nmtr_tf.runs.fit", never)
    monkeypatch.setattr("nmtr_tf.evaluation.baselines.evaluate_baseline", never)


def test_the_command_writes_three_files_and_resumes(made, nothing_trains, capsys):
    workdir, flags = made
    assert {path.name for path in workdir.glob("table3_strict_validation*")} == {
        f"table3_strict_validation.{suffix}" for suffix in ("md", "tex", "json")
    }
    first = read_json(workdir / "table3_strict_validation.json")
    (table,) = first.pop("tables")
    assert {name: value for name, value in first.items() if name != "dataset_fingerprint"} == {
        "schema": 1,
        "table": 3,
        "dataset": "shop",
        "protocol": "strict",
        "mask": "all",
        "selection": "validation",
        "seed": 0,
    }
    assert table["columns"][1:] == ["HR@5", "NDCG@5", "HR@10", "NDCG@10"]
    stored = read_json(workdir / "results" / "shop" / "strict" / "nmtr_gmf.json")
    row = next(row for row in table["rows"] if row["label"] == "NMTR-GMF")
    assert row["entries"]["NDCG@10"]["value"] == stored["test"]["NDCG@10"]
    labels = {r["label"] for r in table["rows"]}
    assert {"popularity", "touched first", "recency (time)", "EASE (all)"} <= labels
    assert labels <= {"Our NMTR model", "Single-behavior", "NMTR-GMF", "GMF", "Baselines"} | {
        baseline.label for baseline in BASELINES.values()
    }
    assert call(tables, "--table=3", *flags) == 0
    out = capsys.readouterr().out
    assert "Table III: shop, protocol strict, mask all" in out
    assert f"Written: {workdir}/table3_strict_validation.md, .tex, .json" in out
    assert read_json(workdir / "table3_strict_validation.json")["tables"] == [table]


def test_peaks_are_a_table_of_their_own(made, nothing_trains):
    workdir, flags = made
    assert call(tables, "--table=3", *flags, "--selection=peak", "--quiet") == 0
    assert "booktabs" not in (workdir / "table3_strict_peak.tex").read_text()
    assert r"\toprule" in (workdir / "table3_strict_peak.tex").read_text()
    assert "| NMTR-GMF |" in (workdir / "table3_strict_peak.md").read_text()


def test_several_seeds_train_what_is_missing(made, pretence, capsys):
    workdir, flags = made
    assert call(tables, "--table=3", *flags, "--methods=nmtr_gmf", "--seeds=0,3") == 0
    assert re.findall(r"^\[.*", capsys.readouterr().out, re.MULTILINE) == ["[1/1] nmtr_gmf-seed_3"]
    assert pretence.trained == ["nmtr_gmf-seed_3"]
    stored = [workdir / "results" / "shop" / "strict" / f"nmtr_gmf{end}.json" for end in ("", "-seed_3")]
    first, second = map(read_json, stored)
    assert (first["seed"], second["seed"]) == (0, 3)
    assert first["places"] != second["places"]
    assert not list(stored[0].parent.glob("baseline*seed*"))
    three, beside = read_json(workdir / "table3_strict_validation.json")["tables"]
    assert three["rows"][1]["entries"]["NDCG@10"]["value"] == first["test"]["NDCG@10"]
    mean = (first["test"]["NDCG@10"] + second["test"]["NDCG@10"]) / 2
    entries = beside["rows"][1]["entries"]
    assert entries["NDCG@10"]["value"] == pytest.approx(mean)
    difference = abs(first["test"]["NDCG@10"] - second["test"]["NDCG@10"])
    assert entries["s.d. of NDCG@10"]["value"] == pytest.approx(difference / 2**0.5)


def test_the_first_seed_is_the_tables(shop_dir, tmp_path, pretence):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/work", *TINY, "--quiet"]
    assert call(tables, "--table=3", *flags, "--methods=gmf", "--seeds=3,1") == 0
    assert pretence.trained == ["gmf-seed_3", "gmf-seed_1"]
    table = read_json(tmp_path / "work" / "table3-seed_3_strict_validation.json")
    assert (table["seed"], len(table["tables"])) == (3, 2)


@pytest.mark.parametrize(
    ("table", "names", "labels"),
    [
        (
            "4",
            ["cart-buy", "view-buy", "cart_0.5-buy", "view_0.5-buy"],
            ["(buy, cart)", "(buy, view)", "(buy, 50 % cart)", "(buy, 50 % view)"],
        ),
        ("5", ["sequential", "separate"], ["multi-task", "sequential", "separate embeddings"]),
    ],
)
def test_tables_four_and_five_train_what_they_need(made, pretence, table, names, labels):
    workdir, flags = made
    assert call(tables, f"--table={table}", *flags, "--methods=nmtr_gmf", "--quiet") == 0
    assert pretence.trained == [f"nmtr_gmf-{name}" for name in names]
    first = read_json(workdir / f"table{table}_strict_validation.json")["tables"][0]
    shown = [row["label"] for row in first["rows"] if row["label"] != "NMTR-GMF"]
    assert shown == labels
    values = [entry["value"] for row in first["rows"] for entry in row["entries"].values()]
    assert all(isinstance(value, float) for value in values)
    assert len(values) == 2 * len(labels)


@pytest.mark.parametrize(("table", "count"), [("3", 1), ("4", 4), ("5", 3)])
def test_dry_run_lists_the_cells_and_trains_nothing(shop_dir, tmp_path, nothing_trains, capsys, table, count):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/work", *TINY, "--methods=nmtr_gmf"]
    assert call(tables, f"--table={table}", *flags, "--dry_run") == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"^nmtr_gmf", out, re.MULTILINE)) == count
    assert f"{count} of {count} to train: nothing known and {count} of unknown time." in out
    assert not (tmp_path / "work").exists()


def test_dry_run_knows_what_is_finished(made, nothing_trains, capsys):
    _, flags = made
    assert call(tables, "--table=3", *flags, "--methods=gmf,nmtr_gmf,mlp", "--dry_run") == 0
    found = re.findall(r"^(gmf|nmtr_gmf|mlp) +(finished|to train)", capsys.readouterr().out, re.MULTILINE)
    assert found == [("gmf", "finished"), ("nmtr_gmf", "finished"), ("mlp", "to train")]


def test_table_one(made, shop_dir, capsys):
    workdir, _ = made
    assert call(tables, "--table=1", f"--dataset_dir={shop_dir}", f"--workdir={workdir}") == 0
    row = read_json(shop_dir / "dataset.json")["table_one"]
    assert f"{row['view']:,}" in capsys.readouterr().out
    assert (workdir / "table1.md").exists()


def test_table_two(made, shop_dir):
    workdir, _ = made
    tuned = workdir / "tune" / "shop" / "strict" / "nmtr_mlp"
    tuned.mkdir(parents=True)
    (tuned / "trials.csv").write_text("trial,value\n1,0.1\n2,0.2\n")
    best = ["--method=nmtr_mlp", "--optimizer=adam", "--num_layers=2", "--loss_weights=1/6,1/3,1/2"]
    (tuned / "best.flags").write_text("\n".join(["# 2 trials", *best, "--l2_item=1e-5"]) + "\n")
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={workdir}", "--quiet"]
    assert call(tables, "--table=2", *flags) == 0
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
        (["--table=6"], "value should be one of <1|2|3|4|5>"),
        (
            ["--table=3", "--behaviors=buy"],
            "--table=3 compares uses of auxiliary behaviors and needs at least two",
        ),
        (["--table=4", "--behaviors=wish,buy"], "--behaviors should be a subset of view,cart,buy"),
        (["--table=4", "--keep=cart:1.5"], "--keep=cart:1.5: the share should be in (0, 1]."),
        (["--table=4", "--keep=cart:0"], "--keep=cart:0: the share should be in (0, 1]."),
        (
            ["--table=3", "--loss_weights=0.5,0.4,0.3"],
            "--loss_weights should be at least 0 each and sum to 1",
        ),
        (["--table=3", "--loss_weights=0.5,0.5"], "--loss_weights should hold one weight for each of the 3"),
        (["--table=3", "--selection=luck"], "value should be one of <validation|peak>"),
        (["--table=4", "--seeds=0,1"], "--seeds is for --table=3. Received: --table=4."),
        (["--table=3", "--seeds=1,1"], "--seeds should be different whole numbers, at least 0."),
        (["--table=3", "--validation=none"], "--selection=validation needs --validation=random"),
        (
            ["--table=5", "--methods=nmtr_gmf,gmf"],
            "--table=5 compares kinds of training of NMTR methods. Received: --methods=gmf.",
        ),
        (["--table=3", "--write=RESULTS.md"], "--write and --check are of all finished cells"),
        (["--write=RESULTS.md"], "--results_dir is needed"),
    ],
)
def test_refuses(shop_dir, tmp_path, capsys, flags, message):
    where = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", "--flags_dir=none"]
    assert message in refused(capsys, tables, *where, *flags)
    assert not list(tmp_path.iterdir())


def test_refuses_the_workdir_of_another_data_set(made, other_dir, capsys):
    workdir, flags = made
    line = refused(capsys, tables, "--table=3", *flags, f"--dataset_dir={other_dir}")
    assert f"--workdir={workdir} belongs to another data set, 'shop'" in line
