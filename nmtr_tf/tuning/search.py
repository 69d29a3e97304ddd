"""A search over the options of a method, on validation alone; it goes on where it stopped."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.files import check_directory
from nmtr_tf.options import option_text
from nmtr_tf.runs.checks import RunSetup, set_up
from nmtr_tf.tuning.options import TuneConfig
from nmtr_tf.tuning.trials import Trial, TrialRecord, settings_of

try:
    from nmtr_tf.tuning.space import check_space, chosen_space, in_words
    from nmtr_tf.tuning.study import Study
except ImportError as error:
    if not str(error.name).startswith("optuna"):
        raise
    raise InputError("A search needs the package optuna: pip install 'optuna>=4'") from None

_SECONDS_BETWEEN_PICTURES = 60


def tune(
    dataset: Dataset,
    config: RunConfig | None = None,
    *,
    workdir: str | Path,
    dry_run: bool = False,
    on_start: Callable[[TrialRecord], object] = lambda record: None,
    on_epoch: Callable[[int, int], object] = lambda number, epochs: None,
    on_trial: Callable[[Trial], object] = lambda trial: None,
    **options: Any,
) -> TrialRecord:
    """Searches the options of a method, and never looks at test.

    Trials that the workdir holds already are not run again, and several processes may share a search: all
    call this with the same arguments. Every trial is ranked for the same validation users.

    Args:
        dataset: What to train on.
        config: What all trials share; None: the defaults. Its searched options are not read.
        workdir: Directory to write below, <workdir>/tune/<data set>/<protocol>/<method>/.
        dry_run: Whether nothing is trained or written.
        on_start: Called once all is checked, before the first trial.
        on_epoch: Called with the number of a trial and its epochs so far, 0 first.
        on_trial: Called with each trial that has ended.
        **options: Fields of `TuneConfig` by name, such as trials=50 or sampler="random", and of the config:
            these are not searched, unless `search` or `space` names them.

    Returns:
        The record: `table()` is a DataFrame of the trials, `best[0].options` what `nmtr_tf.fit` takes.

    Raises:
        InputError: If an option fits neither the method nor the data, the workdir holds another search, or
            all trials diverged.
    """
    own = {field.name for field in dataclasses.fields(TuneConfig)} & set(options)
    tuning = TuneConfig(**{name: options.pop(name) for name in own})
    config = (config or RunConfig()).with_options(**options)
    setup = _set_up(dataset, config, tuning)
    space = chosen_space(setup.plan, tuning, list(options))
    check_space(space, setup.config, setup.view.behaviors)
    record = TrialRecord(
        directory=Path(workdir) / "tune" / dataset.name / setup.view.protocol / setup.plan.name,
        title=f"{setup.plan.method.label}, {dataset.name}, {setup.view.protocol}",
        config=dataset.resolved(config),
        space=in_words(space),
        num_epochs=setup.plan.num_epochs * tuning.seeds_per_trial,
    )
    training, about = setup.config.training, _about(dataset, setup, tuning, record)
    num_evaluations = max(1, setup.plan.stages[-1].num_epochs // training.eval_every)
    study = Study(record.directory, space, tuning, training.seed, num_evaluations, about)
    record.num_trials = study.num_trials
    record.trials, record.num_running = study.state()
    if not dry_run:
        check_directory(record.directory)
    on_start(record)
    if not dry_run:
        if len(record.trials) < record.num_trials:
            _run(dataset, setup, tuning, study, record, on_epoch, on_trial)
        if record.trials and all(trial.status == "diverged" for trial in record.trials):
            raise InputError(
                f"All trials ({len(record.trials)}) diverged, their loss was not finite: search a smaller "
                f"`learning_rate`. See {record.csv_path}"
            )
    return record


def _set_up(dataset: Dataset, config: RunConfig, tuning: TuneConfig) -> RunSetup:
    """What the trials share, resolved."""
    if config.data.validation == "none":
        raise InputError("A search needs validation pairs: `validation` is 'none'.")
    if config.training.curve_split == "test":
        raise InputError("A search never looks at test: `curve_split` is 'test'.")
    return set_up(config.with_options(eval_users=tuning.validation_users, eval_sample="always"), dataset)


def _about(dataset: Dataset, setup: RunSetup, tuning: TuneConfig, record: TrialRecord) -> dict[str, str]:
    """What makes it this search, as texts."""
    settings = {name: option_text(value) for name, value in settings_of(setup.config).items()}
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "protocol": setup.view.protocol,
        "seed": str(setup.config.training.seed),
        "seeds_per_trial": str(tuning.seeds_per_trial),
        **settings,
        **record.space,
    }


def _run(
    dataset: Dataset,
    setup: RunSetup,
    tuning: TuneConfig,
    study: Study,
    record: TrialRecord,
    on_epoch: Callable[[int, int], object],
    on_trial: Callable[[Trial], object],
) -> None:
    from nmtr_tf.reporting.events import write_search
    from nmtr_tf.training.device import set_device
    from nmtr_tf.tuning.trial_run import MethodObjective

    set_device(setup.config.training.device)  # before anything runs, events too
    write_search(record.events_dir, list(record.space), setup.config.training.monitor)
    drawn = time.monotonic()

    def update(rest: float) -> None:
        nonlocal drawn
        with study.alone():
            record.trials, record.num_running = study.state()
            if record.trials:
                record.write()
            if record.trials and time.monotonic() - drawn > rest:
                record.draw(study.importance())
                drawn = time.monotonic()

    def on_end(trial: Trial) -> None:
        update(_SECONDS_BETWEEN_PICTURES)
        on_trial(trial)

    objective = MethodObjective(dataset, setup.config, tuning.seeds_per_trial, record.events_dir, on_epoch)
    try:
        study.run(objective, on_end, tuning.max_minutes)
    finally:
        update(0)
