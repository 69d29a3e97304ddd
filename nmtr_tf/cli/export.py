"""Export a trained run as a SavedModel for TensorFlow Serving, with its model card.

Writes the next version, <export_dir>/1, 2, ..., and replaces none.

Example:
    nmtr export --workdir=out/demo --export_dir=models/nmtr --k=100
"""

from pathlib import Path
from typing import Any

from absl import flags

from nmtr_tf.cli.console import import_tensorflow, say
from nmtr_tf.cli.flags import new_flags, require, run
from nmtr_tf.cli.left_out import define_items, define_left_out, items_of_flag
from nmtr_tf.cli.opened import define_unfinished, open_run
from nmtr_tf.files import read_json
from nmtr_tf.reporting.tables import format_table

FLAGS = new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Run directory that train wrote.", **_at)
flags.DEFINE_string("export_dir", None, "Directory of the versions of the exported model.", **_at)
flags.DEFINE_string("dataset_dir", "", "Where the run's data set is now; empty: as trained.", **_at)
flags.DEFINE_integer(
    "k",
    None,
    "Items that a recommendation has at most; empty: 100, or all of a smaller catalogue.",
    **_at,
    lower_bound=1,
)
flags.DEFINE_integer(
    "candidates",
    0,
    "Of models with towers: so many items, 1000 say, are found first by one product, and they alone are "
    "ranked by the model, which is faster for large catalogues; what that misses is measured and stands in "
    "the model card. 0: the model ranks all.",
    **_at,
    lower_bound=0,
)
flags.DEFINE_enum(
    "index",
    None,
    ["faiss"],
    "With item vectors and a FAISS index of them, for whoever has a vector store; the model card shows how "
    "to ask it. Of models whose scores are inner products of two vectors, and of those with towers by "
    "--candidates; the linear methods have neither.",
    **_at,
)
define_left_out(FLAGS)
define_items(FLAGS, "the model card then has examples with titles")
define_unfinished(FLAGS)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_export, FLAGS, __doc__, argv)


def _export(values: flags.FlagValues) -> None:
    require(values, "workdir", "export_dir")
    import_tensorflow()
    from nmtr_tf.training.device import set_device

    trained = open_run(values, values.workdir)
    set_device(values.device)
    if values.dataset_dir:
        trained.use_dataset(values.dataset_dir)
    exclude_items = items_of_flag(values, "exclude_items", trained.dataset)
    directory = trained.export(
        values.export_dir,
        values.k,
        values.exclude,
        exclude_items=exclude_items or (),
        items=values.items or None,
        candidates=values.candidates,
        index=values.index,
    )
    entries = read_json(directory / "model.json")
    if found := entries["two_stages"]:
        say(
            values,
            f"Two stages: of the {found['k']} best items {100 * found['recall']:.2f} % are among the "
            f"{found['candidates']:,} candidates (mean over {found['users']:,} users).\n",
        )
    if found := entries["index"]:
        size = f"{found['num_items']:,} vectors of {found['dimensions']} dimensions"
        say(values, f"Index: {size}, {found['kind']}, which is exact; MODEL_CARD.md shows how to ask it.\n")
    say(values, _summary(directory, entries["signatures"]))


def _summary(directory: Path, signatures: dict[str, Any]) -> str:
    """The signatures, and how to serve the model."""
    rows = [[name, ", ".join(one["inputs"]), ", ".join(one["outputs"])] for name, one in signatures.items()]
    base = directory.parent.resolve()
    return (
        format_table("Signatures", ["signature", "inputs", "outputs"], rows)
        + f"\n\nWritten: {directory}/ (MODEL_CARD.md says what it is). To serve it:\n"
        f"tensorflow_model_server --rest_api_port=8501 --model_name={base.name} --model_base_path={base}"
    )
