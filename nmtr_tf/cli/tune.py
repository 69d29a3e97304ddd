"""Search the settings of a method or a baseline on validation, and never look at test.

A flag that is given is not searched; --search names what is, --space gives other ranges. Writes
<workdir>/tune/<data set>/<protocol>/<method>/: trials.csv, best.flags for the --flagfile of train (for a
baseline: of evaluate), search.png, events for TensorBoard's HParams tab, and search.db, from which the same
command goes on where it stopped, with more --trials if you like. Several processes with the same command
share one search. Of several cuts of a log in time (--dataset_dir=out/cuts) each trial is a run for each.

Examples:
    nmtr tune --method=nmtr_gmf --dataset_dir=out/shop --workdir=out --trials=50 --max_minutes=30
    nmtr tune --method=nmtr_gmf --dataset_dir=out/shop --workdir=out/1 --search=learning_rate,l2_user,l2_item
    nmtr tune --flagfile=out/1/tune/.../best.flags --dataset_dir=out/shop --workdir=out/2 --search=dropout
    nmtr tune --method=bpr --dataset_dir=out/shop --workdir=out --space=embedding_dim=64:128,l2_item=0..0.01
    nmtr tune --method=bpr --dataset_dir=out/shop --workdir=out --sampler=grid --dry_run
    nmtr train --flagfile=out/tune/.../best.flags --dataset_dir=out/shop --workdir=out/run
    nmtr tune --baseline=ease_aimed --dataset_dir=out/shop --workdir=out --trials=50
    nmtr evaluate --flagfile=out/tune/.../best.flags --workdir=out/run
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from absl import flags
from tqdm import tqdm

from nmtr_tf.cli.baseline_flags import define_baseline_options, given_baseline_options
from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import SECTIONS, config_from_flags, given, new_flags, require, run, section_from_flags
from nmtr_tf.cli.typed import command
from nmtr_tf.config import (
    ContrastConfig,
    HistoryConfig,
    LinearConfig,
    ModelConfig,
    TimeConfig,
    TrainingConfig,
)
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.destination import cut_directories
from nmtr_tf.data.several_cuts import Cuts
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.table import BASELINES
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.runs.stopping import going_on
from nmtr_tf.texts import counted
from nmtr_tf.tuning.options import TuneConfig

if TYPE_CHECKING:  # it needs Optuna, which is looked for once the flags are read
    from nmtr_tf.tuning.trials import Trial, TrialRecord

# A search needs validation pairs, must not see test, and has a sample of its own: these are no flags here.
_UNWANTED = ("validation", "curve_split", "eval_users", "eval_sample")
_ALL = (*SECTIONS, TuneConfig)
_OPTIONS = [field.name for one in _ALL for field in dataclasses.fields(one) if field.name not in _UNWANTED]

FLAGS = new_flags(*_ALL, only=_OPTIONS)
flags.DEFINE_string(
    "workdir", None, "Directory to write below; several searches may share it.", flag_values=FLAGS
)
flags.DEFINE_string(
    "baseline", "", "A baseline whose options are searched, in place of a method's.", flag_values=FLAGS
)
flags.DEFINE_bool("dry_run", False, "Say what would be searched, and train nothing.", flag_values=FLAGS)
_OF_BASELINES = define_baseline_options(FLAGS)
_OF_METHODS = [
    field.name
    for one in (ModelConfig, TrainingConfig, LinearConfig, HistoryConfig, ContrastConfig, TimeConfig)
    for field in dataclasses.fields(one)
    if field.name in _OPTIONS and field.name not in ("monitor", "seed", "device")
]


def main(argv=None) -> int:
    """Entry point."""
    return run(_tune, FLAGS, __doc__, argv)


@going_on()
def _tune(values: flags.FlagValues) -> None:
    require(values, "dataset_dir", "workdir")
    config, tuning = config_from_flags(values), section_from_flags(TuneConfig, values)
    load = Cuts.load if cut_directories(values.dataset_dir) else Dataset.load
    dataset, progress = load(values.dataset_dir), _Progress(values)
    common: dict[str, Any] = {"workdir": values.workdir, "dry_run": values.dry_run, **vars(tuning)}
    common |= {"on_start": progress.start, "on_trial": progress.end}
    if values.baseline:
        from nmtr_tf.tuning.baseline_search import tune_baseline

        record = tune_baseline(dataset, values.baseline, config, **common, **_of_baseline(values))
    else:
        from nmtr_tf.tuning.search import tune

        given_baseline_options(values, _OF_BASELINES, [])  # refuses them
        fixed = {name: own for section in SECTIONS for name, own in given(section, values).items()}
        record = tune(dataset, config, on_epoch=progress.epoch, **common, **fixed)
    if not values.dry_run:
        _show_best(values, record)


def _of_baseline(values: flags.FlagValues) -> dict[str, Any]:
    """The given options of the baseline that is searched."""
    BASELINES.find(values.baseline)
    if foreign := [name for name in _OF_METHODS if values[name].present]:
        raise InputError(f"`{foreign[0]}` is an option of methods. Received: `baseline={values.baseline}`.")
    return given_baseline_options(values, _OF_BASELINES, [values.baseline])[values.baseline]


class _Progress:
    """A bar for each trial and a line at its end."""

    def __init__(self, values: flags.FlagValues):
        self._values, self._num_epochs, self._monitor = values, 0, ""
        self._bar: tqdm | None = None

    def start(self, record: "TrialRecord") -> None:
        """Says what is searched, and what is known already."""
        done, self._num_epochs = len(record.trials), record.num_epochs
        self._monitor = record.monitor
        if not self._values.dry_run and done < record.num_trials:
            import_tensorflow()
            from nmtr_tf.training.device import set_device

            set_device(self._values.device)  # what is not there is refused before anything is said
        head = f"{record.title}: {counted(record.num_trials, 'trial')}, {done:,} done"
        head += f", {record.num_running} running elsewhere" if record.num_running else ""
        width = max(map(len, record.space))
        lines = [f"  {name:<{width}}  {_short(words)}" for name, words in record.space.items()]
        say(self._values, "\n".join([head, *lines]))

    def epoch(self, number: int, epochs: int) -> None:
        """Moves the bar."""
        if self._bar is None:
            self._bar = progress_bar(self._values, self._num_epochs, " epochs", desc=f"trial {number}")
        self._bar.update(epochs - self._bar.n)

    def end(self, trial: "Trial") -> None:
        """Says what became of a trial."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        value = "" if trial.value is None else f" {self._monitor} {trial.value:.4f}"
        options = " ".join(f"--{name}={text}" for name, text in trial.texts.items())
        say(self._values, f"trial {trial.number}: {trial.status}{value}  {options}")


def _short(words: str) -> str:
    """A list of values, or how many they are."""
    return words if len(words) < 90 else f"{words.count(' | ') + 1} values"


def _show_best(values: flags.FlagValues, record: "TrialRecord") -> None:
    """Prints the ten best trials, and where everything is."""
    best, trials = record.best, record.trials
    if (left := record.num_trials - len(trials)) > 0:
        running = f" ({record.num_running} of them running elsewhere)" if record.num_running else ""
        say(values, f"{left} trials have not ended{running}; the same command goes on.")
    if not trials:
        return
    shown = [name for name in record.space if len({trial.texts[name] for trial in trials}) > 1]
    epochs = {"epochs": "epochs"} if record.num_epochs else {}
    if any(one.best_epoch for one in best):  # there is none of several cuts together
        epochs = {"best epoch": "best_epoch", **epochs}
    columns = ["trial", f"validation {record.monitor}", *epochs, "seconds", *shown]
    rows = [
        [
            *(one.number, one.value, *(getattr(one, name) for name in epochs.values()), round(one.seconds)),
            *map(one.texts.get, shown),
        ]
        for one in best[:10]
    ]
    title = f"\n{record.title}: {counted(len(trials), 'trial')} ({record.counts}), the best"
    say(values, format_table(title, columns, rows) + "\n")
    say(values, f"Trials:      {record.csv_path}\nPicture:     {record.picture_path}")
    say(values, f"TensorBoard: tensorboard --logdir={record.events_dir}")
    if best:
        name, place = ("evaluate", "output_dir") if values.baseline else ("train", "workdir")
        flagfile = f"--flagfile={record.flags_path}"
        say(values, f"Next:        {command(name)} {flagfile} --dataset_dir=... --{place}=...")
