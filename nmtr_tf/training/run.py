"""The run directory: what a run was, what it measured, its checkpoints and events.

config.json        the resolved config; rebuilds the run
users.parquet      raw ids of the rows of the model's tables; items.parquet likewise
run.json           data set fingerprint, behaviors, protocol, versions, device, seed, status, best epoch
metrics.jsonl      one line an epoch: the scalars of `nmtr_tf.training.trainer.train`
events/            the same scalars for TensorBoard
curves.png         the same scalars as a picture, drawn by experiments.train
checkpoints/       best.keras (highest monitored validation value), last.keras
metrics_<split>.json, ranks_<split>.parquet    written by experiments.evaluate
"""

import datetime
import json
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

import nmtr_tf
from nmtr_tf.config import RunConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.storage import load, read_table
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json, write_json
from nmtr_tf.models import nmtr  # noqa: F401 (registers the layers that checkpoints name)
from nmtr_tf.training import optimizers  # noqa: F401 (likewise)

_OWN_FILES = ("config.json", "run.json", "users.parquet", "items.parquet", "metrics.jsonl", "curves.png")
_OWN = (*_OWN_FILES, "events", "checkpoints")
_OWN_GLOBS = ("metrics_*.json", "ranks_*.parquet")


class Run:
    """A run directory.

    Args:
        workdir: Its path.
    """

    def __init__(self, workdir: str | Path):
        self.workdir = Path(workdir)
        self.events_dir = self.workdir / "events"
        self.best_checkpoint = self.workdir / "checkpoints" / "best.keras"
        self.last_checkpoint = self.workdir / "checkpoints" / "last.keras"

    @classmethod
    def create(cls, workdir: str | Path, config: RunConfig, view: Interactions, overwrite: bool) -> "Run":
        """Starts a run directory.

        Raises:
            InputError: If the directory holds a finished run (unless `overwrite`) or things that are not a
                run's.
        """
        run = cls(workdir)
        run.check_free(overwrite)
        for path in run._own_paths():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        run.best_checkpoint.parent.mkdir(parents=True)
        write_json(run.workdir / "config.json", config.to_json())
        for kind, ids in (("user", view.user_ids), ("item", view.item_ids)):
            pq.write_table(pa.table({f"{kind}_id": pa.array(ids)}), run.workdir / f"{kind}s.parquet")
        run.update(status="running", started=_now(), **_about(config, view))
        return run

    def _own_paths(self) -> set[Path]:
        own = {self.workdir / name for name in _OWN}
        return own | {path for pattern in _OWN_GLOBS for path in self.workdir.glob(pattern)}

    def check_free(self, overwrite: bool) -> None:
        """Checks that a new run may be written here.

        Raises:
            InputError: As for `create`.
        """
        if not self.workdir.exists():
            return
        own = self._own_paths()
        if not self.workdir.is_dir() or (others := set(self.workdir.iterdir()) - own):
            found = self.workdir if not self.workdir.is_dir() else min(others)
            raise InputError(
                f"--workdir={self.workdir} should be a new directory or that of a run. Found: {found}."
            )
        if self.is_finished and not overwrite:
            raise InputError(
                f"--workdir={self.workdir} holds a finished run; name another directory, or replace the run "
                "with --overwrite."
            )

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end here."""
        path = self.workdir / "run.json"
        return path.is_file() and read_json(path).get("status") == "finished"

    def update(self, **entries: Any) -> None:
        """Adds entries to run.json."""
        path = self.workdir / "run.json"
        write_json(path, {**(read_json(path) if path.exists() else {}), **entries})

    def about(self) -> dict[str, Any]:
        """run.json.

        Raises:
            InputError: If this is not the directory of a run.
        """
        self._require("run.json")
        return read_json(self.workdir / "run.json")

    def config(self) -> RunConfig:
        """The run's config.

        Raises:
            InputError: If this is not the directory of a run.
        """
        self._require("config.json")
        return RunConfig.from_json(read_json(self.workdir / "config.json"))

    def metrics(self) -> list[dict[str, float]]:
        """The scalars of every epoch."""
        lines = (self.workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def interactions(self, dataset_dir: str = "") -> Interactions:
        """The data set that the run trained on.

        Args:
            dataset_dir: Where it is; "": where it was when the run trained.

        Raises:
            InputError: If another data set is there.
        """
        dataset_dir = dataset_dir or self.config().data.dataset_dir
        interactions = load(dataset_dir)
        if interactions.fingerprint != self.about()["dataset_fingerprint"]:
            raise InputError(
                f"--workdir={self.workdir} was trained on another data set than the one in {dataset_dir}; "
                "name the right one with --dataset_dir."
            )
        return interactions

    def view(self, interactions: Interactions, protocol: str = "") -> Interactions:
        """The run's training view of its data set; `protocol` overrides the run's own."""
        data, about = self.config().data, self.about()
        return interactions.training_view(about["behaviors"], protocol or about["protocol"], data.validation)

    def vocabularies(self) -> tuple[np.ndarray, np.ndarray]:
        """Raw ids of the rows of the model's user and item tables, int64 or str (object) each.

        Raises:
            InputError: If the run has none, as runs of earlier versions, and its data set is gone.
        """
        paths = {kind: self.workdir / f"{kind}s.parquet" for kind in ("user", "item")}
        if all(path.is_file() for path in paths.values()):
            users, items = (read_table(path)[f"{kind}_id"].to_numpy() for kind, path in paths.items())
            return users, items
        try:
            interactions = self.interactions()
        except InputError as error:
            raise InputError(f"{self.workdir} has no users.parquet, nor its data set: {error}") from None
        return interactions.user_ids, interactions.item_ids

    def load_model(self) -> keras.Model:
        """The model with its best weights, or its last where there was no validation.

        Raises:
            InputError: If there is no checkpoint.
        """
        path = self.best_checkpoint if self.best_checkpoint.exists() else self.last_checkpoint
        self._require(path.relative_to(self.workdir))
        return keras.models.load_model(path, compile=False)

    def _require(self, name: str | Path) -> None:
        if not (self.workdir / name).is_file():
            raise InputError(
                f"--workdir={self.workdir}: expected the directory of a trained run, but it has no {name}; "
                "train one with python -m experiments.train."
            )


class RunRecorder(keras.callbacks.Callback):
    """Writes the scalars of every epoch to metrics.jsonl and TensorBoard, and at the end the last weights.

    Args:
        run: The run directory to write to.
    """

    def __init__(self, run: Run):
        super().__init__()
        self.run = run
        self._writer = tf.summary.create_file_writer(str(run.events_dir))

    def on_epoch_end(self, epoch, logs=None):
        """Appends one line and one step."""
        record = {"epoch": epoch + 1, **(logs or {})}
        with (self.run.workdir / "metrics.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")
        with self._writer.as_default(step=epoch + 1):
            for name, value in (logs or {}).items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def on_train_end(self, logs=None):
        """Saves."""
        self.model.save(self.run.last_checkpoint)
        self._writer.close()


def _about(config: RunConfig, view: Interactions) -> Mapping[str, Any]:
    return {
        "method": config.model.method,
        "behaviors": list(view.behaviors),
        "protocol": view.protocol,
        "dataset_fingerprint": view.fingerprint,
        "num_users": view.num_users,
        "num_items": view.num_items,
        "seed": config.training.seed,
        "versions": {
            "nmtr_tf": nmtr_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
        "devices": [device.name for device in tf.config.list_logical_devices()],
    }


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
