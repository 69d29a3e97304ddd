"""Search the settings of a method on validation, and never look at test.

The grid is the paper's (Section IV-A3); a flag given on the command line fixes its dimension. Writes
<workdir>/tune/<data set>/<protocol>/<method>/: trials.csv, best.flags for train's --flagfile, and events for
TensorBoard's HParams tab. The same command again goes on where it stopped; more --trials or another --seed
add to the search. Every trial trains with the run's --seed; --eval_users=0 ranks all users in all trials.

Examples:
    nmtr tune --method=bpr --dataset_dir=out/shop --workdir=out --trials=20 --max_minutes=30
    nmtr tune --method=bpr --dataset_dir=out/shop --workdir=out --search=grid --dry_run
    nmtr train --flagfile=out/tune/.../best.flags --dataset_dir=out/shop --workdir=out/run
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from absl import flags
from tqdm import tqdm

from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import SECTIONS, config_from_flags, new_flags, require, run
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.options import option_text
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.tuning.search import KINDS, Search
from nmtr_tf.tuning.space import size
from nmtr_tf.tuning.trials import STATES, Trial

# A search needs validation pairs and must not see test: these are no flags here.
_UNWANTED = ("validation", "curve_split")
_OPTIONS = [
    field.name for section in SECTIONS for field in dataclasses.fields(section) if field.name not in _UNWANTED
]

FLAGS = new_flags(*SECTIONS, only=_OPTIONS)
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Directory to write below; several searches may share it.", **_at)
flags.DEFINE_enum(
    "search", "random", KINDS, "Some points of the grid in random order, or all of them.", **_at
)
flags.DEFINE_integer("trials", 20, "Points that a random search tries.", **_at)
flags.DEFINE_bool("prune", True, "Stop trials that lag behind the median of the finished ones.", **_at)
flags.DEFINE_integer("warmup_epochs", 5, "Evaluations before which no trial is stopped.", 0, **_at)
flags.DEFINE_integer("warmup_trials", 5, "Finished trials before which no trial is stopped.", 1, **_at)
flags.DEFINE_float("max_minutes", 0, "Start no trial after these minutes; 0: no limit.", 0, **_at)
flags.DEFINE_bool("dry_run", False, "Say what would be tried, and train nothing.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_tune, FLAGS, __doc__, argv)


def _tune(values: flags.FlagValues) -> None:
    require(values, "dataset_dir", "workdir")
    if values.search == "grid" and values["trials"].present:
        raise InputError("--trials goes with --search=random; a grid has as many as it has points.")
    search = Search(
        Dataset.load(values.dataset_dir),
        config_from_flags(values),
        workdir=values.workdir,
        trials=values.trials,
        search=values.search,
        fixed=[name for name in _OPTIONS if values[name].present],
    )
    if values.dry_run:
        _show_points(values, search)
        return
    _run(values, search)
    _show_best(values, search)


def _run(values: flags.FlagValues, search: Search) -> None:
    """Runs the trials, with a bar for each and a line at its end."""
    if not search.todo:
        return
    import_tensorflow()
    bars: dict[int, tqdm] = {}

    def on_epoch(number: int, epochs: int) -> None:
        if number not in bars:
            bars[number] = progress_bar(values, search.plan.num_epochs, " epochs", desc=f"trial {number}")
        bars[number].update(epochs - bars[number].n)

    def on_trial(number: int, trial: Trial) -> None:
        bars[number].close()
        value = "" if trial.value is None else f" {search.monitor} {trial.value:.4f}"
        say(values, f"trial {number}: {trial.status}{value}  {_line(trial.settings)}")

    search.run(
        prune=values.prune,
        warmup_epochs=values.warmup_epochs,
        warmup_trials=values.warmup_trials,
        max_minutes=values.max_minutes,
        on_epoch=on_epoch,
        on_trial=on_trial,
    )
    if left := len(search.todo):
        say(values, f"{left} trials were not begun within {values.max_minutes:g} minutes.")


def _show_points(values: flags.FlagValues, search: Search) -> None:
    """Prints every trial with what became of it so far."""
    say(values, f"{size(search.space):,} grid points; {len(search.points):,} trials:")
    for point in search.points:
        found = search.find(point)
        say(values, f"{found.status if found else 'to run':>8}  {_line(point)}")


def _show_best(values: flags.FlagValues, search: Search) -> None:
    """Prints the ten best trials, and where everything is."""
    record = search.record
    best, trials = record.best, record.trials
    shown = [name for name in search.space if len({trial.settings[name] for trial in trials}) > 1]
    columns = ["trial", f"validation {search.monitor}", "best epoch", "epochs", "seconds", *shown]
    rows = [
        [
            trials.index(trial) + 1,
            trial.value,
            trial.best_epoch,
            trial.epochs,
            round(trial.seconds),
            *map(trial.settings.get, shown),
        ]
        for trial in best[:10]
    ]
    counts = ", ".join(f"{sum(trial.status == status for trial in trials)} {status}" for status in STATES)
    title = f"\n{search.title}: {len(trials)} trials ({counts}), the best"
    say(values, format_table(title, columns, rows) + "\n")
    say(values, f"Trials:      {record.csv_path}")
    if best:
        say(values, f"Settings:    {record.flags_path}")
    say(values, f"TensorBoard: tensorboard --logdir={record.events_dir}")


def _line(point: Mapping[str, Any]) -> str:
    return " ".join(f"--{name}={option_text(value)}" for name, value in point.items())
