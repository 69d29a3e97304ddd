"""A run directory is a run's alone: nothing that no run wrote is ever replaced or removed there."""

import os
from pathlib import Path

import keras
import pytest
from conftest import refused

import nmtr_tf as nt
from nmtr_tf.cli import train
from nmtr_tf.errors import InputError
from nmtr_tf.files import write_json
from nmtr_tf.runs import own_files
from runs.conftest import QUICK
from runs.test_replacing import contents

THEIRS = (
    *("users.parquet", "items.parquet", "config.json", "metrics.jsonl", "curves.png", "report.html"),
    *("metrics_2023.json", "metrics_test.json", "ranks_old.parquet", ".notes.1.txt", "notes.txt"),
    *("events/2024-01.csv", "checkpoints/best.keras", "evaluated/all.csv", "dataset/log.csv"),
)
FOREIGN = (
    *("metrics_2023.json", "ranks_old.parquet", ".run.1.json", "notes.txt", "mine/notes.txt"),
    *("events/2024-01.csv", "events/mine/1.csv", "checkpoints/old.keras", "checkpoints/training/notes.txt"),
    *("evaluated/all.csv", "dataset/log.csv", "baselines/notes.txt", "baselines/ease/notes.txt"),
    "baselines/ease/mine/metrics_test.json",
)


def put(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("mine")


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": "never"}, {"resume": "force"}])
@pytest.mark.parametrize("name", THEIRS)
def test_without_a_run_nothing_is_a_runs(shop, tmp_path, untrained, name, options):
    put(tmp_path / "run", name)
    before = contents(tmp_path)
    first = name.split("/")[0]
    with pytest.raises(InputError, match=rf"should be a new directory .*; name another one\. Found: {first}"):
        nt.fit(shop, workdir=tmp_path / "run", **QUICK, **options)
    assert contents(tmp_path) == before


def test_all_are_named_in_one_line(shop, tmp_path, untrained):
    put(tmp_path, "events/2024-01.csv", "items.parquet", "users.parquet", *"defg")
    with pytest.raises(InputError) as error:
        nt.fit(shop, workdir=tmp_path, **QUICK)
    assert str(error.value).endswith("Found: d, e, events, f, g and 2 more.")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "entries", [["finished"], {}, {"status": "finished"}, {"method": "GET", "status": 200}]
)
def test_a_file_of_that_name_makes_no_run(shop, tmp_path, untrained, entries):
    write_json(tmp_path / "run.json", entries)
    put(tmp_path, "users.parquet")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"Found: run\.json, users\.parquet\."):
        nt.fit(shop, workdir=tmp_path, overwrite=True, **QUICK)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("status", ["finished", "running"])
@pytest.mark.parametrize("name", FOREIGN)
def test_in_a_run_only_what_it_wrote_is(workdir, shop, untrained, name, status):
    if status == "running":
        entries = nt.Run(workdir).info.to_json()
        write_json(workdir / "run.json", {**entries, "status": "running"})
    put(workdir, name)
    before = contents(workdir.parent)
    with pytest.raises(InputError, match=r"should be a new directory or that of a run, with nothing else"):
        nt.fit(shop, workdir=workdir, overwrite=True, **QUICK)
    assert contents(workdir.parent) == before


def test_all_that_commands_write_is_a_runs(workdir, untrained, shop):
    run = nt.Run(workdir)
    run.evaluate("validation")
    run.evaluation("validation").save(workdir / "evaluated")
    put(workdir, "report.html", "dataset/audit.json", "dataset/audit.png", "checkpoints/training/1-a.npz")
    assert own_files.foreign(workdir) == []
    nt.fit(shop, workdir=workdir, overwrite=True, **QUICK)
    assert not (workdir / "report.html").exists()


def test_what_is_put_there_meanwhile_stays(workdir, shop):
    class Put(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            put(workdir, "notes.txt", "events/mine.csv", "mine/notes.txt")

    nt.fit(shop, workdir=workdir, overwrite=True, callbacks=[Put()], **QUICK)
    assert nt.Run(workdir).info.method == "bpr"
    assert own_files.foreign(workdir) == ["events/mine.csv", "mine", "notes.txt"]
    assert (workdir / "mine" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["run.json", "config.json", "users.parquet"])
def test_a_run_that_is_killed_at_its_first_files_begins_again(shop, tmp_path, untrained, monkeypatch, name):
    replace = os.replace

    def killed(source, target):
        if Path(target) == tmp_path / "run" / name:
            raise SystemExit
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(SystemExit):
            nt.fit(shop, workdir=tmp_path / "run", **QUICK)
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {"run.json", "config.json", "checkpoints"}
    assert nt.fit(shop, workdir=tmp_path / "run", **QUICK).is_finished


def test_several_seeds_are_refused_before_the_first_is_trained(stored, tmp_path, capsys):
    put(tmp_path / "out" / "seed_1", "users.parquet")
    put(tmp_path / "out", "notes.txt")  # beside the runs nothing is anybody's business
    before = contents(tmp_path)
    flags = [f"--dataset_dir={stored.workdir}/dataset", f"--workdir={tmp_path}/out", "--seeds=0,1"]
    assert "seed_1 should be a new directory" in refused(capsys, train, *flags, "--overwrite")
    assert contents(tmp_path) == before


def test_evaluations_of_baselines_go_with_the_run(workdir, shop, untrained):
    found = nt.evaluate_baseline(shop, "popularity", config=nt.EvaluationConfig(ks=(5,)))
    found.save(workdir / "baselines" / "popularity")
    assert own_files.foreign(workdir) == []
    nt.fit(shop, workdir=workdir, overwrite=True, **QUICK)
    assert not (workdir / "baselines").exists()
