"""Train a method on a prepared data set.

Writes a run directory: config, metrics of every epoch, TensorBoard events, curves.png, checkpoints.

Examples:
    python -m experiments.train --flagfile=flags/quickstart.flags
    python -m experiments.train --dataset_dir=out/mine --workdir=out/run --method=nmtr_neumf
    python -m experiments.train --dataset_dir=out/mine --workdir=out/baseline --method=mc_bpr --beta=0.4
    python -m experiments.train --dataset_dir=out/june --workdir=out/run_june --init_from=out/run
    tensorboard --logdir=out
"""

import dataclasses
import sys
import time
import typing
from pathlib import Path

import numpy as np
from absl import flags

from experiments import cli
from experiments.run_settings import check_run
from nmtr_tf.config import DataConfig, EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.storage import load
from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file
from nmtr_tf.models.methods import get_method
from nmtr_tf.reporting.tables import format_table

if typing.TYPE_CHECKING:  # it imports TensorFlow, which comes after the flags are checked
    from nmtr_tf.training.warm_start import WarmStart

FLAGS = cli.new_flags(DataConfig, ModelConfig, TrainingConfig, EvaluationConfig)
flags.DEFINE_string("workdir", None, "Run directory to write.", flag_values=FLAGS)
flags.DEFINE_bool("overwrite", False, "Replace a finished run in --workdir.", flag_values=FLAGS)
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


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_train, FLAGS, __doc__, argv)


def _train(values: flags.FlagValues) -> None:
    cli.require(values, "dataset_dir", "workdir")
    config = RunConfig(
        data=cli.section_from_flags(DataConfig, values),
        model=cli.section_from_flags(ModelConfig, values),
        training=cli.section_from_flags(TrainingConfig, values),
        evaluation=cli.section_from_flags(EvaluationConfig, values),
    )
    seeds = cli.whole_numbers(values, "seeds")
    view = _view(config)
    cli.import_tensorflow()
    from nmtr_tf.training.device import set_device
    from nmtr_tf.training.run import Run

    device = set_device(config.training.device)
    configs = {
        Path(values.workdir) / f"seed_{seed}" if seeds else Path(values.workdir): dataclasses.replace(
            config, training=dataclasses.replace(config.training, seed=seed)
        )
        for seed in seeds or [config.training.seed]
    }
    for workdir in configs:
        Run(workdir).check_free(values.overwrite)
    start = _warm_start(values, config, view, list(configs))
    best = {path: train_one(values, path, one, view, device, start) for path, one in configs.items()}
    if seeds:
        _show_seeds(values, config, best)
    cli.say(values, f"Next:        python -m experiments.evaluate --workdir={values.workdir}")


def _view(config: RunConfig) -> Interactions:
    """The training view; whatever does not fit the data set fails here, before TensorFlow is imported."""
    get_method(config.model.method)
    interactions = load(config.data.dataset_dir)
    view = interactions.training_view(config.data.behaviors, config.data.protocol, config.data.validation)
    check_run(config, view)
    return view


def _warm_start(
    values: flags.FlagValues, config: RunConfig, view: Interactions, workdirs: list[Path]
) -> "WarmStart | None":
    """What --init_from names, read before a run directory is written; None without that flag."""
    from nmtr_tf.training.warm_start import WarmStart

    if not values.init_from:
        return None
    if Path(values.init_from).resolve() in [path.resolve() for path in workdirs]:
        raise InputError(f"--init_from={values.init_from} is the run to be written; name another --workdir.")
    start = WarmStart.read(values.init_from)
    start.check(config.model, view)
    return start


def train_one(
    values: flags.FlagValues,
    workdir: Path,
    config: RunConfig,
    view: Interactions,
    device: str,
    start: "WarmStart | None",
) -> dict[str, float]:
    """Trains one run, into a new run directory, and gives the logs of the epoch that it kept."""
    from experiments.progress import EpochProgress
    from nmtr_tf.models.nmtr import build_model
    from nmtr_tf.reporting.plots import plot_curves
    from nmtr_tf.training.run import Run, RunRecorder
    from nmtr_tf.training.trainer import train
    from nmtr_tf.training.warm_start import summary

    run = Run.create(workdir, config, view, values.overwrite)
    seed = config.training.seed
    model = build_model(config.model, view.behaviors, view.num_users, view.num_items, seed)
    title = (
        f"{get_method(config.model.method).label}, {view.protocol}, {config.data.dataset_dir}, seed {seed}"
    )
    cli.say(values, f"{title}: {model.count_params():,} parameters, on {device}")
    if start:
        run.update(init_from=(report := start.apply(model, view)))
        cli.say(values, summary(report))
    started = time.monotonic()
    callbacks = [RunRecorder(run), EpochProgress(values, config)]
    trained = train(model, view, config, callbacks, run.best_checkpoint)
    seconds = time.monotonic() - started
    with new_file(workdir / "curves.png") as path:
        plot_curves(trained.history, path, title)
    run.update(status="finished", best_epoch=trained.best_epoch, seconds=round(seconds, 1), device=device)
    monitored = f"validation {config.training.monitor} {trained.best_value:.4f}"
    chosen = f"best epoch {trained.best_epoch} ({monitored})" if trained.best_epoch else "last epoch kept"
    cli.say(values, f"\n{seconds:.0f} s, {chosen}\nCurves:      {workdir}/curves.png")
    cli.say(values, f"TensorBoard: tensorboard --logdir={run.events_dir}")
    return trained.history[(trained.best_epoch or 0) - 1]


def _show_seeds(values: flags.FlagValues, config: RunConfig, best: dict[Path, dict[str, float]]) -> None:
    names = [name for name in next(iter(best.values())) if name != "epoch" and "/loss_" not in name]
    numbers = np.array([[logs[name] for name in names] for logs in best.values()])
    rows = [[path.name, *row] for path, row in zip(best, numbers.tolist(), strict=True)]
    rows.append(["mean", *numbers.mean(axis=0).tolist()])
    if len(best) > 1:
        rows.append(["standard deviation", *numbers.std(axis=0, ddof=1).tolist()])
    title = f"\n{get_method(config.model.method).label}: the epoch that each seed kept"
    cli.say(values, format_table(title, ["", *names], rows) + "\n")


if __name__ == "__main__":
    sys.exit(main())
