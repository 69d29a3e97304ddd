"""A search over the options of a method, on validation alone; it goes on where it stopped."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.options import option_text
from nmtr_tf.runs.checks import set_up
from nmtr_tf.tuning.space import Space, grid_points, random_points, search_space
from nmtr_tf.tuning.trials import OPTION_TYPES, Trial, TrialRecord, settings_of, trial_key

KINDS = ("random", "grid")

# Called with the number of the trial (from 1), and the epochs that it has trained, 0 first, or what became
# of it.
OnEpoch = Callable[[int, int], object]
OnTrial = Callable[[int, Trial], object]


def tune(
    dataset: Dataset,
    config: RunConfig | None = None,
    *,
    workdir: str | Path,
    trials: int = 20,
    search: str = "random",
    prune: bool = True,
    warmup_epochs: int = 5,
    warmup_trials: int = 5,
    max_minutes: float = 0,
    fixed: Sequence[str] = (),
    on_epoch: OnEpoch | None = None,
    on_trial: OnTrial | None = None,
) -> TrialRecord:
    """Searches the options of a method on the grid of the paper (Section IV-A3), and never looks at test.

    Every trial trains with the config's seed. Trials that the workdir holds already are not run again.

    Args:
        dataset: What to train on.
        config: What all trials share; None: the defaults. Its searched options are not read, unless `fixed`.
        workdir: Directory to write below, <workdir>/tune/<data set>/<protocol>/<method>/; several searches
            may share it.
        trials: Points that a random search tries.
        search: "random": some points of the grid in random order; "grid": all of them.
        prune: Whether trials that lag behind the median of the finished ones are stopped.
        warmup_epochs: Evaluations before which no trial is stopped.
        warmup_trials: Finished trials before which no trial is stopped.
        max_minutes: No trial is begun after these minutes; 0: no limit.
        fixed: Names of options that stay as the config has them.
        on_epoch: Called with the number of the trial (from 1) and its epochs so far, 0 first.
        on_trial: Called with the number of the trial and the trial when it has ended.

    Returns:
        The record: `table()` is a DataFrame of the trials, `best[0].options` what `nmtr_tf.fit` takes.

    Raises:
        InputError: If an option fits neither the method nor the data, or the workdir holds another search.
    """
    found = Search(dataset, config, workdir=workdir, trials=trials, search=search, fixed=fixed)
    found.run(
        prune=prune,
        warmup_epochs=warmup_epochs,
        warmup_trials=warmup_trials,
        max_minutes=max_minutes,
        on_epoch=on_epoch,
        on_trial=on_trial,
    )
    return found.record


class Search:
    """A search before it runs: its points, and what is known of them. It needs no TensorFlow.

    Args:
        dataset: As for `tune`.
        config: As for `tune`.
        workdir: As for `tune`.
        trials: As for `tune`.
        search: As for `tune`.
        fixed: As for `tune`.

    Attributes:
        plan: The method as the trials have it.
        monitor: The validation metric that is searched for.
        space: The dimensions, each with one value where its option is fixed.
        points: The points that are tried, in order.
        record: What was found, also by searches before.

    Raises:
        InputError: As `tune`.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: RunConfig | None = None,
        *,
        workdir: str | Path,
        trials: int = 20,
        search: str = "random",
        fixed: Sequence[str] = (),
    ):
        config = config or RunConfig()
        _check(trials >= 1, f"`trials` should be at least 1. Received: {trials}.")
        _check(search in KINDS, f"`search` should be one of {', '.join(KINDS)}. Received: {search!r}.")
        _check(config.data.validation != "none", "A search needs validation pairs: `validation` is 'none'.")
        _check(
            config.training.curve_split != "test", "A search never looks at test: `curve_split` is 'test'."
        )
        setup = set_up(config, dataset)
        self._dataset, self._config, self._kind = dataset, config, search
        self.plan, self._protocol = setup.plan, setup.view.protocol
        self.space = _space(search_space(setup.plan), setup.config, fixed)
        self._seed, self.monitor = config.training.seed, setup.config.training.monitor
        drawn = None if search == "grid" else random_points(self.space, trials, self._seed)
        self.points = list(grid_points(self.space)) if drawn is None else drawn
        about = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "protocol": self._protocol}
        settings = settings_of(setup.config, without=list(self.space))
        about |= {name: option_text(value) for name, value in settings.items()}
        directory = Path(workdir) / "tune" / dataset.name / self._protocol / self.plan.name
        self.record = TrialRecord(directory, list(self.space), about)

    @property
    def title(self) -> str:
        """The method, the data set and the protocol."""
        return f"{self.plan.method.label}, {self._dataset.name}, {self._protocol}"

    @property
    def todo(self) -> list[dict[str, Any]]:
        """The points that were not tried yet."""
        return [point for point in self.points if not self.find(point)]

    def find(self, point: Mapping[str, Any]) -> Trial | None:
        """The trial of a point, if it was run."""
        return self.record.find(trial_key(point, self._seed))

    def run(
        self,
        *,
        prune: bool = True,
        warmup_epochs: int = 5,
        warmup_trials: int = 5,
        max_minutes: float = 0,
        on_epoch: OnEpoch | None = None,
        on_trial: OnTrial | None = None,
    ) -> None:
        """Runs the trials that were not run yet; arguments are those of `tune`."""
        for name, value in {"warmup_epochs": warmup_epochs, "max_minutes": max_minutes}.items():
            _check(value >= 0, f"`{name}` should be at least 0. Received: {value}.")
        _check(warmup_trials >= 1, f"`warmup_trials` should be at least 1. Received: {warmup_trials}.")
        if not (todo := self.todo):
            return
        from nmtr_tf.reporting.events import write_search
        from nmtr_tf.training.device import set_device
        from nmtr_tf.tuning.pruning import MedianPruner

        set_device(self._config.training.device)  # before anything runs, events too
        write_search(self.record.events_dir, self.space, self.monitor)
        started = time.monotonic()
        for point in todo:
            if max_minutes and time.monotonic() - started > 60 * max_minutes:
                return
            curves = [trial.curve for trial in self.record.best] if prune else []
            pruner = MedianPruner(f"validation/{self.monitor}", curves, warmup_epochs, warmup_trials)
            self._run_one(point, pruner, on_epoch or _nothing, on_trial or _nothing)

    def _run_one(self, point: Mapping[str, Any], pruner: Any, on_epoch: OnEpoch, on_trial: OnTrial) -> None:
        from nmtr_tf.reporting.events import write_trial
        from nmtr_tf.tuning.trial_run import run_trial

        number = len(self.record.trials) + 1
        on_epoch(number, 0)
        trial, history = run_trial(
            self._dataset, self._config, point, pruner, lambda done: on_epoch(number, done)
        )
        self.record.add(trial)
        if self.record.best:
            self.record.write_best(self._config, self._comment())
        write_trial(self.record.events_dir, f"trial_{number}", point, history, self.monitor)
        on_trial(number, trial)

    def _comment(self) -> list[str]:
        """What stands above the settings in best.flags."""
        best, trials = self.record.best[0], self.record.trials
        pruned = sum(trial.status == "pruned" for trial in trials)
        return [
            f"{self.plan.method.label} on {self._dataset.name}, protocol {self._protocol}: the best of "
            f"{len(trials)} trials ({pruned} pruned) of tune,",
            f"search {self._kind}, seed {best.seed}: validation {self.monitor} {best.value:.4f} "
            f"at epoch {best.best_epoch} of {best.epochs}.",
        ]


def _space(space: Space, config: RunConfig, fixed: Sequence[str]) -> Space:
    """The space with one value where an option is fixed."""
    if unknown := [name for name in fixed if name not in OPTION_TYPES]:
        raise InputError(f"`fixed` should name options, such as `learning_rate`. Received: {unknown[0]!r}.")
    settings = settings_of(config)
    return {name: [settings[name]] if name in fixed else values for name, values in space.items()}


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def _nothing(*_: Any) -> None:
    """What is called where nobody listens."""
