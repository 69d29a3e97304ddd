"""Several cuts of one log, from prepare to the pooled metrics."""

import dataclasses
import shutil

import numpy as np
import pytest
from conftest import call, refused

import nmtr_tf as nt
from nmtr_tf.cli import audit, compare, evaluate, prepare, recommend, report, sample, train
from nmtr_tf.evaluation.baselines.table import BASELINES
from nmtr_tf.evaluation.results import Evaluation

CUTS = ("2024-01-15", "2024-01-20", "2024-01-25")
NAMES = [f"cut_{cut}" for cut in CUTS]
TINY = ("--method=nmtr_gmf", "--embedding_dim=4", "--num_epochs=2", "--quiet")


@pytest.fixture(scope="module")
def cuts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuts")
    assert call(sample, f"{folder}/events.csv", "--num_users=120", "--quiet") == 0
    flags = [f"--input={folder}/events.csv", "--source=log", "--behaviors=view,cart,buy", "--split=time"]
    assert call(prepare, *flags, f"--split_time={','.join(CUTS)}", f"--dataset_dir={folder}/data") == 0
    return folder / "data"


def test_prepare_writes_a_data_set_for_each_and_says_what_is_tested(cuts, capsys):
    assert sorted(path.name for path in cuts.iterdir()) == NAMES
    flags = [f"--input={cuts.parent}/events.csv", "--source=log", "--behaviors=view,cart,buy", "--split=time"]
    flags += [f"--split_time={','.join(CUTS)}", f"--dataset_dir={cuts}"]
    assert "replace it with --overwrite" in refused(capsys, prepare, *flags)
    assert call(prepare, *flags, "--overwrite") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("cut_", "all"))}
    assert [len(row) for row in rows.values()] == [7, 7, 7, 4]  # with the users and items that are new
    rows = {name: row[3:5] if len(row) == 7 else row[2:4] for name, row in rows.items()}
    assert list(rows) == [*NAMES, "all"]
    pairs = [int(row[0]) for row in rows.values()]
    assert sum(pairs[:-1]) == pairs[-1]
    assert lines[-1] == f"Written to {cuts}/cut_*/. Protocol: time."


def test_what_does_not_go_with_several_cuts_is_one_line(cuts, tmp_path, capsys):
    flags = [f"--dataset_dir={cuts}", f"--workdir={tmp_path}/run", *TINY]
    assert "--seeds goes with one cut" in refused(capsys, train, *flags, "--seeds=0,1")
    (tmp_path / "runs" / "cut_2023-01-01").mkdir(parents=True)
    line = refused(capsys, evaluate, f"--workdir={tmp_path}/runs", f"--dataset_dir={cuts}")
    assert "has the cuts cut_2024-01-15" in line
    assert "expected those of" in line
    (tmp_path / "runs" / "cut_2023-01-01" / "run.json").write_text("{}")
    for command in (recommend, report):
        assert refused(capsys, command, f"--workdir={tmp_path}/runs") == (
            f"error: --workdir={tmp_path}/runs has a run for each cut; name one of them, such as "
            f"{tmp_path}/runs/cut_2023-01-01.\n"
        )
    line = refused(capsys, audit, f"--dataset_dir={cuts}")
    assert f"has a data set for each cut; name one of them, such as {cuts}/{NAMES[2]}." in line


def test_what_one_cut_has_not_is_not_pooled(cuts, tmp_path, capsys, monkeypatch):
    """A rule of a group that needs what the second cut lacks."""
    row = BASELINES["recency"]
    needs = (lambda dataset: "is missed" if dataset.directory.name == NAMES[1] else "",)
    monkeypatch.setitem(BASELINES._parts, "recency", dataclasses.replace(row, needs=needs))
    flags = ["--baselines=all", f"--dataset_dir={cuts}", f"--output_dir={tmp_path}/out"]
    assert call(evaluate, *flags) == 0
    pooled = capsys.readouterr().out.partition("3 cuts, ")[2]
    assert "popularity" in pooled
    assert not any(line.startswith("recency ") for line in pooled.splitlines())
    assert (tmp_path / "out" / NAMES[0] / "recency" / "metrics_test.json").is_file()


@pytest.mark.slow
def test_from_training_to_pooled_metrics(cuts, tmp_path, capsys):
    chosen, refit = tmp_path / "chosen", tmp_path / "refit"
    flags = [f"--dataset_dir={cuts}", f"--workdir={chosen}", *TINY]
    assert call(train, *flags[:-1]) == 0
    assert capsys.readouterr().out.endswith(f"Next:        nmtr train --refit_of={chosen} --workdir=...\n")
    assert call(train, f"--refit_of={chosen}", f"--workdir={refit}", "--quiet") == 0
    weights = (refit / NAMES[0] / "checkpoints" / "last.keras").stat().st_mtime_ns
    shutil.rmtree(refit / NAMES[2])  # as if it had not come to this one
    assert call(train, f"--refit_of={chosen}", f"--workdir={refit}", "--resume=never") == 0
    out = capsys.readouterr().out
    assert f"{refit}/{NAMES[0]}: finished before" in out
    assert out.endswith(f"Next:        nmtr evaluate --workdir={refit}\n")
    assert (refit / NAMES[0] / "checkpoints" / "last.keras").stat().st_mtime_ns == weights
    assert "with other settings: --num_epochs" in refused(capsys, train, *flags, "--num_epochs=3")

    assert call(evaluate, f"--workdir={refit}", "--ks=5") == 0
    found = [Evaluation.load(refit / name, "test") for name in NAMES]
    users = np.concatenate([one.users[one.places.starts] for one in found])
    values = np.concatenate([one.values("HR@5") for one in found])
    pooled = np.mean([values[users == user].mean() for user in np.unique(users)])
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[0] == "nmtr_gmf"
    assert float(last[1]) == pytest.approx(pooled, abs=5e-5)
    assert int(last[-1]) == len(np.unique(users))

    final = tmp_path / "final"
    assert call(train, f"--final_of={refit}", f"--workdir={final}") == 0
    assert f"--final_of has several cuts; this is of the last, {NAMES[2]}.\n" in capsys.readouterr().out
    fitted = nt.Run(final)
    rows = sum(matrix.nnz for matrix in fitted.view.matrices.values())
    assert rows == len(nt.Dataset.load(cuts / NAMES[2]).events)

    baselines = ["--baselines=popularity,ease", "--ks=5"]
    assert call(evaluate, f"--workdir={refit}", *baselines) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]] == ["popularity", "ease"]
    assert call(compare, f"{refit}/cut_*/baselines/ease", f"{refit}/cut_*", "--num_resamples=100") == 0
    assert f"{len(np.unique(users))} users of 3 cuts" in capsys.readouterr().out
