"""A search that is kept in one SQLite file, which several processes may work on at once."""

import contextlib
import dataclasses
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from nmtr_tf.schema import checked, reading
from nmtr_tf.tuning.kept import keep_draws, kept_trials
from nmtr_tf.tuning.locks import held, is_free
from nmtr_tf.tuning.options import TuneConfig
from nmtr_tf.tuning.space import Space, as_options, grid_points, option_of
from nmtr_tf.tuning.start import inside, nearest
from nmtr_tf.tuning.storage import MEND, WAIT_SECONDS, open_study, writing_to
from nmtr_tf.tuning.trials import Trial

_ENOUGH = 10  # trials, to say which option matters


@dataclasses.dataclass(frozen=True)
class Claim:
    """A trial that this process is to run.

    Attributes:
        number: From 1.
        options: What was drawn.
        stored: The trial in Optuna.
    """

    number: int
    options: Mapping[str, Any]
    stored: optuna.Trial

    def lags(self, step: int, best: float) -> bool:
        """Whether the trial should stop, given its best value after an evaluation `step` (from 0)."""
        self.stored.report(best, step)
        return self.stored.should_prune()


Objective: TypeAlias = Callable[[Claim], Trial]
"""Runs a trial: of a method, or of anything else that has options and a value to be raised."""


class Study:
    """The trials 1, 2, ... of a search, and who runs which.

    What a trial draws depends on the seed, its number and, for TPE, on what has ended before. One whose
    process died is run again under its number.

    Args:
        directory: Where search.db is, or will be once a trial is run. Where it is not, but trials.csv and
            search.json are, the search goes on from these.
        space: What is drawn.
        tuning: How.
        seed: Seed of the draws.
        num_evaluations: Evaluations that a trial has at most.
        about: What all trials share, as texts; a study of anything else is refused.
        start: Options of the first trial, unless it is one of a grid.

    Attributes:
        num_trials: Trials that it is to have.

    Raises:
        InputError: If the directory has another search, one of an earlier version, or a damaged file.
    """

    def __init__(
        self,
        directory: Path,
        space: Space,
        tuning: TuneConfig,
        seed: int,
        num_evaluations: int,
        about: Mapping[str, str],
        start: Mapping[str, Any] | None = None,
    ):
        self._path, self._locks = directory / "search.db", directory / ".locks"
        self._space, self._tuning, self._seed, self._about = space, tuning, seed, dict(about)
        self._pruner = _pruner(tuning, num_evaluations)
        self._grid = grid_points(space, tuning.trials or 10**9, seed) if tuning.sampler == "grid" else []
        self._start = {} if self._grid else dict(start or {})
        self.num_trials = len(self._grid) or tuning.trials or 20
        self._study: optuna.Study | None = None
        self._kept: Sequence[FrozenTrial] = ()
        if self._path.exists():
            with self.alone(), reading(self._path, MEND):
                self._bury(self._open())
        else:
            self._kept = kept_trials(directory, space, self._about)

    def state(self) -> tuple[list[Trial], int]:
        """The trials that have ended, by number, and how many a process is at."""
        stored = self._stored()
        ended = [trial.user_attrs["trial"] for trial in stored if trial.state != TrialState.RUNNING]
        with reading(self._path, MEND):
            trials = sorted(map(Trial.from_json, ended), key=lambda one: one.number)
        return trials, len(stored) - len(ended)

    def begin(self) -> None:
        """Has its file be there.

        Raises:
            OSError: If the disk is full.
        """
        with self.alone():
            self._open()

    def run(self, objective: Objective, on_end: Callable[[Trial], object], max_minutes: float = 0) -> None:
        """Runs the trials that nobody has run or is running.

        Args:
            objective: Runs one.
            on_end: Called with each trial that was run here.
            max_minutes: No trial is begun after these minutes; 0: no limit.

        Raises:
            OSError: If the disk is full.
        """
        started, worker = time.monotonic(), self._locks / uuid.uuid4().hex
        try:
            with held(worker), writing_to(self._path):
                while not (max_minutes and time.monotonic() - started > 60 * max_minutes):
                    with self.alone():
                        claim = self._claim(worker.name)
                    if claim is None:
                        return
                    on_end(self._run(objective, claim))
        finally:
            worker.unlink(missing_ok=True)

    def importance(self) -> dict[str, float]:
        """Share of each option in what makes trials good (PED-ANOVA), called `alone`; empty: too few.

        One that was stopped early counts with its value then: it is none of the best, which is enough.
        """
        known = [one for one in self._stored() if one.value is not None]
        if len(known) < _ENOUGH:
            return {}
        copies = [create_trial(params=t.params, distributions=t.distributions, value=t.value) for t in known]
        study = optuna.create_study(direction="maximize")
        study.add_trials(copies)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        shares = dict.fromkeys(map(option_of, self._space), 0.0)
        for name, share in found.items():
            shares[option_of(name)] += share
        return shares

    def keep_draws(self) -> None:
        """Writes search.json, which goes with trials.csv; called `alone`."""
        ended = [trial for trial in self._stored() if trial.state != TrialState.RUNNING]
        keep_draws(self._path.parent, self._about, ended)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps others from claiming trials and writing files, and Optuna from talking."""
        verbosity = optuna.logging.get_verbosity()
        with held(self._locks / "claim", WAIT_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            try:
                yield
            finally:
                optuna.logging.set_verbosity(verbosity)

    def _claim(self, worker: str) -> Claim | None:
        """The first trial that nobody has; None: there is none left."""
        study = self._open()
        with reading(self._path, MEND), writing_to(self._path):
            self._bury(study)
            taken = {trial.user_attrs["number"] for trial in self._stored()}
            number = next((one for one in range(1, self.num_trials + 1) if one not in taken), None)
            if number is None:
                return None
            study.sampler = self._sampler(number)
            trial = study.ask(dict(self._space))
            trial.set_user_attr("worker", worker)
            trial.set_user_attr("number", number)
            exact = inside(self._start, self._space) if number == 1 else {}  # not rounded to steps
            return Claim(number, as_options(trial.params, self._space) | exact, trial)

    def _bury(self, study: optuna.Study) -> None:
        """Gives up the trials whose process died."""
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            worker = self._locks / trial.user_attrs.get("worker", "nobody")
            if is_free(worker):
                study.tell(trial.number, state=TrialState.FAIL)
                worker.unlink(missing_ok=True)

    def _run(self, objective: Objective, claim: Claim) -> Trial:
        study = self._open()
        try:
            trial = objective(claim)
        except BaseException:
            study.tell(claim.stored, state=TrialState.FAIL)  # it is run again when the search goes on
            raise
        claim.stored.set_user_attr("trial", trial.to_json())
        if trial.status == "finished":
            study.tell(claim.stored, trial.value)
        else:  # worse than any finished one, and no yardstick for the median
            study.tell(claim.stored, state=TrialState.PRUNED)
        return trial

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Draws one trial, so that a search that goes on does not begin its draws anew."""
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        random = optuna.samplers.RandomSampler(seed=seed)
        if self._grid or number == 1:
            known = self._grid[number - 1] if self._grid else nearest(self._start, self._space)
            return optuna.samplers.PartialFixedSampler(known, random)
        if self._tuning.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        return random

    def _stored(self) -> list[FrozenTrial]:
        """The trials that have ended or are running; not those whose process died."""
        if self._study is None:
            return list(self._kept)
        with reading(self._path, MEND):
            trials = [one for one in self._study.get_trials(deepcopy=False) if one.state != TrialState.FAIL]
            for trial in trials:
                if trial.state != TrialState.RUNNING:  # else it may just be about to get them
                    needed = {"number": int, "trial": dict[str, Any]}
                    checked(f"{self._path}, trial {trial.number}", trial.user_attrs, needed, others=Any)
        return trials

    def _open(self) -> optuna.Study:
        """The study in the file, which is made if there is none; call it `alone`."""
        if self._study is None:
            self._study = open_study(self._path, self._about, self._pruner, self._kept)
        return self._study


def _pruner(tuning: TuneConfig, num_evaluations: int) -> optuna.pruners.BasePruner:
    """Its steps are evaluations, from 0."""
    if tuning.pruner == "median":
        return optuna.pruners.MedianPruner(tuning.warmup_trials, tuning.warmup_epochs)
    if tuning.pruner == "hyperband":
        least = min(max(tuning.warmup_epochs, 1), num_evaluations)
        return optuna.pruners.HyperbandPruner(least, num_evaluations)
    return optuna.pruners.NopPruner()
