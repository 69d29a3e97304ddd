"""What `overwrite` replaces stands until the new run does; one writes at a time; leftovers do no harm."""

import dataclasses
import json
import os

import keras
import pytest

import nmtr_tf as nt
from nmtr_tf.errors import InputError
from nmtr_tf.locks import held
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.final import Origin
from runs.conftest import QUICK

DIVERGES = {**QUICK, "method": "gmf", "learning_rate": 1e30, "batch_size": 64}


def contents(root) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def finished(shop, tmp_path, untrained):
    return nt.fit(shop, workdir=tmp_path / "run", **QUICK).workdir


def test_a_training_that_diverges_leaves_the_finished_run(stored, workdir, shop):
    before = contents(workdir.parent)
    message = r"The loss of buy is .*\. The finished run in .*run stays as it was\."
    with pytest.raises(InputError, match=message):
        nt.fit(shop, workdir=workdir, overwrite=True, **DIVERGES)
    assert contents(workdir.parent) == before
    assert nt.Run(workdir).info == stored.info


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_training_that_is_broken_off_leaves_the_finished_run(workdir, shop, error):
    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            assert contents(workdir) == before  # nor is it touched meanwhile
            raise error

    before = contents(workdir)
    with pytest.raises(error):
        nt.fit(shop, workdir=workdir, overwrite=True, callbacks=[Fail()], **QUICK)
    assert contents(workdir) == before
    assert os.listdir(workdir.parent) == ["run"]


def test_a_new_run_takes_the_place_of_all_of_the_old_one(workdir, shop, untrained):
    assert (workdir / "metrics_test.json").exists()
    run = nt.fit(shop, workdir=workdir, overwrite=True, **QUICK)
    assert not (workdir / "metrics_test.json").exists()
    assert run.workdir == workdir
    assert run.directory is not None
    assert run.directory.best_checkpoint.parent == workdir / "checkpoints"
    assert run.dataset.directory == workdir / "dataset"
    again = nt.Run(workdir)
    assert again.config.data.dataset_dir == str(workdir / "dataset")
    assert again.dataset.fingerprint == shop.fingerprint
    assert os.listdir(workdir.parent) == ["run"]


def test_a_run_that_was_replaced_since_it_was_opened_is_not_taken_for_the_new_one(finished, shop):
    ranking, lazy = nt.Run(finished), nt.Run(finished)
    ranking.model  # noqa: B018  # an evaluation that has begun
    nt.fit(shop, workdir=finished, overwrite=True, **{**QUICK, "method": "gmf"})
    before = contents(finished)
    with pytest.raises(InputError, match="run` holds another run than the one that was opened"):
        ranking.evaluate()
    with pytest.raises(InputError, match="run` holds another run than the one that was opened"):
        lazy.recommend(k=3)
    assert contents(finished) == before
    assert len(nt.Run(finished).evaluate()) > 0


def test_an_evaluation_on_other_data_is_not_the_runs(workdir):
    path = workdir / "metrics_test.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps(entries | {"dataset_fingerprint": "f" * 64}))
    with pytest.raises(InputError, match="evaluated on another data set than the run was trained on"):
        nt.Run(workdir).evaluation()
    with pytest.raises(InputError, match="evaluated on another data set than the run was trained on"):
        Origin.of(workdir)


def test_the_data_set_in_a_run_stays_when_it_is_trained_on_again(finished, untrained):
    dataset = nt.Dataset.load(finished / "dataset")
    before = contents(dataset.directory)
    run = nt.fit(dataset, workdir=finished, overwrite=True, **QUICK)
    assert contents(finished / "dataset") == before
    assert run.config.data.dataset_dir == str(finished / "dataset")


def test_a_run_that_another_writes_is_refused(finished, shop, tmp_path, untrained):
    for name in ("run", "new"):
        with held(tmp_path / name), pytest.raises(InputError, match=f"{name} is being written by process"):
            nt.fit(shop, workdir=tmp_path / name, overwrite=True, **QUICK)
    assert nt.Run(finished).is_finished
    assert not (tmp_path / "new").exists()


def test_a_run_that_another_finished_meanwhile_is_not_cleared(finished, monkeypatch):
    answers = iter([False])  # before the lock was there; then True
    monkeypatch.setattr(RunDirectory, "is_finished", property(lambda _: next(answers, True)))
    with pytest.raises(InputError, match="holds a finished run"), RunDirectory(finished).writing(False):
        pass


@pytest.mark.parametrize("name", [".nmtr-123.curves.png", ".nmtr-lock"])
def test_what_a_killed_process_left_is_swept(shop, tmp_path, untrained, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).touch()
    nt.fit(shop, workdir=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run" / name).exists()


@pytest.mark.parametrize("name", [".notes", ".run.json", ".run.1.json", "notes.txt"])
def test_what_is_not_ours_is_not(shop, tmp_path, untrained, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).touch()
    with pytest.raises(InputError, match="should be a new directory or that of a run"):
        nt.fit(shop, workdir=tmp_path / "run", **QUICK)


def test_a_cut_replacement_is_finished_by_whoever_opens_the_run(finished, tmp_path):
    finished.rename(tmp_path / ".nmtr-next.run")
    old = tmp_path / ".nmtr-old.run"
    old.mkdir()
    assert nt.Run(tmp_path / "run").is_finished
    assert os.listdir(tmp_path) == ["run"]


def test_data_sets_are_replaced_in_the_same_way(shop, tmp_path, monkeypatch):
    stored = shop.save(tmp_path / "data")
    before = contents(tmp_path)

    def killed(*_, **__):
        raise KeyboardInterrupt

    other = dataclasses.replace(shop, protocol="released")
    with monkeypatch.context() as patched:
        patched.setattr("nmtr_tf.data.storage.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            other.save(stored.directory, overwrite=True)
    assert contents(tmp_path) == before
    other.save(stored.directory, overwrite=True)
    (tmp_path / "data").rename(tmp_path / ".nmtr-next.data")
    assert nt.Dataset.load(tmp_path / "data").protocol == "released"
