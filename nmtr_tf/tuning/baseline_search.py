"""A search over the options of a baseline, on validation alone; it goes on where it stopped."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.several_cuts import Cuts
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.table import BASELINES
from nmtr_tf.options import option_text
from nmtr_tf.runs.checks import checked_view
from nmtr_tf.tuning.options import TuneConfig, without_optuna
from nmtr_tf.tuning.trials import Trial, TrialRecord, changed_settings, settings_of

try:
    from nmtr_tf.tuning.choice import chosen_space, of_baseline
    from nmtr_tf.tuning.running import check_monitor, check_splits, run_search
    from nmtr_tf.tuning.space import in_words
    from nmtr_tf.tuning.study import Objective, Study
except ImportError as error:
    raise without_optuna(error) from None

_READ = ("data", "evaluation")
"""The sections of a config that a baseline depends on."""


def tune_baseline(
    dataset: Dataset | Cuts,
    name: str,
    config: RunConfig | None = None,
    *,
    workdir: str | Path,
    dry_run: bool = False,
    on_start: Callable[[TrialRecord], object] = lambda record: None,
    on_trial: Callable[[Trial], object] = lambda trial: None,
    **options: Any,
) -> TrialRecord:
    """Searches the options of a baseline like those of a method: see `nmtr_tf.tuning.search.tune`.

    Args:
        dataset: What to learn from, one or several cuts.
        name: Its name in `BASELINES`, whose row has the ranges.
        config: What to learn from and how to rank; None: the defaults. Of the training only the seed and the
            metric that is raised are read.
        workdir: Directory to write below, <workdir>/tune/<data set>/<protocol>/<baseline>/.
        dry_run: Whether nothing is fitted or written.
        on_start: Called once all is checked, before the first trial.
        on_trial: Called with each trial that has ended.
        **options: Fields of `TuneConfig` by name, options of the baseline, which are not searched then, and
            options of the config.

    Returns:
        The record: `best[0].options` is what `evaluate_baseline` takes.

    Raises:
        InputError: If there is no such baseline, it misses something, an option does not fit, or the workdir
            holds another search.
    """
    row, first = BASELINES.find(name), dataset.first if isinstance(dataset, Cuts) else dataset
    if missing := row.missing(first):
        raise InputError(f"`baseline={name}` {missing}")
    tuning = TuneConfig(**_taken(options, [field.name for field in dataclasses.fields(TuneConfig)]))
    if tuning.seeds_per_trial > 1:
        raise InputError("`seeds_per_trial` is for methods: a baseline is fitted once.")
    fixed = _taken(options, row.options)
    settings = row.settings(name, fixed)
    config = (config or RunConfig()).with_options(**options)
    check_splits(config)
    config, view = checked_view(config, first)
    check_monitor(config.training.monitor, dataset)
    space = chosen_space(of_baseline(row, tuning), tuning, list(fixed))
    words, training = in_words(space), config.training
    fixed = {option: value for option, value in fixed.items() if option not in words}
    record = TrialRecord(
        directory=Path(workdir) / "tune" / dataset.name / view.protocol / name,
        title=f"{row.label}, {dataset.name}, {view.protocol}",
        monitor=training.monitor,
        shared={"baselines": name, **_shared(config), **_texts(fixed)},
        space=words,
        num_epochs=0,
    )
    about = {
        "baseline": name,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "protocol": view.protocol,
        "seed": str(training.seed),
        "monitor": training.monitor,
        "validation_users": str(tuning.validation_users),
        **_texts({**settings_of(config, _READ), **fixed}),
        **words,
    }

    def make_objective() -> Objective:
        count, events = tuning.validation_users, record.events_dir
        if isinstance(dataset, Cuts):
            from nmtr_tf.tuning.cuts import CutsObjective, of_baseline

            evaluate = of_baseline(name, fixed, config)
            return CutsObjective(dataset.datasets, evaluate, training.seed, training.monitor, events)
        from nmtr_tf.tuning.baseline_trial import BaselineObjective

        return BaselineObjective(dataset, view.without_test(), name, fixed, config, count, events)

    return run_search(
        Study(record.directory, space, tuning, training.seed, 1, about, settings),
        record,
        make_objective,
        device=training.device,
        max_minutes=tuning.max_minutes,
        dry_run=dry_run,
        on_start=on_start,
        on_trial=on_trial,
    )


def _shared(config: RunConfig) -> dict[str, str]:
    """What all trials share and `evaluate` has flags for: no baseline reads the order of behaviors."""
    return {option: text for option, text in changed_settings(config, _READ).items() if option != "after"}


def _texts(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: option_text(value) for name, value in options.items()}


def _taken(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Takes some options out of others."""
    return {name: options.pop(name) for name in names if name in options}
