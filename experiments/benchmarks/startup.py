"""Start-up: from nothing to the first training step on a prepared data set."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.benchmarks.data import save_stand_in
from experiments.benchmarks.processes import ask
from experiments.benchmarks.rows import Rows, Target, measured
from experiments.benchmarks.setting import Setting

_METHOD = "nmtr_neumf"  # the largest graph
_STEP, _IMPORT = Target("<=", 10, "s"), Target("<=", 5, "s")


def measure(setting: Setting) -> Rows:
    """Seconds of fresh processes."""
    with _dataset_dir(setting) as (name, dataset_dir):
        processes = range(1 if setting.quick else setting.repeats)
        times = [ask("first_step", dataset_dir, _METHOD, time.time()) for _ in processes]
    what = f"start {_METHOD}, {name}"
    yield measured(
        f"{what}: first training step done", np.median([t["step"] for t in times]), "s", target=_STEP
    )
    yield measured(f"{what}: imports done", np.median([t["import"] for t in times]), "s", target=_IMPORT)


@contextlib.contextmanager
def _dataset_dir(setting: Setting) -> Iterator[tuple[str, Path]]:
    """Name and place of a prepared data set: the first that was given, or a stand-in on disk."""
    for data in setting.prepared:
        if data.dataset_dir:
            yield data.name, data.dataset_dir
            return
    with tempfile.TemporaryDirectory() as folder:
        name = save_stand_in("beibei", setting.quick, Path(folder) / "data")
        yield name, Path(folder) / "data"
