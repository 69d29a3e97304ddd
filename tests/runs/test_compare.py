"""The comparison of runs: from the files of evaluations to tables, JSON and picture."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread

from nmtr_tf.cli import compare
from nmtr_tf.evaluation.metrics import mean_metrics, ndcg
from nmtr_tf.evaluation.significance import compare_paired
from nmtr_tf.files import read_json, write_json

ROOT = Path(__file__).parent.parent
NUM_USERS = 120
FAST = "--num_resamples=200"


def ranks_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 60, NUM_USERS).astype(np.float64)


def write_run(directory, ranks, split="test", order=None, text_ids=False, about=(), **columns):
    """The files that an evaluation leaves; `about` and `columns` replace entries of them."""
    directory.mkdir(parents=True, exist_ok=True)
    users = np.arange(NUM_USERS) + 7
    table = {
        "user": np.array([f"u{user}" for user in users]) if text_ids else users,
        "item": np.arange(NUM_USERS) % 50,
        "rank": ranks,
        "num_candidates": np.full(NUM_USERS, 60, np.int32),
        **columns,
    }
    order = slice(None) if order is None else order
    table = pa.table({name: pa.array(values[order]) for name, values in table.items() if values is not None})
    pq.write_table(table, directory / f"ranks_{split}.parquet")
    header = {"split": split, "protocol": "strict", "mask": "target", "dataset_fingerprint": "abc"}
    metrics = {**header, "method": "nmtr_gmf", **mean_metrics(ranks, (5, 10)), **dict(about)}
    write_json(directory / f"metrics_{split}.json", metrics)
    return directory


@pytest.fixture
def runs(tmp_path):
    return [write_run(tmp_path / name, ranks_of(seed)) for seed, name in enumerate(("one", "two", "three"))]


def call(*arguments) -> int:
    return compare.main(["compare", *map(str, arguments)])


def compared(tmp_path, *arguments) -> dict:
    assert call(*arguments, FAST, "--quiet", f"--output_dir={tmp_path}/compared") == 0
    return read_json(tmp_path / "compared" / "compare.json")


def test_json_holds_the_statistics_of_every_run_and_metric(tmp_path, runs):
    content = compared(tmp_path, *runs, "--seed=3", "--ks=10,5,20")
    assert list(content["runs"]) == ["one", "two", "three"]
    assert list(content["comparisons"]) == ["HR@10", "NDCG@10", "HR@5", "NDCG@5", "HR@20", "NDCG@20"]
    assert (content["split"], content["protocol"], content["mask"]) == ("test", "strict", "target")
    assert (content["num_users"], content["baseline"]) == (NUM_USERS, "one")
    assert (content["num_resamples"], content["seed"]) == (200, 3)
    expected = compare_paired(ndcg(ranks_of(1), 10), ndcg(ranks_of(0), 10), 200, seed=3)
    row = content["comparisons"]["NDCG@10"]["two"]
    for name in ("mean", "baseline_mean", "difference", "low", "high", "t_test_p", "permutation_p"):
        assert row[name] == getattr(expected, name)
    assert row["t_test_p_holm"] >= row["t_test_p"]
    mean = mean_metrics(ranks_of(2), [5])["HR@5"]
    assert content["runs"]["three"]["metrics"]["HR@5"] == {"mean": mean, "seed_stddev": None}


def test_picture(tmp_path, runs):
    compared(tmp_path, *runs, "--metric=HR@5")
    assert imread(tmp_path / "compared" / "compare.png").shape[:2] == (300, 864)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compared", "one", "three", "two"]


def test_tables(runs, capsys):
    assert call(*runs, FAST) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"test, protocol strict, mask target, {NUM_USERS} users"
    assert lines[1].split() == ["one", "two", "three"]
    means = [f"{mean_metrics(ranks_of(seed), [5])['HR@5']:.4f}" for seed in range(3)]
    assert lines[3].split() == ["HR@5", *means]
    assert "Difference from one, paired by user" in lines
    assert sum("NDCG@10" in line for line in lines) == 1 + 2
    assert "permutation, Holm" in "\n".join(lines)


def test_two_runs_need_no_correction(runs, capsys):
    assert call(*runs[:2], FAST) == 0
    assert "Holm" not in capsys.readouterr().out


def test_order_of_rows_does_not_matter(tmp_path, runs):
    before = compared(tmp_path, *runs)
    order = np.random.default_rng(9).permutation(NUM_USERS)
    write_run(runs[1], ranks_of(1), order=order)
    assert compared(tmp_path, *runs) == before


@pytest.mark.parametrize("split", ["test", "validation"])
def test_text_ids_and_splits(tmp_path, split):
    order = np.arange(NUM_USERS)[::-1]
    write_run(tmp_path / "a", ranks_of(0), split, text_ids=True)
    write_run(tmp_path / "b", ranks_of(1), split, order, text_ids=True)
    content = compared(tmp_path, tmp_path / "a", tmp_path / "b", f"--split={split}")
    expected = (ranks_of(1) < 5).mean() - (ranks_of(0) < 5).mean()
    assert content["comparisons"]["HR@5"]["b"]["difference"] == pytest.approx(expected)


def test_seeds_are_averaged_user_by_user(tmp_path, runs, capsys):
    for seed in (10, 2, 1):
        write_run(tmp_path / "many" / f"seed_{seed}", ranks_of(seed))
    (tmp_path / "many" / "notes").mkdir()
    content = compared(tmp_path, runs[0], tmp_path / "many")
    many = content["runs"]["many"]
    assert many["seeds"] == [1, 2, 10]
    values = np.stack([ndcg(ranks_of(seed), 10) for seed in (1, 2, 10)])
    assert many["metrics"]["NDCG@10"]["seed_stddev"] == pytest.approx(np.std(values.mean(1), ddof=1))
    row = content["comparisons"]["NDCG@10"]["many"]
    expected = compare_paired(values.mean(0), ndcg(ranks_of(0), 10), 200)
    assert (row["difference"], row["t_test_p"]) == (expected.difference, expected.t_test_p)
    assert call(runs[0], tmp_path / "many", FAST) == 0
    out = capsys.readouterr().out
    assert "(mean ± standard deviation over seeds)" in out
    assert f"{row['mean']:.4f} ± {many['metrics']['NDCG@10']['seed_stddev']:.4f}" in out


def test_equal_ranks_do_not_differ(tmp_path, runs):
    copy = write_run(tmp_path / "copy", ranks_of(0))
    row = compared(tmp_path, runs[0], copy)["comparisons"]["NDCG@10"]["copy"]
    assert [row[name] for name in ("difference", "low", "high", "t_test_p", "permutation_p")] == [
        0,
        0,
        0,
        1,
        1,
    ]


@pytest.mark.parametrize("baseline", ["two", "{tmp}/two", "{tmp}/one/../two/"])
def test_the_baseline_is_a_name_or_a_path(tmp_path, runs, baseline):
    content = compared(tmp_path, *runs, f"--baseline={baseline.format(tmp=tmp_path)}")
    assert content["baseline"] == "two"
    assert list(content["comparisons"]["HR@5"]) == ["one", "three"]


def test_runs_of_one_name_go_by_their_paths(tmp_path):
    a, b = (write_run(tmp_path / name / "run", ranks_of(seed)) for seed, name in enumerate("ab"))
    assert list(compared(tmp_path, a, b)["runs"]) == [str(a), str(b)]


def refused(capsys, *arguments) -> str:
    capsys.readouterr()
    assert call(*arguments, FAST) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/one"], "at least two runs to compare. Received: 1"),
        ([], "at least two runs"),
        (["{tmp}/one", "{tmp}/two/../one"], "The same run twice"),
        (["{tmp}/one", "{tmp}/nowhere"], "nowhere: no such directory"),
        (["{tmp}/one", "{tmp}/two", "--baseline=four"], "one of the runs, one, two. Received: 'four'"),
        (
            ["{tmp}/one", "{tmp}/two", "--metric=NDCG@7"],
            "one of HR@5, NDCG@5, HR@10, NDCG@10. Received: 'NDCG@7'",
        ),
        (["{tmp}/one", "{tmp}/two", "--ks=five"], "--ks should be whole numbers"),
        (["{tmp}/one", "{tmp}/two", "--ks=0"], "--ks should be positive"),
        (["{tmp}/one", "{tmp}/two", "--split=validation"], "experiments.evaluate --split=validation"),
        (["{tmp}/one", "{tmp}/two", "--num_resamples=5"], "num_resamples"),
        (["{tmp}/one", "{tmp}/two", "--output_dir={tmp}"], "--output_dir"),
        (["{tmp}/one", "{tmp}/two", "--output_dir={tmp}/one/metrics_test.json"], "--output_dir"),
        (["{tmp}/one", "{tmp}/two", "--colour=red"], "colour"),
    ],
)
def test_refused_arguments(tmp_path, runs, capsys, arguments, message):
    files = sorted(tmp_path.rglob("*"))
    assert message in refused(capsys, *(argument.format(tmp=tmp_path) for argument in arguments))
    assert sorted(tmp_path.rglob("*")) == files


IDS = np.arange(NUM_USERS) + 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"about": {"protocol": "released"}}, "differ in protocol: 'strict' and 'released'"),
        ({"about": {"mask": "all"}}, "differ in mask: 'target' and 'all'"),
        ({"about": {"dataset_fingerprint": "xyz"}}, "differ in data set: 'abc' and 'xyz'"),
        ({"about": {"split": "validation"}}, "expected the split 'test'. Found: 'validation'"),
        ({"user": IDS + 1}, "rank for other users: 120 and 120, 119 in both"),
        ({"text_ids": True}, "rank for other users: 120 and 120, 0 in both"),
        ({"order": slice(100)}, "not the ranks of metrics_test.json"),
        ({"item": np.arange(NUM_USERS) % 50 + (IDS == 8)}, "held-out item of user 8 differs: 1 and 2"),
        ({"num_candidates": np.full(NUM_USERS, 61)}, "number of candidates of user 7 differs: 60 and 61"),
        ({"about": {"HR@5": 0.9}}, "HR@5 is"),
        ({"about": {"HR@5": "much"}}, "HR@5 is"),
        ({"user": np.maximum(IDS, 8)}, "a row for each user. Found twice: 8"),
        ({"rank": ranks_of(1) - 70}, "ranks from 0"),
        ({"rank": np.full(NUM_USERS, np.nan)}, "ranks from 0"),
        ({"rank": np.full(NUM_USERS, "first")}, "column 'rank' has values"),
        ({"num_candidates": None}, "expected a column 'num_candidates'"),
        ({"order": slice(1)}, "at least two users. Found: 1"),
    ],
)
def test_refused_runs(tmp_path, runs, capsys, changes, message):
    write_run(runs[1], ranks_of(1), **changes)
    line = refused(capsys, *runs, f"--output_dir={tmp_path}/compared")
    assert message in line
    assert "two" in line
    assert not (tmp_path / "compared").exists()


def test_fewer_users_are_refused(tmp_path, runs, capsys):
    about = mean_metrics(ranks_of(1)[:100], (5, 10))
    write_run(runs[1], ranks_of(1), order=slice(100), about=about)
    assert "other users: 120 and 100, 100 in both" in refused(capsys, *runs)


@pytest.mark.parametrize("keep", [0, 3, 500, -1])
def test_a_truncated_file_is_refused(runs, capsys, keep):
    path = runs[1] / "ranks_test.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{path}: expected a whole Parquet file" in refused(capsys, *runs)


def test_a_file_with_a_broken_middle_is_refused(runs, capsys):
    path = runs[1] / "ranks_test.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    assert str(path) in refused(capsys, *runs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not JSON", "expected JSON"),
        ("[]", "expected a JSON object"),
        ('{"split": "test"}', "expected the entry 'dataset_fingerprint'"),
        (
            '{"split": "test", "dataset_fingerprint": "abc", "protocol": "strict", "mask": "target"}',
            "expected metrics HR@K",
        ),
    ],
)
def test_unfit_metrics_files_are_refused(runs, capsys, content, message):
    (runs[0] / "metrics_test.json").write_text(content)
    line = refused(capsys, *runs)
    assert message in line
    assert str(runs[0] / "metrics_test.json") in line


@pytest.mark.parametrize("name", ["metrics_test.json", "ranks_test.parquet"])
def test_a_missing_file_is_named_with_what_writes_it(tmp_path, runs, capsys, name):
    write_run(tmp_path / "many" / "seed_1", ranks_of(1))
    write_run(tmp_path / "many" / "seed_2", ranks_of(2))
    (tmp_path / "many" / "seed_2" / name).unlink()
    line = refused(capsys, runs[0], tmp_path / "many")
    assert f"seed_2: expected {name}, which python -m experiments.evaluate --split=test writes" in line


def test_a_seed_of_another_protocol_is_refused(tmp_path, runs, capsys):
    write_run(tmp_path / "many" / "seed_1", ranks_of(1))
    write_run(tmp_path / "many" / "seed_2", ranks_of(2), about={"protocol": "released"})
    assert "seed_2 cannot be compared: they differ in protocol" in refused(capsys, runs[0], tmp_path / "many")


def test_quiet_prints_nothing_and_a_comparison_may_be_replaced(tmp_path, runs, capsys):
    compared(tmp_path, *runs)
    assert compared(tmp_path, *runs[:2])["runs"].keys() == {"one", "two"}
    assert capsys.readouterr() == ("", "")


def test_nothing_is_written_when_drawing_fails(tmp_path, runs, monkeypatch):
    before = compared(tmp_path, *runs)

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(compare, "plot_differences", fail)
    with pytest.raises(RuntimeError):
        call(*runs[:2], FAST, f"--output_dir={tmp_path}/compared")
    assert read_json(tmp_path / "compared" / "compare.json") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compared", "one", "three", "two"]


def test_help_describes_every_flag(capsys):
    assert call("--help") == 0
    out = capsys.readouterr().out
    assert out.startswith("Compare evaluated runs with a baseline")
    assert all(f"{name}" in out for name in compare.FLAGS)
    assert "None" not in out


def test_the_command_starts_without_tensorflow():
    code = "import sys, experiments.compare; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
