"""A progress bar and a line per epoch while a model trains."""

import time
from typing import Any

import keras
from absl import flags
from typing_extensions import override

from nmtr_tf.cli.console import progress_bar, say
from nmtr_tf.config import RunConfig


class EpochProgress(keras.callbacks.Callback):
    """Shows a bar over the steps of an epoch and prints its loss and metrics.

    Args:
        values: The command's flags, for --quiet.
        config: The monitored metric names the K that is shown.
        title: What is trained, and on what.
    """

    def __init__(self, values: flags.FlagValues, config: RunConfig, title: str):
        super().__init__()
        self._values, self._title = values, title
        k = config.training.monitor.split("@")[1]
        splits = [] if config.data.validation == "none" else ["validation"]
        splits += ["test"] if config.training.curve_split == "test" else []
        metrics = [f"{split}/{metric}@{k}" for split in splits for metric in config.evaluation.metrics]
        self._columns = ["train/loss", *metrics, "seconds"]
        self._bar: Any = None
        self._started = 0.0

    @override
    def on_train_begin(self, logs=None):
        say(self._values, f"{self._title}: {self.model.count_params():,} parameters")
        if start := self.params.get("start"):
            say(self._values, f"goes on from the checkpoint {start.in_words}")
        names = [f"{name:>{max(10, len(name))}}" for name in self._columns]
        say(self._values, "epoch  " + "  ".join(names))

    @override
    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()
        self._bar = progress_bar(self._values, self.params["steps"], " steps", desc=f"epoch {epoch + 1}")

    @override
    def on_train_batch_end(self, batch, logs=None):
        self._bar.update(batch + 1 - self._bar.n)

    @override
    def on_epoch_end(self, epoch, logs=None):
        self._bar.close()
        logs = {"seconds": time.monotonic() - self._started, **(logs or {})}
        cells = []
        for name in self._columns:
            digits = 1 if name == "seconds" else 4
            text = f"{logs[name]:.{digits}f}" if name in logs else "-"
            cells.append(f"{text:>{max(10, len(name))}}")
        say(self._values, f"{epoch + 1:>5}  " + "  ".join(cells))
