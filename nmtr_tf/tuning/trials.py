"""The record of a search: trials.csv, one row a trial, and best.flags, the settings of the best."""

import csv
import dataclasses
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file, read_json, write_json
from nmtr_tf.options import option_text, option_value

SCHEMA = 1
"""Of search.json; files of the version before hold none and are of schema 1 too."""
STATES = ("finished", "pruned", "diverged")
_FIRST = ("trial", "status", "value", "best_epoch", "epochs", "seconds", "seed")
_LAST = "curve"
# Fields that say where, on what and with which chance a run runs; all others are its settings.
_SURROUNDINGS = ("dataset_dir", "protocol", "seed", "device")


OPTION_TYPES: dict[str, Any] = {
    name: kind
    for section in typing.get_type_hints(RunConfig).values()
    for name, kind in typing.get_type_hints(section).items()
}
"""{name of an option: its type}"""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training run of a search.

    Attributes:
        settings: Every searched option as text; with the seed, what a trial is identified by.
        seed: The run's seed.
        status: "finished", "pruned", or "diverged" where the loss or the scores were no longer finite.
        curve: The monitored validation value after each evaluation.
        metrics: Validation metrics of the best epoch.
        best_epoch: From 1; 0: none was evaluated.
        epochs: Epochs trained.
        seconds: Wall time of the training.
    """

    settings: Mapping[str, str]
    seed: int
    status: str
    curve: Sequence[float]
    metrics: Mapping[str, float]
    best_epoch: int
    epochs: int
    seconds: float

    @property
    def value(self) -> float | None:
        """The best monitored value; None where there is none."""
        return max(self.curve, default=None)

    @property
    def options(self) -> dict[str, Any]:
        """The searched options as values, which `nmtr_tf.fit` takes by name."""
        return {name: option_value(text, OPTION_TYPES[name]) for name, text in self.settings.items()}

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it this trial."""
        return trial_key(self.settings, self.seed)


def trial_key(settings: Mapping[str, Any], seed: int) -> tuple[Any, ...]:
    """What a trial with these settings (values or their texts) is identified by."""
    return seed, *sorted((name, option_text(value)) for name, value in settings.items())


class TrialRecord:
    """The directory of a search.

    search.json    what all its trials share: data set, protocol, method, the settings that are not searched
    trials.csv     one row a trial
    best.flags     the settings of the best finished trial, a flagfile of train
    events/        TensorBoard: HParams and the curves of every trial

    Args:
        directory: Its path; it need not exist.
        searched: Names of the searched options.
        about: What its trials share: name -> text.

    Attributes:
        trials: The trials, in the order in which they ran.

    Raises:
        InputError: If the directory holds trials that do not share it, or a file that is not its own.
    """

    def __init__(self, directory: Path, searched: Sequence[str], about: Mapping[str, str]):
        self.directory, self._searched, self._about = directory, tuple(searched), dict(about)
        self.csv_path, self.flags_path = directory / "trials.csv", directory / "best.flags"
        self.events_dir, self._about_path = directory / "events", directory / "search.json"
        self.trials: list[Trial] = []
        if self._about_path.exists():
            self._check_about()
        if self.csv_path.exists():
            self.trials = self._read()

    def find(self, key: tuple[Any, ...]) -> Trial | None:
        """The trial with this key, if it was run."""
        return next((trial for trial in self.trials if trial.key == key), None)

    @property
    def best(self) -> list[Trial]:
        """The finished trials, best first."""
        finished = [trial for trial in self.trials if trial.status == "finished"]
        return sorted(finished, key=lambda trial: max(trial.curve), reverse=True)

    def table(self) -> pd.DataFrame:
        """What trials.csv holds: a row a trial, with its number as the index; options are values."""
        rows = [
            {"trial": number, **_facts(trial), **trial.options, **trial.metrics, _LAST: list(trial.curve)}
            for number, trial in enumerate(self.trials, 1)
        ]
        return pd.DataFrame(rows, columns=self._columns()).set_index("trial")

    def add(self, trial: Trial) -> None:
        """Adds a trial and writes trials.csv."""
        self.trials.append(trial)
        if not self._about_path.exists():
            write_json(self._about_path, {"schema": SCHEMA, **self._about})
        with new_file(self.csv_path) as path, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns(), restval="")
            writer.writeheader()
            for number, one in enumerate(self.trials, 1):
                own = {"trial": number, **_facts(one), "seconds": f"{one.seconds:.1f}"}
                writer.writerow({**own, **one.settings, **one.metrics, _LAST: " ".join(map(str, one.curve))})

    def write_best(self, config: RunConfig, comment: Sequence[str]) -> None:
        """Writes best.flags.

        Args:
            config: What the trials share; its searched fields are not read.
            comment: Lines to put first.
        """
        lines = [f"# {line}" for line in comment] + flag_lines(config, without=self._searched)
        lines += [f"--{name}={text}" for name, text in self.best[0].settings.items()]
        with new_file(self.flags_path) as path:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _columns(self) -> list[str]:
        metrics = sorted({name for trial in self.trials for name in trial.metrics}, key=_metric_order)
        return [*_FIRST, *self._searched, *metrics, _LAST]

    def _check_about(self) -> None:
        found = read_json(self._about_path)
        if not isinstance(found, dict) or found.pop("schema", SCHEMA) != SCHEMA:
            raise InputError(
                f"{self._about_path}: written by another version of nmtr_tf; name another `workdir`."
            )
        # An option that is newer than the file had its default then.
        default = {name: option_text(value) for name, value in settings_of(RunConfig()).items()}
        for name in sorted(set(found) | set(self._about)):
            ours, theirs = self._about.get(name), found.get(name, default.get(name))
            if ours != theirs:
                raise InputError(
                    f"{self.directory} holds trials with {name} {theirs!r}; expected the same, or another "
                    f"`workdir`. Received: {ours!r}."
                )

    def _read(self) -> list[Trial]:
        with self.csv_path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if missing := [name for name in (*_FIRST, *self._searched, _LAST) if name not in columns]:
                raise InputError(f"{self.csv_path}: expected a column {missing[0]!r}.")
            metrics = [name for name in columns if "@" in name]
            try:
                return [self._parse(row, metrics) for row in reader]
            except (ValueError, AttributeError, TypeError):
                raise InputError(f"{self.csv_path}, line {reader.line_num}: not a row of a trial.") from None

    def _parse(self, row: Mapping[str, str], metrics: Sequence[str]) -> Trial:
        if row["status"] not in STATES:
            raise ValueError
        return Trial(
            settings={name: row[name] for name in self._searched},
            seed=int(row["seed"]),
            status=row["status"],
            curve=[float(value) for value in row[_LAST].split()],
            metrics={name: float(row[name]) for name in metrics if row[name]},
            best_epoch=int(row["best_epoch"]),
            epochs=int(row["epochs"]),
            seconds=float(row["seconds"]),
        )


def _facts(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in _FIRST[1:]}


def _metric_order(name: str) -> tuple[int, str]:
    kind, k = name.split("@")
    return int(k), kind


def settings_of(config: RunConfig, without: Sequence[str] = ()) -> dict[str, Any]:
    """Every field of the config that is a setting, by name; `without` some."""
    sections = [getattr(config, part.name) for part in dataclasses.fields(config)]
    return {
        name: value
        for section in sections
        for name, value in vars(section).items()
        if name not in (*_SURROUNDINGS, *without)
    }


def flag_lines(config: RunConfig, without: Sequence[str] = ()) -> list[str]:
    """Lines of a flagfile: the method, and the settings that are not the default; `without` some."""
    default = settings_of(RunConfig())
    return [
        f"--{name}={option_text(value)}"
        for name, value in settings_of(config, without).items()
        if name == "method" or value != default[name]
    ]
