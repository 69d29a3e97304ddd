"""What a run leaves in its directory at the moments at which it may be killed, and what it ends with."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import nmtr_tf as nt
from nmtr_tf.models.saved import load_model
from nmtr_tf.runs.directory import RunDirectory

OPTIONS: dict[str, Any] = {
    "method": "gmf",
    "embedding_dim": 4,
    "batch_size": 12,
    "steps_per_call": 2,
    "learning_rate": 0.05,
    "num_epochs": 3,
    "ks": (5, 10),
    "monitor": "NDCG@10",
}


class Moments:
    """Copies a directory as a process leaves it that is killed at this moment.

    These are: before and after each rename, with the new file cut in half before it; in the middle of a line
    of metrics.jsonl, and of what goes to TensorBoard; after the line.

    Args:
        monkeypatch: Pytest's.
        workdir: The directory.
        copies: Where the copies go.
    """

    def __init__(self, monkeypatch, workdir: Path, copies: Path):
        self.workdir, self._copies, self._numbers = workdir, copies, itertools.count()
        replace, add_epoch = os.replace, RunDirectory.add_epoch

        def watched_replace(source, target):
            inside = self.workdir in Path(target).parents
            if inside:
                self._copy(f"cut {Path(target).suffix}", half=Path(source))
                self._copy(f"before {Path(target).name}")
            replace(source, target)
            if inside:
                self._copy(f"after {Path(target).name}")

        def watched_add_epoch(directory, record):
            add_epoch(directory, record)
            self._copy("after a line")
            self._copy("in a line", half=directory.metrics_path, keep=-20)
            for events in directory.events_dir.iterdir():
                self._copy("in an event", half=events, keep=-7)

        monkeypatch.setattr(os, "replace", watched_replace)
        monkeypatch.setattr(RunDirectory, "add_epoch", watched_add_epoch)

    def _copy(self, name: str, half: Path | None = None, keep: int | None = None) -> None:
        copy = self._copies / f"{next(self._numbers):03d} {name}"
        shutil.copytree(self.workdir, copy)
        if half and half.is_file():
            content = half.read_bytes()
            (copy / half.relative_to(self.workdir)).write_bytes(content[: keep or len(content) // 2])

    def __iter__(self) -> Iterator[Path]:
        return iter(sorted(self._copies.iterdir()))

    def last(self, name: str) -> Path:
        """The last one of this kind but for the end of the run."""
        return [path for path in self if name in path.name][-1]


def outcome(workdir: Path) -> dict[str, Any]:
    """What has to be the same, bit for bit, whether a run was cut or not."""
    directory = RunDirectory(workdir)
    weights = {
        path.name: load_model(path).get_weights() for path in (workdir / "checkpoints").glob("*.keras")
    }
    info = directory.read_info()
    return {
        "weights": {name: [value.tobytes() for value in values] for name, values in weights.items()},
        "history": [{**one, "seconds": None} for one in directory.read_history()],
        "events": events_of(directory.events_dir),
        "info": (info.status, info.best_epoch, info.best_value, info.stage_epochs, info.num_evaluated),
        "files": sorted(str(path.relative_to(workdir)) for path in workdir.glob("[a-z]*")),
        "checkpoints": sorted(path.name for path in (workdir / "checkpoints").iterdir()),
    }


def events_of(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """Name of a scalar -> its steps and values, as TensorBoard reads them from all files of a directory."""
    events = EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()
    return {
        name: [(event.step, make_ndarray(event.tensor_proto).item()) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }


def ranks_of(workdir: Path) -> np.ndarray:
    """First places and ties of the test items."""
    run = nt.Run(workdir)
    run.evaluate("test")
    return run.ranks("test").to_numpy()
