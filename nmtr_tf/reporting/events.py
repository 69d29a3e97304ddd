"""Events for TensorBoard: curves of several runs side by side, and a search in the HParams tab."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

from nmtr_tf.files import writing
from nmtr_tf.options import option_text

History = Sequence[Mapping[str, float]]
"""One record an epoch, as `nmtr_tf.training.trainer.train` gives them."""


def write_curves(directory: Path, histories: Mapping[str, History]) -> None:
    """Writes the scalars of every epoch of some runs, which TensorBoard then shows together.

    Args:
        directory: A new directory.
        histories: {name that TensorBoard shows: history}.
    """
    for name, history in histories.items():
        with _events(directory / name):
            _write_scalars(history)


def write_search(directory: Path, names: Sequence[str], monitor: str) -> None:
    """Writes what is searched, and what for.

    Args:
        directory: Directory of events; trials go into subdirectories.
        names: Names of the searched options.
        monitor: Name of the monitored metric, such as "NDCG@100".
    """
    with _events(directory):
        hp.hparams_config(
            list(map(hp.HParam, names)), [hp.Metric(f"best/{monitor}", display_name=f"best {monitor}")]
        )


def write_trial(
    directory: Path,
    name: str,
    settings: Mapping[str, Any],
    history: History,
    monitor: str,
    best_epoch: int | None = None,
) -> None:
    """Writes a trial: its settings, its scalars of every epoch and the monitored value of its model.

    What a killed process wrote of it is replaced.

    Args:
        directory: As for `write_search`.
        name: Name of the trial among the others.
        settings: The searched options with their values.
        history: What was measured.
        monitor: As for `write_search`.
        best_epoch: The epoch (from 1) whose weights the model has; None: the one with the highest value.
    """
    key = f"validation/{monitor}"
    measured = [logs for logs in history if key in logs]
    shutil.rmtree(directory / name, ignore_errors=True)
    with _events(directory / name):
        hp.hparams({setting: _hparam(value) for setting, value in settings.items()}, trial_id=name)
        _write_scalars(history)
        if measured:
            best = max(measured, key=lambda logs: (logs["epoch"] == best_epoch, logs[key]))
            tf.summary.scalar(f"best/{monitor}", best[key], step=int(best["epoch"]))


def _write_scalars(history: History) -> None:
    for record in history:
        for name, value in record.items():
            if name != "epoch":
                tf.summary.scalar(name, value, step=int(record["epoch"]))


@contextlib.contextmanager
def _events(directory: Path) -> Iterator[None]:
    """What the block writes goes into a file in a directory, or nothing where that cannot be written.

    Raises:
        OSError: As `nmtr_tf.files.writing` does.
    """
    before = set(directory.glob("events.*"))
    with writing(directory):
        try:
            with tf.summary.create_file_writer(str(directory)).as_default():
                yield
        except Exception:
            for half in set(directory.glob("events.*")) - before:
                half.unlink(missing_ok=True)
            raise


def _hparam(value: Any) -> float | int | str:
    """A value of a kind that HParams knows: lists of weights become texts."""
    return option_text(value) if isinstance(value, tuple) else value
