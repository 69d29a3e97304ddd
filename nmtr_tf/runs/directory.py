"""The run directory: which files a run has, and how they are read and written.

config.json        the resolved config; rebuilds the run
run.json           what `RunInfo` holds
users.parquet      raw ids of the rows of the model's tables; items.parquet likewise
metrics.jsonl      one line an epoch: its scalars and seconds
events/            the same scalars for TensorBoard
curves.png         the same scalars as a picture
checkpoints/       best.keras (highest monitored validation value), last.keras (left out where the one epoch
                   is the best); training/: of an unfinished run, what it goes on from
dataset/           the data set, where it was stored nowhere else
report.html        the page that `Run.report` writes
evaluated/         of a run that is fitted on everything: how the run was evaluated whose settings it has
metrics_<split>.json, ranks_<split>.parquet    what `nmtr_tf.evaluation.results.Evaluation` writes
"""

import contextlib
import json
import numbers
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nmtr_tf.config import RunConfig, config_checksum
from nmtr_tf.data.ids import as_text
from nmtr_tf.data.parquet import INTEGER, TEXT, read_table, write_table
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.files import is_temporary, read_json, read_json_lines, write_json, writing
from nmtr_tf.folders import check_replaceable, finish, new_directory
from nmtr_tf.locks import held
from nmtr_tf.runs.info import RunInfo
from nmtr_tf.runs.own_files import OWN, foreign, in_words, link, run_entries, take_along

_MEND = "train the run again"


class RunDirectory:
    """The files of a run.

    Args:
        path: The directory; it need not exist.
    """

    def __init__(self, path: str | Path):
        self.home = Path(path)
        finish(self.home)
        self._move_to(self.home)

    def _move_to(self, path: Path) -> None:
        self.path = path
        self.events_dir = self.path / "events"
        self.dataset_dir = self.path / "dataset"
        self.evaluated_dir = self.path / "evaluated"
        self.metrics_path = self.path / "metrics.jsonl"
        self.curves_path = self.path / "curves.png"
        self.report_path = self.path / "report.html"
        self.best_checkpoint = self.path / "checkpoints" / "best.keras"
        self.last_checkpoint = self.path / "checkpoints" / "last.keras"
        self.training_dir = self.path / "checkpoints" / "training"

    @contextlib.contextmanager
    def writing(self, overwrite: bool, keep: Path | None = None) -> Iterator[None]:
        """Keeps others from writing here; a finished run gives way when the block ends well.

        Until then the new run is built beside it, and `path` is there.

        Args:
            overwrite: Whether a finished run is replaced.
            keep: The data set that is trained on, which stays where it is in the directory; None: no such.

        Raises:
            InputError: If somebody else writes here, and as `check_free` does.
        """
        if not self.is_finished:
            with held(self.home):
                self.check_free(overwrite)  # again, as nobody can change it now
                yield
            return
        with new_directory(self.home) as beside:
            self.check_free(overwrite)
            if keep and keep.resolve() == self.dataset_dir.resolve():
                shutil.copytree(keep, beside / "dataset", copy_function=link)
            self._move_to(beside)
            try:
                yield
                take_along(self.home, beside)  # what somebody put there meanwhile
            except InputError as error:
                raise InputError(f"{error} The finished run in {self.home} stays as it was.") from error
            finally:
                self._move_to(self.home)

    def clear(self, keep: Path | None = None) -> None:
        """Removes what a run left here; `check_free` comes before.

        Args:
            keep: A directory that stays: that of the data set that is trained on again. None: nothing.
        """
        kept = keep.resolve() if keep else None
        left = [path for path in self.path.iterdir() if is_temporary(path)] if self.path.is_dir() else []
        own = OWN if run_entries(self.path) else ()
        for path in (*left, *(self.path / name for name in own)):
            if path.resolve() == kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def claim(self, info: RunInfo) -> None:
        """Makes this the directory of a run, before anything else of the run is written.

        Which config there is nobody knows until that and its checksum are written.
        """
        write_json(self.path / "run.json", {**info.to_json(), "config_checksum": ""})

    def create(self, config: RunConfig, view: TrainingView, info: RunInfo) -> None:
        """Starts a run in a directory that was cleared, or goes on with the one that is there."""
        self.best_checkpoint.parent.mkdir(parents=True, exist_ok=True)
        self.write_config(config)
        for kind, ids in (("user", view.user_ids), ("item", view.item_ids)):
            write_table(pa.table({f"{kind}_id": pa.array(ids)}), self._ids_path(kind))
        self.write_info(info)

    def check_free(self, overwrite: bool) -> None:
        """Checks that a new run may be written here.

        Raises:
            InputError: If the directory holds a finished run (unless `overwrite`, and it can be replaced) or
                things that are not a run's, wherever in it.
        """
        if not self.path.exists():
            return
        if others := foreign(self.path) if self.path.is_dir() else ["a file"]:
            raise InputError(
                f"`workdir={self.path}` should be a new directory or that of a run, with nothing else in it; "
                f"name another one. Found: {in_words(others)}."
            )
        if self.is_finished and not overwrite:
            raise InputError(
                f"`workdir={self.path}` holds a finished run; name another directory, or replace the run "
                "with `overwrite`."
            )
        if self.is_finished:
            check_replaceable(self.path)

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end here; a run of another version counts too."""
        entries = run_entries(self.path)
        return entries is not None and entries["status"] == "finished"

    def write_info(self, info: RunInfo) -> None:
        """Writes run.json, with the checksum of config.json."""
        known = (self.path / "config.json").is_file()  # else it vanished while the run was trained
        checksum = config_checksum(self._config_entries()) if known else ""
        write_json(self.path / "run.json", info.to_json() | {"config_checksum": checksum})

    def read_info(self) -> RunInfo:
        """run.json.

        Raises:
            InputError: If this is not the directory of a run, or of one of another version.
        """
        path = self._existing("run.json")
        return RunInfo.from_json(str(path), read_json(path))

    def write_config(self, config: RunConfig) -> None:
        """Writes config.json."""
        write_json(self.path / "config.json", config.to_json())

    def read_config(self) -> RunConfig:
        """config.json.

        Raises:
            InputError: If this is not the directory of a run, or the file is not the one that it had.
        """
        path, info, entries = self._existing("config.json"), self.read_info(), self._config_entries()
        config = RunConfig.from_json(entries, path)
        info.check_config(path, config, config_checksum(entries))
        return config

    def _config_entries(self) -> Any:
        return read_json(self._existing("config.json"))

    def add_epoch(self, record: Mapping[str, Any]) -> None:
        """Adds the scalars of an epoch to metrics.jsonl."""
        with writing(self.metrics_path), self.metrics_path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")

    def read_history(self) -> list[dict[str, Any]]:
        """The scalars of every epoch; raises what `nmtr_tf.files.read_json_lines` does."""
        path = self._existing("metrics.jsonl")
        history = read_json_lines(path, {"epoch": int}, numbers.Real)
        if not history and self.is_finished:
            raise InputError(f"{path}: expected a line for each epoch. Found: none; {_MEND}.")
        return history

    def read_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Raw ids of the rows of the model's user and item tables, str (object) each.

        Raises:
            InputError: If a file of them is missing or damaged.
        """
        users, items = (
            read_table(self._existing(f"{kind}s.parquet"), {f"{kind}_id": (INTEGER, TEXT)}, _MEND)
            for kind in ("user", "item")
        )
        return as_text(users["user_id"].to_numpy()), as_text(items["item_id"].to_numpy())

    def checkpoint(self) -> Path:
        """The file with the best weights, or the last where there was no validation.

        Raises:
            InputError: If there is none.
        """
        path = self.best_checkpoint if self.best_checkpoint.exists() else self.last_checkpoint
        return self._existing(path.relative_to(self.path))

    def _ids_path(self, kind: str) -> Path:
        return self.path / f"{kind}s.parquet"

    def _existing(self, name: str | Path) -> Path:
        if not (self.path / name).is_file():
            for kind in ("seed", "cut"):
                if runs := sorted(self.path.glob(f"{kind}_*/run.json")):
                    raise InputError(
                        f"`workdir={self.path}` has a run for each {kind}; name one of them, such as "
                        f"{runs[-1].parent}."
                    )
            raise InputError(
                f"`workdir={self.path}`: expected the directory of a trained run, but it has no {name}; "
                "train one first."
            )
        return self.path / name
