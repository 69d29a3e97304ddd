"""What commands do on consoles that are not UTF-8, on full disks, and where nobody reads them."""

import contextlib
import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import call, refused
from serving.conftest import prepared_run

from cli.conftest import TINY
from nmtr_tf.cli import audit, compare, evaluate, export, prepare, recommend, train
from nmtr_tf.cli import main as program
from nmtr_tf.cli.console import exit_status, progress_bar
from nmtr_tf.cli.flags import new_flags
from nmtr_tf.errors import InputError
from nmtr_tf.runs.directory import RunDirectory

ROOT = Path(__file__).parent.parent.parent


class Terminal(io.TextIOWrapper):
    """A console of a given encoding that refuses what that lacks, as Python opens it."""

    def __init__(self, encoding: str):
        super().__init__(io.BytesIO(), encoding, "strict", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


@contextlib.contextmanager
def western() -> Iterator[tuple[Terminal, Terminal]]:
    """Standard output and error become those of a console of Western Europe."""
    out, err = Terminal("cp1252"), Terminal("cp1252")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


PREPARE = ["--source=log", "--behaviors=看,购买", "--overwrite"]


@pytest.fixture(scope="module")
def tea_log(tmp_path_factory) -> Path:
    """A log of users, items and behaviors that no console of Western Europe can show."""
    folder = tmp_path_factory.mktemp("茶")
    rows = [f"用户{u},茶壶{i},{name}" for u in range(6) for i in range(u, u + 5) for name in ("看", "购买")]
    (folder / "log.csv").write_text("\n".join(["user,item,behavior", *rows, ""]), encoding="utf-8")
    items = "\n".join(["id,title", *(f"茶壶{i},一个 №{i}" for i in range(11)), ""])
    (folder / "items.csv").write_text(items, encoding="utf-8")
    return folder / "log.csv"


@pytest.fixture(scope="module")
def tea_run(tea_log) -> Path:
    """A run on it, and the rule popularity, evaluated; the data set is beside them."""
    folder = tea_log.parent
    run = prepared_run(folder, *PREPARE, f"--input={tea_log}")
    assert call(evaluate, f"--workdir={run}", "--quiet") == 0
    rule = [
        "--baselines=popularity",
        f"--dataset_dir={folder}/data",
        f"--output_dir={folder}/rules",
        "--mask=target",
    ]
    assert call(evaluate, *rule, "--quiet") == 0
    return run


@pytest.mark.parametrize(
    ("command", "flags", "shown"),
    [
        (prepare, [*PREPARE, "--input={folder}/log.csv", "--dataset_dir={folder}/again"], "??#"),
        (
            train,
            ["--dataset_dir={folder}/data", "--workdir={folder}/x", "--method=bpr", *TINY],
            "/?0/data",
        ),
        (evaluate, ["--workdir={folder}/run"], "<5 ??"),
        (
            recommend,
            ["--workdir={folder}/run", "--k=2", "--items={folder}/items.csv"],
            "For ??0, who did 5 ?",
        ),
        (audit, ["--dataset_dir={folder}/data"], "users without a negative for '??'"),
        (compare, ["{folder}/run", "{folder}/rules/popularity"], "Difference from run"),
    ],
    ids=["prepare", "train", "evaluate", "recommend", "audit", "compare"],
)
def test_a_console_that_lacks_characters_shows_others(tea_run, command, flags, shown):
    with western() as (out, err):
        assert call(command, *(flag.format(folder=tea_run.parent) for flag in flags)) == 0
        assert shown in out.shown
    assert "error" not in err.shown


def test_errors_and_bars_are_shown_there_too():
    def work() -> None:
        values = new_flags()
        values.mark_as_parsed()
        with progress_bar(values, 2, " 人", desc="茶壶") as bar:
            bar.update(2)
            bar.refresh()
        raise InputError("`茶壶` is no behavior.")

    with western() as (_, err):
        assert exit_status(work) == 2
        assert "??: 100%" in err.shown
        assert err.shown.endswith("error: `??` is no behavior.\n")


def test_in_a_process_of_its_own(tea_log, tmp_path):
    flags = [*PREPARE, f"--input={tea_log}", f"--dataset_dir={tmp_path}/茶"]
    finished = subprocess.run(
        [sys.executable, "-m", "experiments.prepare", *flags],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert f"Written to {tmp_path}/?/" in finished.stdout.decode("cp1252")
    assert "茶壶" not in finished.stdout.decode("cp1252")
    assert "购买" in (tmp_path / "茶" / "dataset.json").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is of Linux")
@pytest.mark.parametrize("arguments", [[], ["prepare", "--help"]])
def test_a_full_disk_below_standard_output(capsys, arguments):
    with contextlib.suppress(OSError), open("/dev/full", "w") as full, contextlib.redirect_stdout(full):
        assert program.main(["nmtr", *arguments]) == 2
    assert capsys.readouterr().err == "error: standard output: No space left on device\n"


RECOMMEND = ["--workdir={run}", "--all_users", "--k=9"]
TABLES = ("recs.csv", "recs.parquet", "recs.jsonl")


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """Called, it lets no file get larger than so many bytes, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("command", "flags", "where"),
    [
        (prepare, ["--source=synthetic", "--dataset_dir={out}/data"], "{out}/data"),
        (
            evaluate,
            ["--baselines=popularity", "--dataset_dir={data}", "--output_dir={out}"],
            "{out}/popularity/ranks_test.parquet",
        ),
        (evaluate, ["--workdir={run}", "--split=validation"], "{run}/ranks_validation.parquet"),
        *((recommend, [*RECOMMEND, f"--output={{out}}/{name}"], f"{{out}}/{name}") for name in TABLES),
        (export, ["--workdir={run}", "--export_dir={out}"], "{out}/1"),
        (audit, ["--dataset_dir={data}", "--output_dir={out}"], "{out}/audit.png"),
    ],
)
def test_a_full_disk(workdir, shop_dir, tmp_path, capsys, full_disk, command, flags, where):
    names = {"out": tmp_path / "out", "data": shop_dir, "run": workdir}
    before = set(workdir.iterdir())
    full_disk(600)
    line = refused(capsys, command, *(flag.format(**names) for flag in flags), "--quiet")
    assert line == f"error: {where.format(**names)}: File too large\n"
    assert not [path for path in names["out"].rglob("*") if not path.is_dir()]
    assert set(workdir.iterdir()) == before


@pytest.mark.parametrize(
    ("size", "where"), [(600, "run.json"), (1200, "config.json"), (3000, "checkpoints/best.keras")]
)
def test_a_full_disk_while_a_run_is_trained(shop_dir, tmp_path, capsys, full_disk, size, where):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", "--method=bpr", *TINY, "--quiet"]
    full_disk(size)
    assert refused(capsys, train, *flags) == f"error: {tmp_path}/run/{where}: File too large\n"
    assert not list((tmp_path / "run").glob("checkpoints/*"))
    assert not RunDirectory(tmp_path / "run").is_finished


LESS = (
    "; choose a smaller model or batch (--embedding_dim, --batch_size, --num_negatives), "
    "or a machine with more."
)


@pytest.mark.slow
def test_memory_that_is_lacking_is_one_line(shop_dir, tmp_path, capsys):
    flags = [
        f"--dataset_dir={shop_dir}",
        f"--workdir={tmp_path}/run",
        "--embedding_dim=2000000000",
        "--quiet",
    ]
    line = refused(capsys, train, *flags)
    assert line.startswith("error: out of memory: OOM when allocating tensor with ")
    assert line.endswith(f"{LESS}\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("error", "said"), [(MemoryError(), ""), (MemoryError("a b\nc"), ": a b c")])
def test_memory_that_is_lacking_may_have_no_words(capsys, error, said):
    def action():
        raise error

    assert exit_status(action) == 2
    assert capsys.readouterr().err == f"error: out of memory{said}{LESS}\n"


def test_another_error_is_a_defect_and_keeps_its_traceback():
    def action():
        raise RuntimeError("of our own")

    with pytest.raises(RuntimeError, match="of our own"):
        exit_status(action)
