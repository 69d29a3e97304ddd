"""A progress bar and a line per epoch while a model trains."""

import time
from typing import Any

import keras
from absl import flags

from experiments import cli
from nmtr_tf.config import RunConfig


class EpochProgress(keras.callbacks.Callback):
    """Shows a bar over the steps of an epoch and prints its loss and metrics.

    Args:
        values: The command's flags, for --quiet.
        config: The monitored metric names the K that is shown.
    """

    def __init__(self, values: flags.FlagValues, config: RunConfig):
        super().__init__()
        self._values = values
        k = config.training.monitor.split("@")[1]
        splits = [] if config.data.validation == "none" else ["validation"]
        splits += ["test"] if config.training.curve_split == "test" else []
        self._columns = [f"{split}/{metric}@{k}" for split in splits for metric in ("HR", "NDCG")]
        self._bar: Any = None
        self._started = 0.0

    def on_train_begin(self, logs=None):
        """Prints the head of the table."""
        names = [f"{name:>{max(10, len(name))}}" for name in ("train/loss", *self._columns, "seconds")]
        cli.say(self._values, "epoch  " + "  ".join(names))

    def on_epoch_begin(self, epoch, logs=None):
        """Starts a bar."""
        self._started = time.monotonic()
        self._bar = cli.progress_bar(self._values, self.params["steps"], " steps", desc=f"epoch {epoch + 1}")

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar to the step that ended."""
        self._bar.update(batch + 1 - self._bar.n)

    def on_epoch_end(self, epoch, logs=None):
        """Prints a row of the table."""
        self._bar.close()
        logs = {**(logs or {}), "seconds": time.monotonic() - self._started}
        cells = []
        for name in ("train/loss", *self._columns, "seconds"):
            digits = 1 if name == "seconds" else 4
            text = f"{logs[name]:.{digits}f}" if name in logs else "-"
            cells.append(f"{text:>{max(10, len(name))}}")
        cli.say(self._values, f"{epoch + 1:>5}  " + "  ".join(cells))
