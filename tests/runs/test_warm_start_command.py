"""`train --init_from`: what a user types, sees and gets."""

import re

import numpy as np
import pytest
from conftest import call, refused

from nmtr_tf.cli import train
from nmtr_tf.runs import Run
from runs.grown_shop import tables_of

TINY = ["--embedding_dim=8", "--num_layers=2", "--num_epochs=1", "--steps_per_call=1", "--ks=5,10"]
TINY += ["--monitor=NDCG@10"]


@pytest.mark.slow
def test_train_goes_on_and_says_what_it_kept(folder, tmp_path, capsys):
    flags = [f"--dataset_dir={folder}/after", f"--init_from={folder}/gmf", "--method=nmtr_gmf", *TINY]
    assert call(train, *flags, f"--workdir={tmp_path}/more", "--learning_rate=1e-6") == 0
    out = capsys.readouterr().out
    run, before = Run(tmp_path / "more"), Run(folder / "gmf")
    report = run.info.init_from or {}
    users = report["users"]
    said = f"users {users['kept']} kept, {users['new']} new, {users['dropped']} dropped; items "
    assert f"Started from {folder}/gmf: {said}" in out
    assert "The optimizer's state starts new." in out
    assert report["run"] == str(folder / "gmf")
    assert report["behaviors"]["kept"] == ["view", "cart", "buy"]
    assert run.is_finished
    # One epoch of steps of 1e-6 leaves the rows where they were learned.
    (ids, _), (old_ids, _) = run.ids(), before.ids()
    _, rows, old_rows = np.intersect1d(ids, old_ids, return_indices=True)
    learned, now = (tables_of(one.model)["buy"][0] for one in (before, run))
    np.testing.assert_allclose(now[rows], learned[old_rows], atol=1e-4)
    assert np.abs(learned).max() > 0.05


def test_each_seed_starts_from_the_same_run(folder, tmp_path, untrained, capsys):
    flags = [f"--dataset_dir={folder}/after", f"--init_from={folder}/gmf", "--method=nmtr_gmf", *TINY]
    assert call(train, *flags, f"--workdir={tmp_path}/runs", "--seeds=1,2", "--quiet") == 0
    runs = [Run(tmp_path / "runs" / f"seed_{seed}") for seed in (1, 2)]
    assert runs[0].info.init_from == runs[1].info.init_from
    one, two = (tables_of(run.model)["buy"][1] for run in runs)
    kept = np.isin(runs[0].ids()[1], Run(folder / "gmf").ids()[1])
    np.testing.assert_array_equal(one[kept], two[kept])
    assert np.abs(one[~kept] - two[~kept]).max() > 1e-3  # fresh rows follow the seed
    plain = [flag for flag in flags if "init_from" not in flag]
    printed = refused(capsys, train, *plain, f"--workdir={tmp_path}/runs", "--seeds=1,2,3")
    assert f"init_from is '{folder}/gmf' there and None here" in printed
    spelled = [*plain, f"--init_from={folder}/../{folder.name}/gmf"]
    assert call(train, *spelled, f"--workdir={tmp_path}/runs", "--seeds=1,2,3", "--quiet") == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--init_from={folder}/before"], "expected the directory of a finished run"),
        (["--init_from={folder}/nowhere"], "expected the directory of a finished run"),
        (["--embedding_dim=16"], "embedding_dim should be the same in both runs; it is 8 there and 16 here"),
        (["--noshare_embeddings"], "share_embeddings should be the same"),
        (
            ["--units=gmf,neumf,neumf"],
            "the unit of 'view' should be the same in both runs; it is neumf there",
        ),
        (["--method=nmtr_gmf"], "the unit of 'view' should be the same"),
        (["--tower_width=16"], "the tower's widths should be the same in both runs; it is (8, 4) there"),
        (["--num_layers=1"], "the tower's widths should be the same"),
        (["--workdir={folder}/neumf", "--overwrite"], "is the run to be written"),
    ],
)
def test_train_refuses_in_one_line(folder, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    usual = [f"--dataset_dir={folder}/after", f"--init_from={folder}/neumf", "--workdir=w", *TINY]
    assert call(train, *usual, *(flag.format(folder=folder) for flag in flags)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"error: --init_from=.*\n", printed.err)
    assert message in printed.err
    assert not list(tmp_path.iterdir())
    assert Run(folder / "neumf").is_finished
