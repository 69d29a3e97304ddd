"""`compare`: what a user types, sees and gets."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import call, refused
from matplotlib.image import imread

from nmtr_tf.cli import compare
from nmtr_tf.evaluation.metrics import ndcg
from nmtr_tf.evaluation.significance import compare_paired
from nmtr_tf.files import read_json
from runs.evaluations import NUM_USERS, means, ranks_of, write_run

FAST = "--num_resamples=200"


@pytest.fixture
def runs(tmp_path):
    return [write_run(tmp_path / name, ranks_of(seed)) for seed, name in enumerate(("one", "two", "three"))]


def compared(tmp_path, *arguments) -> dict:
    assert call(compare, *arguments, FAST, "--quiet", f"--output_dir={tmp_path}/compared") == 0
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
    mean = means(ranks_of(2))["HR@5"]
    assert content["runs"]["three"]["metrics"]["HR@5"] == {"mean": mean, "seed_stddev": None}


def test_picture(tmp_path, runs):
    compared(tmp_path, *runs, "--metric=HR@5")
    assert imread(tmp_path / "compared" / "compare.png").shape[:2] == (300, 864)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compared", "one", "three", "two"]


def test_tables(runs, capsys):
    assert call(compare, *runs, FAST) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"test, protocol strict, mask target, {NUM_USERS} users"
    assert lines[1].split() == ["one", "two", "three"]
    assert lines[3].split() == ["HR@5", *(f"{means(ranks_of(seed))['HR@5']:.4f}" for seed in range(3))]
    assert "Difference from one, paired by user" in lines
    assert sum("NDCG@10" in line for line in lines) == 1 + 2
    assert "permutation, Holm" in "\n".join(lines)


def test_two_runs_need_no_correction(runs, capsys):
    assert call(compare, *runs[:2], FAST) == 0
    assert "Holm" not in capsys.readouterr().out


def test_seeds_are_shown_with_their_standard_deviation(tmp_path, runs, capsys):
    for seed in (10, 2, 1):
        write_run(tmp_path / "many" / f"seed_{seed}", ranks_of(seed))
    many = compared(tmp_path, runs[0], tmp_path / "many")["runs"]["many"]
    assert many["seeds"] == [1, 2, 10]
    values = np.array([ndcg(ranks_of(seed), 10).mean() for seed in (1, 2, 10)])
    assert many["metrics"]["NDCG@10"]["seed_stddev"] == pytest.approx(np.std(values, ddof=1))
    assert call(compare, runs[0], tmp_path / "many", FAST) == 0
    out = capsys.readouterr().out
    assert "(mean ± standard deviation over seeds)" in out
    assert f"{values.mean():.4f} ± {np.std(values, ddof=1):.4f}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/one"], "at least two runs to compare. Received: 1"),
        ([], "at least two runs"),
        (["{tmp}/one", "{tmp}/nowhere"], "nowhere: no such directory"),
        (["{tmp}/one", "{tmp}/two", "--baseline=four"], "one of the runs, one, two. Received: 'four'"),
        (
            ["{tmp}/one", "{tmp}/two", "--metric=NDCG@7"],
            "one of HR@5, NDCG@5, HR@10, NDCG@10. Received: 'NDCG@7'",
        ),
        (["{tmp}/one", "{tmp}/two", "--ks=five"], "--ks should be whole numbers"),
        (["{tmp}/one", "{tmp}/two", "--ks=0"], "--ks should be positive"),
        (["{tmp}/one", "{tmp}/two", "--split=validation"], "which evaluate writes with --split=validation"),
        (["{tmp}/one", "{tmp}/two", "--num_resamples=5"], "num_resamples"),
        (["{tmp}/one", "{tmp}/two", "--output_dir={tmp}"], "--output_dir"),
        (["{tmp}/one", "{tmp}/two", "--output_dir={tmp}/one/metrics_test.json"], "--output_dir"),
        (["{tmp}/one", "{tmp}/two", "--colour=red"], "colour"),
    ],
)
def test_refused_arguments(tmp_path, runs, capsys, arguments, message):
    files = sorted(tmp_path.rglob("*"))
    line = refused(capsys, compare, *(argument.format(tmp=tmp_path) for argument in arguments), FAST)
    assert message in line
    assert sorted(tmp_path.rglob("*")) == files


def test_runs_that_do_not_fit_leave_nothing(tmp_path, runs, capsys):
    write_run(runs[1], ranks_of(1), about={"protocol": "released"})
    line = refused(capsys, compare, *runs, FAST, f"--output_dir={tmp_path}/compared")
    assert "two cannot be compared: they differ in protocol" in line
    assert not (tmp_path / "compared").exists()


def test_a_file_with_a_broken_middle_is_refused(runs, capsys):
    path = runs[1] / "ranks_test.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    assert str(path) in refused(capsys, compare, *runs, FAST)


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
        call(compare, *runs[:2], FAST, f"--output_dir={tmp_path}/compared")
    assert read_json(tmp_path / "compared" / "compare.json") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compared", "one", "three", "two"]


def test_help_describes_every_flag(capsys):
    assert call(compare, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith("Compare evaluated runs with a baseline")
    assert all(f"{name}" in out for name in compare.FLAGS)
    assert "None" not in out


def test_neither_the_command_nor_a_comparison_needs_tensorflow():
    code = "import sys, nmtr_tf.cli.compare, nmtr_tf.runs.comparison; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
