"""Draw the paper's Figures 2 to 5 from runs on a data set.

2, 3  training loss, HR@100 and NDCG@100 on test in every epoch: NeuMF, MC-NeuMF, NMTR-NeuMF. In the paper 2
      is Beibei's and 3 Tmall's; here both draw the data set that is given. TensorBoard shows the same.
4     HR@100 of the NMTR methods for the loss weights of two or three behaviors.
5     HR@100 and NDCG@100 by the number of training purchases: NeuMF, CMF, MC-BPR, MC-NeuMF, NMTR-NeuMF; below
      it, whether users with few purchases are served better, by a test over all users.

A figure is a PNG, an SVG and the numbers as JSON in --workdir. The runs are shared with tables: what
--results_dir has is not trained again.

Examples:
    nmtr figures --figure=2 --dataset_dir=out/shop --workdir=out/paper --num_epochs=20
    nmtr figures --figure=4 --dataset_dir=out/shop --workdir=out/paper --dry_run
"""

from absl import flags

from nmtr_tf.cli.console import say
from nmtr_tf.cli.flags import require, run
from nmtr_tf.cli.paper_flags import open_study, study_flags
from nmtr_tf.paper.cell_runs import run_cells
from nmtr_tf.paper.estimates import overview
from nmtr_tf.paper.paper_figures import METHODS_OF_FIGURES, figure_cells, write_figure
from nmtr_tf.runs.stopping import going_on

FLAGS = study_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_enum("figure", None, list(METHODS_OF_FIGURES), "Figure of the paper.", **_at)
flags.DEFINE_enum(
    "selection",
    "validation",
    ["validation", "peak"],
    "Epoch that is shown (4) or marked (2, 3): the one that validation chose, or the best on test, as in the "
    "paper.",
    **_at,
)


def main(argv=None) -> int:
    """Entry point."""
    return run(_figures, FLAGS, __doc__, argv)


@going_on()
def _figures(values: flags.FlagValues) -> None:
    require(values, "figure")
    study = open_study(values)
    wanted = figure_cells(study, values.figure, values.selection, values.methods)
    cells = [cell for own in wanted.values() for cell in own]
    if values.dry_run:
        say(values, overview(study, cells))
        return
    files, verdict = write_figure(study, values.figure, wanted, run_cells(study, cells), values.selection)
    say(values, "\n" + "\n".join(str(file) for file in files if not file.is_dir()))
    if verdict:
        say(values, "\n" + "\n".join(verdict))
    for directory in (file for file in files if file.is_dir()):
        say(values, f"TensorBoard: tensorboard --logdir={directory}")
