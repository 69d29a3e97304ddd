"""Train a method on a prepared data set.

Writes a run directory: config, metrics of every epoch, TensorBoard events, curves.png, checkpoints. A run
that was cut, by whatever, goes on when the same command is given again, and ends the same.

Examples:
    nmtr train --method_settings=quickstart
    nmtr train --dataset_dir=out/mine --workdir=out/run --method=nmtr_neumf
    nmtr train --dataset_dir=out/mine --workdir=out/baseline --method=mc_bpr --beta=0.4
    nmtr train --dataset_dir=out/taobao --workdir=out/nmtr_gmf --method_settings=taobao/nmtr_gmf
    nmtr train --dataset_dir=out/mine --workdir=out/linear --method=nmtr_linear --linear_lambda=30
    nmtr train --dataset_dir=out/june --workdir=out/run_june --init_from=out/run
    nmtr train --final_of=out/run --workdir=out/final
    nmtr train --refit_of=out/run --workdir=out/refit
    tensorboard --logdir=out
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from nmtr_tf.cli.console import import_tensorflow, say
from nmtr_tf.cli.flags import (
    SECTIONS,
    config_from_flags,
    new_flags,
    require,
    run,
    whole_numbers,
)
from nmtr_tf.cli.seeds import finished, show_seeds
from nmtr_tf.cli.several_cuts import for_each_cut, take_last_cut
from nmtr_tf.cli.typed import command
from nmtr_tf.cli.workers import speaks
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.methods.closed_form import MAX_DENSE
from nmtr_tf.methods.table import get_method
from nmtr_tf.runs.checks import CHECKPOINT_EVERY, RESUME, check_resume, checkpoint_interval, set_up
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.final import OF_THE_PLACE, Origin

if TYPE_CHECKING:  # it imports TensorFlow, which comes after the flags are checked
    from nmtr_tf.runs import Run

FLAGS = new_flags(*SECTIONS)
flags.DEFINE_string("workdir", None, "Run directory to write.", flag_values=FLAGS)
flags.DEFINE_bool(
    "overwrite", False, "Replace the run in --workdir, a finished one too, and begin anew.", flag_values=FLAGS
)
flags.DEFINE_enum(
    "resume",
    "auto",
    RESUME,
    "What becomes of an unfinished run in --workdir: 'auto' goes on from its last checkpoint, if there is "
    "one, and refuses where the data set, the settings or the versions are others; 'never' begins anew; "
    "'must' refuses where there is no checkpoint; 'force' goes on whatever has changed, which run.json then "
    "says.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "checkpoint_every",
    CHECKPOINT_EVERY,
    "Steps (500) or minutes (10m) between two checkpoints within an epoch; 0: none. There is one at the end "
    "of each epoch besides.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "seeds",
    [],
    "Train once for each of these seeds, into <workdir>/seed_<n>, not once with --seed.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "init_from",
    "",
    "Directory of a finished run to start from, on a data set that may have other users, items and "
    "behaviors: what they have in common keeps its weights, the rest and the optimizer's state start new.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "final_of",
    "",
    "Directory of an evaluated run whose settings are fitted on everything, to be exported: all rows of its "
    "data set, held-out ones included, for as many epochs as its best weights took. Of several cuts the last "
    "is: the others end before it.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "refit_of",
    "",
    "Directory of a finished run whose settings are fitted on what it held out for validation as well, but "
    "not on the test rows, for as many epochs as its best weights took: to be evaluated.",
    flag_values=FLAGS,
)


def main(argv=None) -> int:
    """Entry point."""
    return run(_train, FLAGS, __doc__, argv)


def _train(values: flags.FlagValues) -> None:
    check_resume(values.resume, values.overwrite)
    checkpoint_interval(values.checkpoint_every)
    option = "final_of" if values.final_of else "refit_of" if values.refit_of else ""
    if option == "final_of":
        take_last_cut(values, "final_of", "dataset_dir")
    cut = ""
    for cut in for_each_cut(values, option or "dataset_dir"):
        if cut and values.seeds:
            raise InputError("--seeds goes with one cut; for several, give each --seed its --workdir.")
        speaks(values, bool(cut))
        if option:
            _train_again(values, option, partly=bool(cut))
        else:
            _train_new(values, partly=bool(cut))
    say(values, f"Next:        {_next_command(values, option, of_cuts=bool(cut))}")


def _next_command(values: flags.FlagValues, option: str, of_cuts: bool) -> str:
    """What usually comes then; of several cuts a refit, as their runs held out the days before each."""
    if option == "final_of":
        return f"{command('export')} --workdir={values.workdir} --export_dir=..."
    if of_cuts and not option:
        return f"{command('train')} --refit_of={values.workdir} --workdir=..."
    return f"{command('evaluate')} --workdir={values.workdir}"


def _train_new(values: flags.FlagValues, partly: bool) -> None:
    """Trains a run or, with --seeds, several; `partly`: it is one of several, any of which may be done."""
    require(values, "dataset_dir", "workdir")
    config = config_from_flags(values)
    workdir, seeds = Path(values.workdir), whole_numbers(values, "seeds")
    dataset = Dataset.load(config.data.dataset_dir)
    # What does not fit fails here, before TensorFlow is imported and before the first of several seeds.
    config = set_up(config, dataset).config
    configs = {workdir / f"seed_{seed}": config.with_options(seed=seed) for seed in seeds}
    configs = configs or {workdir: config}
    done = [] if values.overwrite else finished(configs, values.init_from, partly) if seeds or partly else []
    for path in configs:
        if speaks(values) and path not in done:
            RunDirectory(path).check_free(values.overwrite)
        if values.init_from and path.resolve() == Path(values.init_from).resolve():
            raise InputError(f"--init_from={values.init_from} is the run to be written.")
    import_tensorflow()
    runs = {path: _train_one(values, path, one, dataset, path in done) for path, one in configs.items()}
    if seeds:
        show_seeds(values, runs)


def _train_again(values: flags.FlagValues, option: str, partly: bool) -> None:
    """Fits the settings of a run on more rows: on everything, or on all but the test rows."""
    own = ["seeds", "method_settings", *({"final_of", "refit_of"} - {option})]
    own += [field.name for section in SECTIONS for field in dataclasses.fields(section)]
    if given := [name for name in own if values[name].present and name not in ("dataset_dir", *OF_THE_PLACE)]:
        raise InputError(
            f"--{given[0]} goes without --{option}, which takes the settings of the run it names."
        )
    require(values, "workdir")
    run = values[option].value
    origin, stored = Origin.of(run, option), RunDirectory(run).dataset_dir
    config = origin.settings
    dataset = Dataset.load(values.dataset_dir or (stored if stored.is_dir() else config.data.dataset_dir))
    origin.check(dataset)
    workdir = Path(values.workdir)
    if workdir.resolve() == Path(run).resolve():
        raise InputError(f"--{option}={run} is the run to be written; name another --workdir.")
    config = dataset.resolved(config.with_options(**{name: values[name].value for name in OF_THE_PLACE}))
    done = partly and not values.overwrite and RunDirectory(workdir).is_finished
    done = done and getattr(RunDirectory(workdir).read_info(), option) == origin.name
    if speaks(values) and not done:
        RunDirectory(workdir).check_free(values.overwrite)
    import_tensorflow()
    _train_one(values, workdir, config, dataset, done)


def _train_one(
    values: flags.FlagValues, workdir: Path, config: RunConfig, dataset: Dataset, is_done: bool = False
) -> "Run":
    """Trains one run and says what came out; one that is done is opened."""
    from nmtr_tf.cli.progress import EpochProgress
    from nmtr_tf.runs import Run, fit
    from nmtr_tf.runs.warm_start import summary
    from nmtr_tf.training.device import set_device
    from nmtr_tf.training.strategy import make_strategy

    if is_done:
        say(values, f"{workdir}: finished before")
        return Run(workdir).use_dataset(dataset)
    device = set_device(config.training.device)
    label = get_method(config.model.method).label
    title = f"{label}, {config.data.protocol or dataset.protocol}, {config.data.dataset_dir}, "
    strategy = make_strategy(config.training)
    place = f"{strategy.num_replicas_in_sync} replicas on {device}" if strategy else f"on {device}"
    title += f"seed {config.training.seed}, {place}"
    again = values.final_of or values.refit_of
    title += f", on everything, as {values.final_of}" if values.final_of else ""
    title += f", on all but the test rows, as {values.refit_of}" if values.refit_of else ""
    trained = fit(
        dataset,
        None if again else config,
        workdir=workdir,
        callbacks=[EpochProgress(values, config, title)],
        init_from=values.init_from or None,
        final_of=values.final_of or None,
        refit_of=values.refit_of or None,
        overwrite=values.overwrite,
        resume=values.resume,
        checkpoint_every=values.checkpoint_every,
        **({name: getattr(config.training, name) for name in OF_THE_PLACE} if again else {}),
    )
    info = trained.info
    if info.init_from:
        say(values, summary(info.init_from))
    if rank := trained.config.linear.linear_rank:
        weights = f"Item-to-item weights are of rank {rank:,}, two factors of {info.num_items:,} items"
        is_exact = "no less than there are users, so that they are exact"
        is_less = f"up to {MAX_DENSE:,} items, --linear_rank=0 has a weight for every two"
        say(values, f"{weights}: {is_exact if rank >= info.num_users else is_less}")
    chosen = "last epoch kept"
    if info.best_value is not None:
        chosen = f"best epoch {info.best_epoch} (validation {config.training.monitor} {info.best_value:.4f})"
    if info.chosen:
        chosen += f"; linear part times {info.chosen['linear_weight']:g}"
        chosen += f", the rest as of epoch {info.chosen['num_epochs']}"
    say(values, f"\n{info.seconds:.0f} s, {chosen}\nCurves:      {workdir}/curves.png")
    say(values, f"TensorBoard: tensorboard --logdir={workdir}/events")
    return trained
