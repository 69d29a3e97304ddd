"""A trial of a method: runs in memory, looked at on validation alone."""

import dataclasses
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from typing_extensions import override

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.events import write_trial
from nmtr_tf.runs.fitting import fit
from nmtr_tf.tuning.study import Claim
from nmtr_tf.tuning.trials import Trial


@dataclasses.dataclass(frozen=True)
class MethodObjective:
    """What a search of a method's options calls for each trial.

    Attributes:
        dataset: What all trials train on.
        config: What they share; its seed is the first.
        num_seeds: Runs of a trial, each with its own seed; the first alone can be stopped early.
        events_dir: Directory of events for TensorBoard.
        on_epoch: Called with the number of the trial and its epochs so far, 0 first.
    """

    dataset: Dataset
    config: RunConfig
    num_seeds: int
    events_dir: Path
    on_epoch: Callable[[int, int], object]

    def __call__(self, claim: Claim) -> Trial:
        """Runs a trial; raises InputError where its options fit neither the method nor the data."""
        started, seed, monitor = time.monotonic(), self.config.training.seed, self.config.training.monitor
        watch, status = _Watch(claim, f"validation/{monitor}", self.on_epoch), "finished"
        for one in range(seed, seed + self.num_seeds):
            if status == "finished":
                status = self._fit(self.config.with_options(**claim.options, seed=one), watch)
        best = watch.best()
        kept = int(best[0]["epoch"]) if best else None
        write_trial(
            self.events_dir, f"trial_{claim.number}", claim.options, watch.histories[0], monitor, kept
        )
        metrics = {
            name: float(np.mean([logs[name] for logs in best])) for name in (best or [{}])[0] if "@" in name
        }
        return Trial(
            number=claim.number,
            options=claim.options,
            value=metrics.get(watch.key),
            status=status,
            seed=seed,
            values=[logs[watch.key] for logs in best],
            curve=watch.curve,
            metrics={name.removeprefix("validation/"): value for name, value in metrics.items()},
            best_epoch=kept or 0,
            epochs=sum(map(len, watch.histories)),
            seconds=time.monotonic() - started,
        )

    def _fit(self, config: RunConfig, watch: "_Watch") -> str:
        """Trains once; gives how it ended."""
        before = len(watch.histories)
        try:
            run = fit(self.dataset, config, callbacks=[watch])
            watch.kept.append(run.info.best_epoch)
        except InputError:
            if len(watch.histories) == before:
                raise
            return "diverged"  # what training itself refuses is a loss or a score that is not finite
        finally:
            keras.utils.clear_session()  # else the memory grows with every trial
        return "pruned" if watch.is_pruned else "finished"


class _Watch(keras.callbacks.Callback):
    """Notes what trainings do, which may not come to their end, and stops the first where it lags."""

    def __init__(self, claim: Claim, key: str, on_epoch: Callable[[int, int], object]):
        super().__init__()
        self._claim, self.key, self._on_epoch = claim, key, on_epoch
        self.histories: list[list[dict[str, float]]] = []
        self.kept: list[int | None] = []  # the epoch (from 1) of each model; of what diverged there is none
        self.curve: list[float] = []  # of the first training, by which it is compared with other trials
        self.is_pruned = False

    def best(self) -> list[dict[str, float]]:
        """The logs of the epoch of each model, or of the best one where there is no model."""
        found = []
        for history, kept in itertools.zip_longest(self.histories, self.kept):
            values = {epoch: logs[self.key] for epoch, logs in enumerate(history, 1) if self.key in logs}
            if values:
                epoch = kept if kept in values else max(values, key=values.__getitem__)
                found.append(history[epoch - 1])
        return found

    @override
    def on_train_begin(self, logs=None):
        self.histories.append([])
        self._on_epoch(self._claim.number, sum(map(len, self.histories)))

    @override
    def on_epoch_end(self, epoch, logs=None):
        history = self.histories[-1]
        history.append({"epoch": epoch + 1, **(logs or {})})
        if self.key in history[-1] and len(self.histories) == 1 and "is_sum" not in self.params:
            self.curve.append(history[-1][self.key])
            # The best so far: a dip stops nothing.
            if self._claim.lags(len(self.curve) - 1, max(self.curve)):
                self.is_pruned = self.model.stop_training = True
        self._on_epoch(self._claim.number, sum(map(len, self.histories)))
