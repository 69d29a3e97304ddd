"""A search over the options of a method, on validation alone; it goes on where it stopped."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.several_cuts import Cuts
from nmtr_tf.errors import InputError
from nmtr_tf.options import option_text
from nmtr_tf.runs.checks import RunSetup, set_up
from nmtr_tf.tuning.options import TuneConfig, without_optuna
from nmtr_tf.tuning.trials import Trial, TrialRecord, changed_settings, settings_of

try:
    from nmtr_tf.tuning.choice import check_space, chosen_space, of_method
    from nmtr_tf.tuning.running import check_monitor, check_splits, run_search
    from nmtr_tf.tuning.space import in_words
    from nmtr_tf.tuning.start import settings_as_they_are
    from nmtr_tf.tuning.study import Objective, Study
except ImportError as error:
    raise without_optuna(error) from None


def tune(
    dataset: Dataset | Cuts,
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
    call this with the same arguments. Every trial is ranked for the same validation users. The first has the
    settings as they are (outside of a range or a list, its nearest value); a grid has its own points alone.

    Args:
        dataset: What to train on; of several cuts every trial is trained on each, none is stopped early,
            and its value is over the users of all.
        config: What all trials share; None: the defaults. Of what is searched it says where to begin.
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
    if config.training.strategy != "none":
        raise InputError(
            "`strategy` is an option of a single run; a search is shared by processes that are started "
            f"without it, a trial each. Received: {config.training.strategy!r}."
        )
    first = dataset.first if isinstance(dataset, Cuts) else dataset
    if isinstance(dataset, Cuts) and tuning.seeds_per_trial > 1:
        raise InputError(
            "`seeds_per_trial` goes with one data set: a trial is a run for each of several cuts."
        )
    setup = _set_up(first, config, tuning)
    check_monitor(setup.config.training.monitor, dataset)
    space = chosen_space(of_method(setup.plan, tuning), tuning, list(options))
    check_space(space, setup.config, setup.view.behaviors)
    words, shared = in_words(space), changed_settings(first.resolved(config), always=["method"])
    record = TrialRecord(
        directory=Path(workdir) / "tune" / dataset.name / setup.view.protocol / setup.plan.name,
        title=f"{setup.plan.method.label}, {dataset.name}, {setup.view.protocol}",
        monitor=setup.config.training.monitor,
        shared={name: text for name, text in shared.items() if name not in words},
        space=words,
        num_epochs=setup.plan.num_epochs
        * (len(dataset.datasets) if isinstance(dataset, Cuts) else tuning.seeds_per_trial),
    )
    training, about = setup.config.training, _about(dataset, setup, tuning, record)
    start = settings_as_they_are(setup.config, setup.plan)
    num_evaluations = max(1, setup.plan.stages[-1].num_epochs // training.eval_every)

    def make_objective() -> Objective:
        if isinstance(dataset, Cuts):
            return _of_cuts(dataset, config, setup, record, on_epoch)
        from nmtr_tf.tuning.trial_run import MethodObjective

        return MethodObjective(dataset, setup.config, tuning.seeds_per_trial, record.events_dir, on_epoch)

    return run_search(
        Study(record.directory, space, tuning, training.seed, num_evaluations, about, start),
        record,
        make_objective,
        device=training.device,
        max_minutes=tuning.max_minutes,
        dry_run=dry_run,
        on_start=on_start,
        on_trial=on_trial,
    )


def _of_cuts(
    cuts: Cuts,
    config: RunConfig,
    setup: RunSetup,
    record: TrialRecord,
    on_epoch: Callable[[int, int], object],
) -> Objective:
    """What a trial is for several cuts: they share cut-offs; what else follows from data is their own."""
    from nmtr_tf.tuning.cuts import CutsObjective, of_method

    training, ks = setup.config.training, setup.config.evaluation.ks
    shared = {"monitor": training.monitor, "eval_users": training.eval_users, "eval_sample": "always"}
    evaluate = of_method(config.with_options(ks=ks, **shared))
    return CutsObjective(
        cuts.datasets, evaluate, training.seed, training.monitor, record.events_dir, on_epoch
    )


def _set_up(dataset: Dataset, config: RunConfig, tuning: TuneConfig) -> RunSetup:
    """What the trials share, resolved."""
    check_splits(config)
    return set_up(config.with_options(eval_users=tuning.validation_users, eval_sample="always"), dataset)


def _about(
    dataset: Dataset | Cuts, setup: RunSetup, tuning: TuneConfig, record: TrialRecord
) -> dict[str, str]:
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
