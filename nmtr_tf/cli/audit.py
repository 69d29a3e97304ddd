"""Audit a data set: what its training rows give away about the held-out pairs.

Prints tables and a verdict in a sentence or two, and writes audit.json and audit.png.

Example:
    nmtr audit --dataset_dir=out/shop
"""

from pathlib import Path

from absl import flags

from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import new_flags, require, run
from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.evaluation.baselines.table import RULE, available_baselines
from nmtr_tf.files import new_file, write_json

FLAGS = new_flags(EvaluationConfig, only=("eval_memory_mb",))
_at = {"flag_values": FLAGS}
flags.DEFINE_string("dataset_dir", None, "Data set directory written by prepare.", **_at)
flags.DEFINE_string("output_dir", "", "Where to write; empty: the data set directory.", **_at)
flags.DEFINE_integer(
    "k", None, "K of the rules' HR@K; empty: 100, or less where there are few items.", **_at, lower_bound=1
)
flags.DEFINE_integer("seed", 0, "Seed of the rule 'random'.", **_at, lower_bound=0)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_audit, FLAGS, __doc__, argv)


def _audit(values: flags.FlagValues) -> None:
    require(values, "dataset_dir")
    dataset = Dataset.load(values.dataset_dir)
    import_tensorflow()
    from nmtr_tf.evaluation.audit import audit
    from nmtr_tf.reporting.audits import audit_tables, plot_audit
    from nmtr_tf.training.device import set_device

    set_device(values.device)
    with progress_bar(values, len(available_baselines(dataset, RULE)), " rules", desc="ranking") as bar:
        found = audit(
            dataset,
            k=values.k,
            seed=values.seed,
            memory_mb=values.eval_memory_mb,
            progress=lambda name: bar.update(),
        )
    directory = Path(values.output_dir or values.dataset_dir)
    title = f"{dataset.name}: {found.num_users:,} users, {found.num_items:,} items"
    with new_file(directory / "audit.png") as path:  # takes its place only when both are written
        plot_audit(found, path, title)
        write_json(directory / "audit.json", {"dataset_fingerprint": dataset.fingerprint, **found.to_json()})
    say(values, f"{audit_tables(found)}\n\n{found.verdict}\n\nWritten: {directory}/audit.json, audit.png")
