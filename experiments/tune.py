"""Search the settings of a method on validation, and never look at test.

The grid is the paper's (Section IV-A3); a flag given on the command line fixes its dimension. Writes
<workdir>/tune/<data set>/<protocol>/<method>/: trials.csv, best.flags for train's --flagfile, and events for
TensorBoard's HParams tab. The same command again goes on where it stopped; more --trials or another --seed
add to the search. Every trial trains with the run's --seed; --eval_users=0 ranks all users in all trials.

Examples:
    python -m experiments.tune --method=bpr --dataset_dir=out/shop --workdir=out --trials=20 --max_minutes=30
    python -m experiments.tune --method=bpr --dataset_dir=out/shop --workdir=out --search=grid --dry_run
    python -m experiments.train --flagfile=out/tune/.../best.flags --dataset_dir=out/shop --workdir=out/run
"""

import dataclasses
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from experiments import cli
from experiments.run_settings import SECTIONS, check_run
from nmtr_tf.config import RunConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.storage import load
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import get_method
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.training.search import Space, flag_text, grid_points, random_points, search_space, size
from nmtr_tf.training.trials import STATES, TrialRecord, settings_of, trial_key

Settings = Mapping[str, Any]

# A search needs validation pairs and must not see test: these are no flags here.
_FIXED = ("validation", "curve_split")
_FIELDS = [field.name for section in SECTIONS for field in dataclasses.fields(section)]

FLAGS = cli.new_flags(*SECTIONS, only=[name for name in _FIELDS if name not in _FIXED])
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Directory to write below; several searches may share it.", **_at)
flags.DEFINE_enum(
    "search", "random", ["random", "grid"], "Some points of the grid in random order, or all of them.", **_at
)
flags.DEFINE_integer("trials", 20, "Points that a random search tries.", **_at)
flags.DEFINE_bool("prune", True, "Stop trials that lag behind the median of the finished ones.", **_at)
flags.DEFINE_integer("warmup_epochs", 5, "Evaluations before which no trial is stopped.", 0, **_at)
flags.DEFINE_integer("warmup_trials", 5, "Finished trials before which no trial is stopped.", 1, **_at)
flags.DEFINE_float("max_minutes", 0, "Start no trial after these minutes; 0: no limit.", 0, **_at)
flags.DEFINE_bool("dry_run", False, "Say what would be tried, and train nothing.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_tune, FLAGS, __doc__, argv)


def _tune(values: flags.FlagValues) -> None:
    cli.require(values, "dataset_dir", "workdir")
    if values.trials < 1:
        raise InputError(f"--trials should be at least 1. Received: {values.trials}.")
    if values.search == "grid" and values["trials"].present:
        raise InputError("--trials goes with --search=random; a grid has as many as it has points.")
    search = _Search.from_flags(values)
    if values.dry_run:
        search.show_plan()
        return
    search.run()
    search.show_best()


class _Search:
    """A search as the flags spell it out.

    Args:
        values: The command's flags.
        config: What all trials share.
        view: The interactions, without test pairs.
        space: The dimensions, each with one value where its flag was given.
    """

    def __init__(self, values: flags.FlagValues, config: RunConfig, view: Interactions, space: Space):
        self._values, self._config, self._view, self._space = values, config, view, space
        self._dataset = Path(config.data.dataset_dir).resolve().name
        self._seed, self._monitor = config.training.seed, config.training.monitor
        grid = values.search == "grid"
        self._points = list(grid_points(space)) if grid else random_points(space, values.trials, self._seed)
        about = {"dataset": self._dataset, "fingerprint": view.fingerprint, "protocol": view.protocol}
        about |= {name: flag_text(value) for name, value in settings_of(config, without=list(space)).items()}
        about["behaviors"] = flag_text(view.behaviors)
        directory = Path(values.workdir) / "tune" / self._dataset / view.protocol / config.model.method
        self._record, self._events = TrialRecord(directory, list(space), about), directory / "events"

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "_Search":
        """Reads the data set; whatever does not fit fails here, before TensorFlow is imported."""
        config = RunConfig(*[cli.section_from_flags(section, values) for section in SECTIONS])
        data = config.data
        view = load(data.dataset_dir).training_view(data.behaviors, data.protocol, data.validation)
        check_run(config, view)
        # Whatever is measured from here on, it is not test.
        view = dataclasses.replace(view, held_out={**view.held_out, "test": view.held_out["test"][:0]})
        settings = settings_of(config)
        space = {
            name: [settings[name]] if values[name].present else options
            for name, options in search_space(config, view.behaviors).items()
        }
        return cls(values, config, view, space)

    def show_plan(self) -> None:
        """Prints every trial with what became of it so far."""
        cli.say(self._values, f"{size(self._space):,} grid points; {len(self._points):,} trials:")
        for point in self._points:
            found = self._record.find(trial_key(point, self._seed))
            cli.say(self._values, f"{found.status if found else 'to run':>8}  {_line(point)}")

    def run(self) -> None:
        """Runs the trials that were not run yet, as far as --max_minutes go."""
        todo = [point for point in self._points if not self._record.find(trial_key(point, self._seed))]
        if not todo:
            return
        cli.import_tensorflow()
        from nmtr_tf.reporting.events import write_search
        from nmtr_tf.training.device import set_device

        set_device(self._config.training.device)
        write_search(self._events, self._space, self._monitor)
        started, limit = time.monotonic(), self._values.max_minutes
        for count, point in enumerate(todo):
            if limit and time.monotonic() - started > 60 * limit:
                left = len(todo) - count
                cli.say(self._values, f"{left} trials were not begun within {limit:g} minutes.")
                break
            self._run_one(point)

    def _run_one(self, point: Settings) -> None:
        from nmtr_tf.reporting.events import write_trial
        from nmtr_tf.training.pruning import MedianPruner
        from nmtr_tf.training.trial_run import run_trial

        values, config, number = self._values, self._config, len(self._record.trials) + 1
        finished = [trial.curve for trial in self._record.best] if values.prune else []
        pruner = MedianPruner(
            f"validation/{self._monitor}", finished, values.warmup_epochs, values.warmup_trials
        )
        total = config.training.num_epochs
        with cli.progress_bar(values, total, " epochs", desc=f"trial {number}") as bar:
            trial, history = run_trial(config, self._view, point, pruner, bar.update)
        self._record.add(trial)
        if self._record.best:
            self._record.write_best(config, self._comment())
        write_trial(self._events, f"trial_{number}", point, history, self._monitor)
        value = "" if trial.value is None else f" {self._monitor} {trial.value:.4f}"
        cli.say(values, f"trial {number}: {trial.status}{value}  {_line(point)}")

    def _comment(self) -> list[str]:
        """What stands above the settings in best.flags."""
        best, trials, values = self._record.best[0], self._record.trials, self._values
        pruned = sum(trial.status == "pruned" for trial in trials)
        return [
            f"{get_method(self._config.model.method).label} on {self._dataset}, protocol "
            f"{self._view.protocol}: the best of {len(trials)} trials ({pruned} pruned) of experiments.tune,",
            f"--search={values.search}, seed {best.seed}: validation {self._monitor} {best.value:.4f} "
            f"at epoch {best.best_epoch} of {best.epochs}.",
        ]

    def show_best(self) -> None:
        """Prints the ten best trials, and where everything is."""
        best, trials = self._record.best, self._record.trials
        shown = [name for name in self._space if len({trial.settings[name] for trial in trials}) > 1]
        columns = ["trial", f"validation {self._monitor}", "best epoch", "epochs", "seconds", *shown]
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
        label = get_method(self._config.model.method).label
        title = (
            f"\n{label}, {self._dataset}, {self._view.protocol}: {len(trials)} trials ({counts}), the best"
        )
        cli.say(self._values, format_table(title, columns, rows) + "\n")
        cli.say(self._values, f"Trials:      {self._record.csv_path}")
        if best:
            cli.say(self._values, f"Settings:    {self._record.flags_path}")
        cli.say(self._values, f"TensorBoard: tensorboard --logdir={self._events}")


def _line(point: Settings) -> str:
    return " ".join(f"--{name}={flag_text(value)}" for name, value in point.items())


if __name__ == "__main__":
    sys.exit(main())
