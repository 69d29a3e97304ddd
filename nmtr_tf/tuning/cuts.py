"""A search over several cuts of a log in time: each trial is all of them, looked at on validation alone."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
from typing_extensions import override

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.evaluating import evaluate_baseline
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.reporting.events import write_trial
from nmtr_tf.runs.compared import ComparedRun
from nmtr_tf.runs.fitting import fit
from nmtr_tf.tuning.study import Claim
from nmtr_tf.tuning.trials import Trial


@dataclasses.dataclass(frozen=True)
class CutsObjective:
    """What a search calls for each trial where a log is cut at several times.

    No trial is stopped early. Its value is that of the best epoch of each cut, a user's the mean over the
    cuts that he is in.

    Attributes:
        cuts: Name -> data set.
        evaluate: Gives the validation of a data set with the options of a trial, and the epochs that it
            took; None where the training diverged.
        seed: Of all cuts.
        monitor: The metric that is raised.
        events_dir: Directory of events for TensorBoard.
        on_epoch: Called with the number of the trial and its epochs so far, after each cut.
    """

    cuts: Mapping[str, Dataset]
    evaluate: Callable[[Dataset, Mapping[str, Any]], tuple[Evaluation | None, int]]
    seed: int
    monitor: str
    events_dir: Path
    on_epoch: Callable[[int, int], object] = lambda number, epochs: None

    def __call__(self, claim: Claim) -> Trial:
        """Runs a trial; raises InputError where its options fit neither the method nor the data."""
        started, found, epochs = time.monotonic(), [], 0
        for dataset in self.cuts.values():
            evaluation, own = self.evaluate(dataset, claim.options)
            epochs += own
            self.on_epoch(claim.number, epochs)
            if evaluation is None:
                break
            found.append(evaluation)
        is_whole = len(found) == len(self.cuts)
        metrics = pooled_metrics(list(self.cuts), found) if is_whole else {}
        logs = [{"epoch": 1, **{f"validation/{name}": value for name, value in metrics.items()}}]
        write_trial(self.events_dir, f"trial_{claim.number}", claim.options, logs[:is_whole], self.monitor)
        values = [metrics[self.monitor]] if is_whole else []
        return Trial(
            number=claim.number,
            options=claim.options,
            value=metrics.get(self.monitor),
            status="finished" if is_whole else "diverged",
            seed=self.seed,
            values=values,
            curve=values,
            metrics=metrics,
            epochs=epochs,
            seconds=time.monotonic() - started,
        )


def pooled_metrics(cuts: list[str], evaluations: list[Evaluation]) -> dict[str, float]:
    """Metrics over the users of all cuts, each of whom counts once."""
    pooled = ComparedRun("", "", [], evaluations, cuts)
    return {name: pooled.mean_and_stddev(name)[0] for name in evaluations[0].user_metrics}


def of_method(
    config: RunConfig,
) -> Callable[[Dataset, Mapping[str, Any]], tuple[Evaluation | None, int]]:
    """What `CutsObjective.evaluate` is for a method.

    Args:
        config: What the trials share.
    """

    def evaluate(dataset: Dataset, options: Mapping[str, Any]) -> tuple[Evaluation | None, int]:
        watch = _Epochs()
        try:
            run = fit(dataset, config.with_options(**options), callbacks=[watch])
            run.evaluate("validation")
            return run.evaluation("validation"), watch.number
        except InputError:
            if not watch.has_begun:
                raise
            return None, watch.number  # a loss or a score that is not finite
        finally:
            keras.utils.clear_session()  # else the memory grows with every trial

    return evaluate


def of_baseline(
    name: str, fixed: Mapping[str, Any], config: RunConfig
) -> Callable[[Dataset, Mapping[str, Any]], tuple[Evaluation | None, int]]:
    """What `CutsObjective.evaluate` is for a baseline.

    Args:
        name: Its name.
        fixed: Its options that are not searched.
        config: How to rank, and what to learn from.
    """

    def evaluate(dataset: Dataset, options: Mapping[str, Any]) -> tuple[Evaluation | None, int]:
        own = dataset.resolved(config.with_options(dataset_dir=""))
        return evaluate_baseline(dataset, name, "validation", own, **fixed, **options), 0

    return evaluate


class _Epochs(keras.callbacks.Callback):
    """Counts them."""

    has_begun, number = False, 0

    @override
    def on_train_begin(self, logs=None):
        self.has_begun = True

    @override
    def on_epoch_end(self, epoch, logs=None):
        self.number += 1
