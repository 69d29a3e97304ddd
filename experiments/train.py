"""Train a method on a prepared data set.

Writes a run directory: config, metrics of every epoch, TensorBoard events, curves.png, checkpoints.

Examples:
    python -m experiments.train --flagfile=flags/quickstart.flags
    python -m experiments.train --dataset_dir=out/mine --workdir=out/run --method=nmtr_neumf
    tensorboard --logdir=out
"""

import sys
import time

from absl import flags

from experiments import cli
from nmtr_tf.config import DataConfig, EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.storage import load
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import get_method, unit_names

FLAGS = cli.new_flags(DataConfig, ModelConfig, TrainingConfig, EvaluationConfig)
flags.DEFINE_string("workdir", None, "Run directory to write.", flag_values=FLAGS)
flags.DEFINE_bool("overwrite", False, "Replace a finished run in --workdir.", flag_values=FLAGS)


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
    label = get_method(config.model.method).label
    interactions = load(config.data.dataset_dir)
    view = interactions.training_view(config.data.behaviors, config.data.protocol, config.data.validation)
    unit_names(config.model, view.behaviors)  # fails early
    config.training.behavior_weights(view.behaviors)
    if config.data.validation == "random" and not len(view.held_out["validation"]):
        raise InputError("The data set has no validation pairs; use --validation=none.")
    cli.import_tensorflow()
    from experiments.progress import EpochProgress
    from nmtr_tf.models.nmtr import build_model
    from nmtr_tf.training.callbacks import BestEpoch
    from nmtr_tf.training.device import set_device
    from nmtr_tf.training.run import Run, RunRecorder
    from nmtr_tf.training.trainer import train

    device = set_device(config.training.device)
    run = Run.create(values.workdir, config, view, values.overwrite)
    seed = config.training.seed
    model = build_model(config.model, view.behaviors, view.num_users, view.num_items, seed)
    title = f"{label}, {view.protocol}, {config.data.dataset_dir}"
    cli.say(values, f"{title}: {model.count_params():,} parameters, on {device}")
    monitor, patience = f"validation/{config.training.monitor}", config.training.patience
    best = BestEpoch(monitor, patience, run.best_checkpoint)
    started = time.monotonic()
    train(model, view, config, [RunRecorder(run, title), best, EpochProgress(values, config)])
    seconds = time.monotonic() - started
    best_epoch = None if best.epoch is None else best.epoch + 1
    run.update(status="finished", best_epoch=best_epoch, seconds=round(seconds, 1), device=device)
    chosen = f"best epoch {best_epoch} ({monitor} {best.value:.4f})" if best_epoch else "last epoch kept"
    cli.say(values, f"\n{seconds:.0f} s, {chosen}")
    cli.say(
        values, f"Curves:      {run.workdir}/curves.png\nTensorBoard: tensorboard --logdir={run.events_dir}"
    )
    cli.say(values, f"Next:        python -m experiments.evaluate --workdir={run.workdir}")


if __name__ == "__main__":
    sys.exit(main())
