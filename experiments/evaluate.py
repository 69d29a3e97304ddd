"""Rank the held-out items of a trained run among the whole catalogue.

Writes metrics_<split>.json and ranks_<split>.parquet into the run directory and prints the metrics.

Example:
    python -m experiments.evaluate --workdir=out/run
"""

import dataclasses
import sys

from absl import flags

from experiments import cli
from nmtr_tf.config import PROTOCOLS, EvaluationConfig
from nmtr_tf.reporting.tables import metrics_table

FLAGS = cli.new_flags(EvaluationConfig)
flags.DEFINE_string("workdir", None, "Run directory of experiments.train.", flag_values=FLAGS)
flags.DEFINE_string(
    "dataset_dir", "", "Where the run's data set is now; empty: as trained.", flag_values=FLAGS
)
flags.DEFINE_enum("split", "test", ["validation", "test"], "Held-out pairs to rank.", flag_values=FLAGS)
flags.DEFINE_enum(
    "protocol",
    "",
    ["", *PROTOCOLS],
    "Protocol of the training rows; empty: the run's own.",
    flag_values=FLAGS,
)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", flag_values=FLAGS)


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_evaluate, FLAGS, __doc__, argv)


def _evaluate(values: flags.FlagValues) -> None:
    cli.require(values, "workdir")
    cli.import_tensorflow()
    from nmtr_tf.evaluation.ranking import ModelScorer, rank_held_out
    from nmtr_tf.evaluation.results import write_results
    from nmtr_tf.training.device import set_device
    from nmtr_tf.training.run import Run

    run = Run(values.workdir)
    view = run.view(values.dataset_dir, values.protocol)
    given = {f.name for f in dataclasses.fields(EvaluationConfig) if values[f.name].present}
    flagged = cli.section_from_flags(EvaluationConfig, values)
    changes = {name: getattr(flagged, name) for name in given}
    config = dataclasses.replace(run.config().evaluation, **changes)
    set_device(values.device)
    scorer = ModelScorer(run.load_model())
    with cli.progress_bar(values, len(view.held_out[values.split]), " users", desc="ranking") as bar:
        ranks = rank_held_out(scorer, view, values.split, config, progress=bar.update)
    about = run.about()
    extra = {"method": about["method"], "best_epoch": about.get("best_epoch")}
    metrics = write_results(run.workdir, values.split, view, ranks, config, extra)
    title = f"{values.split}, protocol {view.protocol}, mask {config.mask}, {len(ranks.ranks):,} users"
    cli.say(values, metrics_table(title, {about["method"]: metrics}))


if __name__ == "__main__":
    sys.exit(main())
