"""One trial of a search: a run in memory, looked at on validation alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from typing_extensions import override

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.options import option_text
from nmtr_tf.runs.fitting import fit
from nmtr_tf.tuning.pruning import MedianPruner
from nmtr_tf.tuning.trials import Trial


def run_trial(
    dataset: Dataset,
    config: RunConfig,
    settings: Mapping[str, Any],
    pruner: MedianPruner,
    after_epoch: Callable[[int], object],
) -> tuple[Trial, list[dict[str, float]]]:
    """Trains with some settings.

    Args:
        dataset: What all trials train on.
        config: What all trials share.
        settings: The searched options.
        pruner: May stop the training; new for each trial.
        after_epoch: Called with the number of epochs done after each of them.

    Returns:
        The trial, and the logs of every epoch with its number under "epoch" (from 1).

    Raises:
        InputError: If an option fits neither the method nor the data.
    """
    config, watch, status = config.with_options(**settings), _Watch(after_epoch), ""
    started = time.monotonic()
    try:
        fit(dataset, config, callbacks=[pruner, watch])
    except InputError:
        if not watch.has_begun:
            raise
        status = "diverged"  # what training itself refuses is a loss or a score that is not finite
    seconds = time.monotonic() - started
    keras.utils.clear_session()  # else the memory grows with every trial
    status = status or ("pruned" if pruner.pruned else "finished")
    return _trial(config, settings, status, watch.history, seconds), watch.history


def _trial(
    config: RunConfig,
    settings: Mapping[str, Any],
    status: str,
    history: Sequence[Mapping[str, float]],
    seconds: float,
) -> Trial:
    key = f"validation/{config.training.monitor}"
    evaluated = [logs for logs in history if key in logs]
    best = max(evaluated, key=lambda logs: logs[key], default={})
    return Trial(
        settings={name: option_text(value) for name, value in settings.items()},
        seed=config.training.seed,
        status=status,
        curve=[logs[key] for logs in evaluated],
        metrics={name.removeprefix("validation/"): value for name, value in best.items() if "@" in name},
        best_epoch=int(best.get("epoch", 0)),
        epochs=len(history),
        seconds=seconds,
    )


class _Watch(keras.callbacks.Callback):
    """Notes that a training has begun, and the logs of its epochs: it may not come to its end."""

    def __init__(self, after_epoch: Callable[[int], object]):
        super().__init__()
        self._after_epoch = after_epoch
        self.has_begun = False
        self.history: list[dict[str, float]] = []

    @override
    def on_train_begin(self, logs=None):
        self.has_begun = True

    @override
    def on_epoch_end(self, epoch, logs=None):
        self.history.append({"epoch": epoch + 1, **(logs or {})})
        self._after_epoch(epoch + 1)
