"""Callbacks that write down what a training measures."""

import time
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

    Attributes:
        history: One record an epoch: its number under "epoch" (from 1), the logs, and its wall time, the
            evaluation included, under "seconds".
    """

    def __init__(self, directory: RunDirectory | None):
        super().__init__()
        self.history: list[dict[str, Any]] = []
        self._directory, self._started = directory, 0.0
        self._events: Any = None
        if directory:
            with writing(directory.events_dir):
                self._events = tf.summary.create_file_writer(str(directory.events_dir))

    @override
    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()

    @override
    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.monotonic() - self._started, 3)
        record = {"epoch": epoch + 1, **(logs or {}), "seconds": seconds}
        self.history.append(record)
        if self._directory:
            self._directory.add_epoch(record)
            with writing(self._directory.events_dir):
                with self._events.as_default(step=epoch + 1):
                    for name, value in (logs or {}).items():
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
