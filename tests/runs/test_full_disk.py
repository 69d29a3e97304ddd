"""Where nothing more can be written, a command says so in one line, names it, and leaves nothing behind.

A limit on the size of files stands for a disk that is full.
"""

import contextlib
import errno
import os
import resource
import shutil
import tempfile
from pathlib import Path

import keras
import pytest
from conftest import call

import nmtr_tf as nt
from nmtr_tf.cli import (
    audit,
    compare,
    evaluate,
    export,
    figures,
    prepare,
    recommend,
    report,
    sample,
    tables,
    train,
    tune,
)
from runs.conftest import QUICK

TINY = ("--embedding_dim=4", "--num_epochs=1", "--batch_size=4096", "--ks=5", "--monitor=HR@5")
STUDY = ("--dataset_dir={run}/dataset", "--workdir={out}/w")

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
    "tune": (tune, "--dataset_dir={run}/dataset", "--workdir={out}/w", "--method=gmf", "--trials=1", *TINY),
    "tables": (tables, "--table=3", "--methods=bpr", "--flags_dir=none", *STUDY, *TINY),
    "figures": (figures, "--figure=2", "--flags_dir=none", *STUDY, *TINY),
}
RUNS = {"train": "run", "tables": "w/runs/strict/bpr"}
"""Where a command trains."""


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
    ("name", "size"),
    [(name, 100) for name in COMMANDS] + [(name, 12000) for name in ("train", "export", "tune", "tables")],
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
    # SQLite does not tell a limit of sizes from a fault of the disk.
    number = errno.EIO if name == "tune" else errno.EFBIG
    assert printed.endswith(f": {os.strerror(number)}\n")
    assert printed.count("\n") == 1
    if size == 12000 and name in RUNS:  # which says what became of it
        run = out / RUNS[name]
        assert nt.Run(run).info.status == "failed"
        assert not list((run / "checkpoints").iterdir())
        shutil.rmtree(run)
        (out / "w" / "workdir.json").unlink(missing_ok=True)
    search = (*(out / "w" / "tune").rglob("events*"), *(out / "w" / "tune").rglob(".locks"))
    for whole in search:  # the events of before, and the lock of a search
        shutil.rmtree(whole) if whole.is_dir() else whole.unlink(missing_ok=True)
    assert files(out) == before


@pytest.fixture
def readable(stored):
    """A folder with a run, in which the user who runs the test may read and not write."""
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(stored.workdir, folder / "run")
    (folder / "out").mkdir()
    shutil.copytree(stored.workdir, folder / "out" / "copy")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    os.seteuid(user or 65534)  # to the system's administrator nothing is read-only
    try:
        yield folder
    finally:
        os.seteuid(user)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", COMMANDS)
def test_where_nothing_may_be_written_is_one_line(readable, capsys, name):
    command, *flags = COMMANDS[name]
    before = files(readable)
    names = {"run": readable / "run", "out": readable / "out"}
    status = call(command, *[flag.format(**names) for flag in flags])
    printed = capsys.readouterr().err
    assert status == 2
    assert printed.startswith(f"error: {readable}/out")
    assert printed.endswith(f": {os.strerror(errno.EACCES)}\n")
    assert printed.count("\n") == 1
    assert files(readable) == before


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
