"""Where nothing more can be written, a command says so in one line, names it, and leaves nothing behind.

A limit on the size of files stands for a disk that is full.
"""

import contextlib
import errno
import os
import resource
import shutil

import keras
import pytest
from conftest import call

import nmtr_tf as nt
from nmtr_tf.cli import audit, compare, evaluate, export, prepare, recommend, report, sample, train
from runs.conftest import QUICK

TINY = ("--embedding_dim=4", "--num_epochs=1", "--batch_size=4096", "--ks=5", "--monitor=HR@5")

COMMANDS = {
    "prepare": (prepare, "--source=synthetic", "--dataset_dir={out}/data"),
    "sample": (sample, "{out}/events.csv"),
    "train": (train, "--dataset_dir={run}/dataset", "--workdir={out}/run", "--method=bpr", *TINY),
    "evaluate": (evaluate, "--workdir={out}/copy"),
    "recommend": (recommend, "--workdir={run}", "--all_users", "--output={out}/recs.csv"),
    "export": (export, "--workdir={run}", "--export_dir={out}/models"),
    "report": (report, "--workdir={run}", "--output={out}/report.html"),
    "compare": (compare, "{run}", "{out}/copy", "--output_dir={out}/compared"),
    "audit": (audit, "--dataset_dir={run}/dataset", "--output_dir={out}/audit"),
}


@contextlib.contextmanager
def largest_file(size: int):
    """No file that is written here gets larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(root) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "size"), [(name, 100) for name in COMMANDS] + [("train", 12000), ("export", 12000)]
)
def test_a_full_disk_is_one_line(stored, tmp_path, capsys, name, size):
    command, *flags = COMMANDS[name]
    out = tmp_path / "out"
    out.mkdir()
    if "{out}/copy" in " ".join(map(str, flags)):
        shutil.copytree(stored.workdir, out / "copy")
    before = files(out)
    with largest_file(size):
        status = call(command, *[flag.format(run=stored.workdir, out=out) for flag in flags])
    printed = capsys.readouterr().err
    assert status == 2
    assert printed.startswith(f"error: {out}/")
    assert printed.endswith(f": {os.strerror(errno.EFBIG)}\n")
    assert printed.count("\n") == 1
    if (name, size) == ("train", 12000):  # which says what became of it
        assert nt.Run(out / "run").info.status == "failed"
        assert not list((out / "run" / "checkpoints").iterdir())
        shutil.rmtree(out / "run")
    assert files(out) == before


def test_a_best_checkpoint_is_replaced_by_a_whole_one_alone(shop, tmp_path, monkeypatch):
    save, wholes = keras.Model.save, list[bytes]()

    def save_once(model, path):
        if wholes:
            path.write_bytes(wholes[0][:1000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(model, path)
        wholes.append(path.read_bytes())

    monkeypatch.setattr(keras.Model, "save", save_once)
    options = {**QUICK, "num_epochs": 5, "learning_rate": 0.001}
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as error:
        nt.fit(shop, workdir=tmp_path / "run", **options)
    checkpoints = tmp_path / "run" / "checkpoints"
    assert str(error.value.filename).startswith(str(checkpoints))
    left = {name: content for name, content in files(checkpoints).items() if not name.startswith("training/")}
    assert left == {"best.keras": wholes[0]}


def test_a_full_disk_leaves_the_finished_run_that_was_to_be_replaced(workdir, capsys):
    before = files(workdir.parent)
    flags = [f"--dataset_dir={workdir}/dataset", f"--workdir={workdir}", "--method=bpr", *TINY, "--overwrite"]
    with largest_file(12000):
        assert call(train, *flags) == 2
    assert capsys.readouterr().err == f"error: {workdir}: {os.strerror(errno.EFBIG)}\n"
    assert files(workdir.parent) == before


def test_a_directory_that_vanishes_is_named(shop, tmp_path):
    class Vanish(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(FileNotFoundError) as error:
        nt.fit(shop, workdir=tmp_path / "run", callbacks=[Vanish()], **QUICK)
    assert str(error.value.filename).startswith(str(tmp_path / "run"))
