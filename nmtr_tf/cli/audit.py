"""Audit a data set: what its training rows give away about the held-out pairs.

Prints tables and a one-sentence verdict, and writes audit.json and audit.png.

Example:
    python -m experiments.audit --dataset_dir=out/shop
"""

import sys
from pathlib import Path

from absl import flags

from nmtr_tf.cli import common as cli
from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.storage import load_with_events
from nmtr_tf.files import new_file, write_json

FLAGS = cli.new_flags(EvaluationConfig, only=("eval_memory_mb",))
_at = {"flag_values": FLAGS}
flags.DEFINE_string("dataset_dir", None, "Data set directory written by experiments.prepare.", **_at)
flags.DEFINE_string("output_dir", "", "Where to write; empty: the data set directory.", **_at)
flags.DEFINE_integer("k", 100, "K of the references' HR@K.", **_at, lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of the reference 'random'.", **_at, lower_bound=0)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_audit, FLAGS, __doc__, argv)


def _audit(values: flags.FlagValues) -> None:
    cli.require(values, "dataset_dir")
    cli.import_tensorflow()
    from nmtr_tf.evaluation.audit import audit
    from nmtr_tf.evaluation.baselines.rules import available_references
    from nmtr_tf.reporting.audits import audit_tables, plot_audit
    from nmtr_tf.training.device import set_device

    set_device(values.device)
    interactions, events = load_with_events(values.dataset_dir)
    names = available_references(events)
    with cli.progress_bar(values, len(names), " references", desc="ranking") as bar:
        found = audit(
            interactions,
            events,
            k=values.k,
            seed=values.seed,
            memory_mb=values.eval_memory_mb,
            progress=lambda name: bar.update(),
        )
    directory = Path(values.output_dir or values.dataset_dir)
    title = f"{Path(values.dataset_dir).name}: {found.num_users:,} users, {found.num_items:,} items"
    with new_file(directory / "audit.png") as path:  # takes its place only when both are written
        plot_audit(found, path, title)
        write_json(
            directory / "audit.json", {"dataset_fingerprint": interactions.fingerprint, **found.to_json()}
        )
    cli.say(values, f"{audit_tables(found)}\n\n{found.verdict}\n\nWritten: {directory}/audit.json, audit.png")


if __name__ == "__main__":
    sys.exit(main())
