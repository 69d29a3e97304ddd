"""Commands that are killed (SIGKILL) again and again at seeded random moments end as if nothing had been."""

import csv
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmtr_tf.files import read_json
from runs.cut_runs import outcome, ranks_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KILLS = 20
SMALL = ["--embedding_dim=4", "--ks=5,10", "--monitor=NDCG@10", "--device=cpu"]


def start(command: str, flags: list[str], log: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", f"experiments.{command}", *flags],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
        )


def finish(command: str, flags: list[str], log: Path) -> None:
    status = start(command, flags, log).wait(timeout=600)
    text = log.read_text()
    assert status == 0 or "holds a finished run" in text, text


def kill_often(command: str, flags: list[str], folder: Path, most: float, seed: int) -> int:
    """Kills the command `KILLS` times, up to `most` seconds after its first line, then lets it end.

    Returns:
        How often it was killed before it ended.
    """
    moments, log = random.Random(seed), folder / "log"
    for count in range(KILLS):
        process = start(command, flags, log)
        while not log.stat().st_size and process.poll() is None:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, most))
        process.kill()
        if process.wait() == 0 or "finished run" in log.read_text():
            return count
    finish(command, flags, log)
    return KILLS


@pytest.mark.parametrize(
    "method",
    [
        ["--method=nmtr_neumf", "--dropout=0.3", "--num_epochs=200", "--patience=0"],
        ["--method=nmtr_gmf", "--train_mode=sequential", "--num_epochs=100", "--patience=20"],
    ],
    ids=["dropout", "sequential"],
)
def test_train(shop_dir, tmp_path, method):
    flags = [f"--dataset_dir={shop_dir}", *SMALL, *method, "--batch_size=16", "--steps_per_call=2"]
    flags += ["--checkpoint_every=4"]
    finish("train", [*flags, f"--workdir={tmp_path}/whole"], tmp_path / "log")
    count = kill_often("train", [*flags, f"--workdir={tmp_path}/killed"], tmp_path, 1.5, seed=1)
    assert count > KILLS // 2
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")
    np.testing.assert_array_equal(ranks_of(tmp_path / "killed"), ranks_of(tmp_path / "whole"))


def rows_of(workdir: Path) -> list[dict[str, str]]:
    with (workdir / "tune" / "shop" / "strict" / "gmf" / "trials.csv").open(newline="") as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


def test_tune(shop_dir, tmp_path):
    flags = [f"--dataset_dir={shop_dir}", *SMALL, "--method=gmf", "--num_epochs=4", "--trials=16"]
    finish("tune", [*flags, f"--workdir={tmp_path}/whole"], tmp_path / "log")
    count = kill_often("tune", [*flags, f"--workdir={tmp_path}/killed"], tmp_path, 4, seed=2)
    assert count > KILLS // 4
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")
    whole, killed = (tmp_path / name / "tune" / "shop" / "strict" / "gmf" for name in ("whole", "killed"))
    assert (killed / "best.flags").read_text() == (whole / "best.flags").read_text()
    assert (killed / "search.png").is_file()


def results_of(workdir: Path) -> dict[str, Any]:
    """Everything that `tables` writes but for times and memory."""
    found = {
        str(path.relative_to(workdir)): without_measurements(read_json(path))
        for path in sorted(workdir.glob("results/**/*.json"))
    }
    return found | {path.name: path.read_text() for path in sorted(workdir.glob("table*.md"))}


def without_measurements(entries: dict[str, Any]) -> dict[str, Any]:
    """A result without what no two trainings have in common."""
    return {
        name: without_measurements(value) if isinstance(value, dict) else value
        for name, value in entries.items()
        if name not in ("seconds", "peak_memory_mib")
    }


def test_tables(shop_dir, tmp_path):
    flags = [f"--dataset_dir={shop_dir}", *SMALL, "--table=3", "--methods=gmf,nmtr_gmf", "--flags_dir=none"]
    flags += ["--num_epochs=40", "--batch_size=16", "--steps_per_call=2", "--patience=0"]
    finish("tables", [*flags, f"--workdir={tmp_path}/whole"], tmp_path / "log")
    count = kill_often("tables", [*flags, f"--workdir={tmp_path}/killed"], tmp_path, 1.5, seed=3)
    assert count > KILLS // 4
    assert results_of(tmp_path / "killed") == results_of(tmp_path / "whole")


DATED = ("model.json", "fingerprint.pb", "MODEL_CARD.md", "saved_model.pb")


def bytes_of(root: Path) -> dict[str, bytes]:
    """Every file below a directory, of those with the time in them only that they are there."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): b"" if path.name in DATED else path.read_bytes() for path in files}


def kill_anywhen(command: str, flags: list[str], made: Path, whole: Path, seconds: float) -> int:
    """Kills a command `KILLS` times within so many seconds of its start; what it makes is whole or absent.

    Returns:
        How often it was absent.
    """
    moments, log, absent = random.Random(4), whole.parent / "log", 0
    for _ in range(KILLS):
        process = start(command, flags, log)
        time.sleep(moments.uniform(0, seconds))
        process.kill()
        process.wait()
        absent += not made.exists()
        if made.exists():
            assert bytes_of(made) == bytes_of(whole)
            shutil.rmtree(made)
    finish(command, flags, log)
    assert bytes_of(made) == bytes_of(whole)
    assert list(made.parent.glob(".*")) == []  # what was left is swept
    return absent


@pytest.mark.parametrize(
    ("command", "flags", "made"),
    [
        ("prepare", ["--source=synthetic", "--seed=1", "--dataset_dir={0}"], ""),
        ("export", ["--workdir={1}", "--export_dir={0}"], "1"),
    ],
)
def test_prepare_and_export(shop_dir, tmp_path, command, flags, made):
    run = tmp_path / "run"
    training = ["--method=gmf", "--num_epochs=1", f"--dataset_dir={shop_dir}", f"--workdir={run}", *SMALL]
    if command == "export":
        finish("train", training, tmp_path / "log")
    whole, killed = ([flag.format(tmp_path / name, run) for flag in flags] for name in ("whole", "killed"))
    began = time.monotonic()
    finish(command, whole, tmp_path / "log")
    seconds = time.monotonic() - began
    absent = kill_anywhen(command, killed, tmp_path / "killed" / made, tmp_path / "whole" / made, seconds)
    assert absent > KILLS // 4
