"""A search from its study to its files, whatever its trials are of."""

import time
from collections.abc import Callable

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.several_cuts import Cuts
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import find_metric
from nmtr_tf.files import check_directory
from nmtr_tf.tuning.study import Objective, Study
from nmtr_tf.tuning.trials import Trial, TrialRecord

_SECONDS_BETWEEN_PICTURES = 60


def check_splits(config: RunConfig) -> None:
    """Refuses what looks at test, or has no validation pairs to look at.

    Raises:
        InputError: If the config asks for that.
    """
    if config.data.validation == "none":
        raise InputError("A search needs validation pairs: `validation` is 'none'.")
    if config.training.curve_split == "test":
        raise InputError("A search never looks at test: `curve_split` is 'test'.")


def check_monitor(monitor: str, dataset: Dataset | Cuts) -> None:
    """Refuses to raise over several cuts what has no value for each user, by which cuts are pooled.

    Raises:
        InputError: If the monitored metric has none.
    """
    if isinstance(dataset, Cuts) and find_metric(monitor)[0].is_of_lists:
        raise InputError(
            "A search over several cuts pools users: `monitor` should be a metric that has a value for each, "
            f"such as NDCG@100. Received: {monitor!r}."
        )


def run_search(
    study: Study,
    record: TrialRecord,
    make_objective: Callable[[], Objective],
    *,
    device: str,
    max_minutes: float,
    dry_run: bool,
    on_start: Callable[[TrialRecord], object],
    on_trial: Callable[[Trial], object],
) -> TrialRecord:
    """Runs the trials that are left, and keeps the record: its files are written even if none is left.

    Args:
        study: The trials.
        record: Their directory.
        make_objective: Gives what runs a trial; called if one is left, with TensorFlow on its device.
        device: "auto", "cpu" or "gpu".
        max_minutes: No trial is begun after these minutes; 0: no limit.
        dry_run: Whether nothing is run or written.
        on_start: Called with the record before the first trial.
        on_trial: Called with each trial that has ended.

    Returns:
        The record.

    Raises:
        InputError: If all trials diverged.
    """
    record.num_trials = study.num_trials
    record.trials, record.num_running = study.state()
    if not dry_run:
        check_directory(record.directory)
    on_start(record)
    if not dry_run:
        if len(record.trials) < record.num_trials:
            _run(study, record, make_objective, device, max_minutes, on_trial)
        else:  # a search may have been killed while it wrote them
            _write(study, record)
        if record.trials and all(trial.status == "diverged" for trial in record.trials):
            raise InputError(
                f"All trials ({len(record.trials)}) diverged, their loss was not finite: search a smaller "
                f"`learning_rate`. See {record.csv_path}"
            )
    return record


def _run(
    study: Study,
    record: TrialRecord,
    make_objective: Callable[[], Objective],
    device: str,
    max_minutes: float,
    on_trial: Callable[[Trial], object],
) -> None:
    from nmtr_tf.reporting.events import write_search
    from nmtr_tf.training.device import set_device

    set_device(device)  # before anything runs, events too
    study.begin()  # before anything else is written there: by its file it is known as a search's directory
    write_search(record.events_dir, list(record.space), record.monitor)
    drawn = time.monotonic()

    def on_end(trial: Trial) -> None:
        nonlocal drawn
        draws = time.monotonic() - drawn > _SECONDS_BETWEEN_PICTURES
        _write(study, record, draws)
        drawn = time.monotonic() if draws else drawn
        on_trial(trial)

    try:
        study.run(make_objective(), on_end, max_minutes)
    finally:
        _write(study, record)


def _write(study: Study, record: TrialRecord, draws: bool = True) -> None:
    """Writes what is made of the trials that have ended, the picture only if it is asked for."""
    with study.alone():
        record.trials, record.num_running = study.state()
        if record.trials:
            study.keep_draws()  # first: every row of trials.csv has its draws
            record.write()
            if draws:
                record.draw(study.importance())
