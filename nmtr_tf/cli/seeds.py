"""Several runs that differ in their seed: which are done, and what they come to."""

import itertools
import typing
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from absl import flags

from nmtr_tf.cli.console import say
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.table import get_method
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.runs.compared import seed_differences
from nmtr_tf.runs.directory import RunDirectory

if typing.TYPE_CHECKING:  # it imports TensorFlow
    from nmtr_tf.runs import Run


def finished(configs: Mapping[Path, RunConfig], init_from: str, partly: bool) -> list[Path]:
    """The runs that an earlier call has finished: the first ones, but not all, with the same settings.

    Args:
        configs: Directory -> the settings of its run.
        init_from: The run that all start from; "": none.
        partly: Whether all of them may be done.

    Raises:
        InputError: If their settings are others.
    """
    done = list(itertools.takewhile(lambda path: RunDirectory(path).is_finished, configs))
    if len(done) == len(configs) and not partly:
        return []  # nothing is left of that call, and all are refused
    for path in done:
        start = {"run": init_from} if init_from else None
        if changes := seed_differences(RunDirectory(path), configs[path], start):
            raise InputError(
                f"`workdir={path}` holds a finished run with other settings: {'; '.join(changes)}. Give the "
                "same, or replace the runs with `overwrite`."
            )
    return done


def show_seeds(values: flags.FlagValues, runs: "Mapping[Path, Run]") -> None:
    """A table of the epochs that were kept, with mean and standard deviation."""
    kept = {path.name: run.history[(run.info.best_epoch or 0) - 1] for path, run in runs.items()}
    measured = next(iter(runs.values())).config.evaluation.metric_names
    names = ["train/loss", *(f"{split}/{name}" for split in ("validation", "test") for name in measured)]
    names = [name for name in names if all(name in logs for logs in kept.values())]
    numbers = np.array([[logs[name] for name in names] for logs in kept.values()])
    rows = [[name, *row] for name, row in zip(kept, numbers.tolist(), strict=True)]
    rows.append(["mean", *numbers.mean(axis=0).tolist()])
    if len(kept) > 1:
        rows.append(["standard deviation", *numbers.std(axis=0, ddof=1).tolist()])
    title = f"\n{get_method(values.method).label}: the epoch that each seed kept"
    say(values, format_table(title, ["", *names], rows) + "\n")
