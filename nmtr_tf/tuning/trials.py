"""What a search found: trials.csv, one row a trial, and best.flags, the settings of the best."""

import csv
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nmtr_tf.config import OPTION_TYPES, EvaluationConfig, RunConfig
from nmtr_tf.files import new_file
from nmtr_tf.options import option_text, option_value
from nmtr_tf.reporting.searches import plot_search
from nmtr_tf.texts import counted

STATES = ("finished", "pruned", "diverged")
MADE = ("best.flags", "search.png", "events")
"""Names in the directory of a search of what is made of its trials."""

_FACTS = ("status", "value", "best_epoch", "epochs", "seconds", "seed")
SECTIONS = tuple(field.name for field in dataclasses.fields(RunConfig))
"""Of a config."""

# Fields that say where, on what and with which chance a run runs; all others are its settings.
_SURROUNDINGS = ("dataset_dir", "protocol", "seed", "device")


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        number: From 1.
        options: The searched options, which `nmtr_tf.fit` takes by name.
        value: The monitored value of the model, the mean over the seeds; None: there is none.
        status: "finished", "pruned", or "diverged" where the loss or the scores were no longer finite.
        seed: The first seed.
        values: The value of each seed.
        curve: The monitored value after each evaluation, of the first seed; of a sum of two parts before the
            linear one is added.
        metrics: Validation metrics of the best epochs, means over the seeds.
        best_epoch: Of the first seed, from 1; 0: none was evaluated.
        epochs: Epochs trained, of all seeds.
        seconds: Wall time.
    """

    number: int
    options: Mapping[str, Any]
    value: float | None
    status: str = "finished"
    seed: int = 0
    values: Sequence[float] = ()
    curve: Sequence[float] = ()
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    best_epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0

    @property
    def texts(self) -> dict[str, str]:
        """The searched options as they are written down."""
        return {name: option_text(value) for name, value in self.options.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "options": self.texts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Trial":
        """The inverse of `to_json`; raises ValueError, TypeError or KeyError for what is none."""
        if unknown := [name for name in values["metrics"] if not re.fullmatch(r"[^@]+@\d+", name)]:
            raise ValueError(f"{unknown[0]!r} is no metric")
        given = values["options"].items()
        options = {name: option_value(text, OPTION_TYPES.get(name, float)) for name, text in given}
        return cls(**{**values, "options": options})


@dataclasses.dataclass
class TrialRecord:
    """The directory of a search.

    trials.csv     one row a trial
    best.flags     the settings of the best finished trial, a flagfile of train, or of evaluate for a baseline
    search.png     the best value so far, and which option matters
    events/        TensorBoard: HParams and the curves of every trial
    search.json    what makes it this search, and what was drawn: with trials.csv all that one has to keep
    search.db      the same trials for Optuna, from which the search goes on; it is made anew from these two

    Attributes:
        directory: Its path.
        title: The method, the data set and the protocol.
        monitor: The metric that is raised, such as "NDCG@100".
        shared: What the trials share, as a flagfile has it: option -> its text.
        space: What is searched: option -> its values in words.
        num_epochs: Epochs that a trial has at most, of all seeds.
        num_trials: Trials that the search is to have.
        trials: Those that have ended, by number.
        num_running: Those that a process is at.
    """

    directory: Path
    title: str
    monitor: str
    shared: Mapping[str, str]
    space: Mapping[str, str]
    num_epochs: int
    num_trials: int = 0
    trials: Sequence[Trial] = ()
    num_running: int = 0

    def __post_init__(self):
        self.csv_path, self.flags_path = self.directory / "trials.csv", self.directory / "best.flags"
        self.picture_path, self.events_dir = self.directory / "search.png", self.directory / "events"

    @property
    def best(self) -> list[Trial]:
        """The finished trials, best first."""
        finished = [trial for trial in self.trials if trial.status == "finished"]
        return sorted(finished, key=lambda trial: trial.value or 0, reverse=True)

    @property
    def counts(self) -> str:
        """How many trials ended in which way."""
        return ", ".join(f"{sum(one.status == state for one in self.trials)} {state}" for state in STATES)

    def table(self) -> pd.DataFrame:
        """What trials.csv holds: a row a trial, with its number as the index; options are values."""
        rows = [{**self._row(trial), **trial.options, "curve": list(trial.curve)} for trial in self.trials]
        return pd.DataFrame(rows, columns=self._columns()).set_index("trial")

    def write(self) -> None:
        """Writes trials.csv and, where a trial has finished, best.flags."""
        with new_file(self.csv_path) as path, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns(), extrasaction="ignore")
            writer.writeheader()
            for trial in self.trials:
                curve = " ".join(map(str, trial.curve))
                writer.writerow({**self._row(trial), **trial.texts, "curve": curve})
        for best in self.best[:1]:
            with new_file(self.flags_path) as path:
                path.write_text("\n".join(self._flagfile(best)) + "\n", encoding="utf-8")

    def draw(self, importance: Mapping[str, float]) -> None:
        """Draws search.png; see `nmtr_tf.reporting.searches.plot_search`."""
        values = {trial.number: (trial.status, trial.value) for trial in self.trials}
        with new_file(self.picture_path) as path:
            plot_search(path, values, importance, self.title, self.monitor)

    def _flagfile(self, best: Trial) -> Iterator[str]:
        """Lines of a flagfile: what the trials share, and what was found."""
        yield f"# {self.title}: the best of {counted(len(self.trials), 'trial')} ({self.counts}) of tune,"
        epoch = f" at epoch {best.best_epoch}" if best.best_epoch else ""
        yield f"# seed {best.seed}: validation {self.monitor} {best.value:.4f}{epoch}."
        yield from (f"--{name}={text}" for name, text in {**self.shared, **best.texts}.items())

    def _row(self, trial: Trial) -> dict[str, Any]:
        own = {"trial": trial.number, "seconds": round(trial.seconds, 1)}
        return {**vars(trial), **own, "values": " ".join(map(str, trial.values)), **trial.metrics}

    def _columns(self) -> list[str]:
        metrics = {name for trial in self.trials for name in trial.metrics}
        several = ["values"] if any(len(trial.values) > 1 for trial in self.trials) else []
        return ["trial", *_FACTS, *several, *self.space, *sorted(metrics, key=_metric_order), "curve"]


def _metric_order(name: str) -> tuple[int, str]:
    kind, k = name.split("@")
    return int(k), kind


def settings_of(config: RunConfig, sections: Sequence[str] = SECTIONS) -> dict[str, Any]:
    """Every field of some sections of the config that is a setting, by name."""
    return {
        name: value
        for section in sections
        for name, value in vars(getattr(config, section)).items()
        if name not in _SURROUNDINGS
    }


def changed_settings(
    config: RunConfig, sections: Sequence[str] = SECTIONS, always: Sequence[str] = ()
) -> dict[str, str]:
    """Those of them that are not the defaults, and those that are `always` there, as texts.

    The mask is a default where it is the protocol's usual one.
    """
    defaults = settings_of(RunConfig(), sections)
    if config.evaluation.mask == EvaluationConfig().mask_under(config.data.protocol):
        defaults["mask"] = config.evaluation.mask
    return {
        name: option_text(own)
        for name, own in settings_of(config, sections).items()
        if name in always or own != defaults[name]
    }
