"""Callbacks that write down what a training measures."""

import json
import shutil
import time
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.files import new_file, writing
from nmtr_tf.runs.directory import RunDirectory


class EpochRecorder(keras.callbacks.Callback):
    """Keeps the scalars of every epoch, and in a run directory as metrics.jsonl and for TensorBoard.

    Args:
        directory: Where to write, and where the last weights go at the end; None: nowhere.
        earlier: The `notes` of the checkpoint that the training goes on from: both are written anew up to
            there, as what is in the directory may have been cut, or be of epochs that come again. None: it
            begins.

    Attributes:
        history: One record an epoch: its number under "epoch" (from 1), the logs, and its wall time, the
            evaluation included, under "seconds".
    """

    def __init__(self, directory: RunDirectory | None, earlier: Mapping[str, Any] | None = None):
        super().__init__()
        self.history: list[dict[str, Any]] = list(earlier["history"]) if earlier else []
        self._seconds: float = earlier["seconds"] if earlier else 0.0
        self._of_epoch: float = earlier["of_epoch"] if earlier else 0.0
        self._began = time.monotonic()
        self._epoch_began: float | None = None
        self._directory = directory
        self._events: Any = None
        if directory:
            with writing(directory.events_dir):
                if earlier:
                    shutil.rmtree(directory.events_dir, ignore_errors=True)
                    with new_file(directory.metrics_path) as path:
                        lines = [json.dumps(record) + "\n" for record in self.history]
                        path.write_text("".join(lines), encoding="utf-8")
                self._events = tf.summary.create_file_writer(str(directory.events_dir))
            for record in self.history:
                self._add_events(record)

    @property
    def seconds(self) -> float:
        """Wall time of the training so far, that of what was trained before among it."""
        return self._seconds + time.monotonic() - self._began

    def notes(self) -> dict[str, Any]:
        """What a checkpoint keeps for `earlier`."""
        return {"history": self.history, "seconds": self.seconds, "of_epoch": self._seconds_of_epoch}

    @property
    def _seconds_of_epoch(self) -> float:
        now = time.monotonic()
        return self._of_epoch + now - (now if self._epoch_began is None else self._epoch_began)

    @override
    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_began = time.monotonic()

    @override
    def on_epoch_end(self, epoch, logs=None):
        record = {"epoch": epoch + 1, **(logs or {}), "seconds": round(self._seconds_of_epoch, 3)}
        self._epoch_began, self._of_epoch = None, 0.0
        self.history.append(record)
        if self._directory:
            self._directory.add_epoch(record)
            self._add_events(record)

    def _add_events(self, record: Mapping[str, Any]) -> None:
        assert self._directory
        with writing(self._directory.events_dir):
            with self._events.as_default(step=record["epoch"]):
                for name, value in record.items():
                    if name not in ("epoch", "seconds"):
                        tf.summary.scalar(name, value)
            self._events.flush()

    @override
    def on_train_end(self, logs=None):
        if self._directory:
            # The one epoch of a run is its best as well as its last, and so is the sum of two parts.
            keeps_last = self.params.get("keeps_last", self.params["epochs"] > 1)
            if keeps_last or not self._directory.best_checkpoint.exists():
                with new_file(self._directory.last_checkpoint) as path:
                    self.model.save(path)
            with writing(self._directory.events_dir):
                self._events.close()
