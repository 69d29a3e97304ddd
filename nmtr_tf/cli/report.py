"""Write a page about a run that one can look at: one HTML file that needs no network.

It says what the data is and whether it leaks, shows the curves, the test metrics with intervals beside
baselines, groups of users, some users with their history and recommendations, how much of the catalogue is
recommended, and how to get the run again. A run that was not evaluated on test is evaluated first, as
evaluate does without options.

Examples:
    nmtr report --workdir=out/run
    nmtr report --workdir=out/run --items=items.csv --output=out/report.html
"""

from pathlib import Path

from absl import flags

from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import new_flags, require, run
from nmtr_tf.cli.opened import define_unfinished, open_run
from nmtr_tf.errors import InputError

FLAGS = new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Run directory that train wrote.", **_at)
flags.DEFINE_string("dataset_dir", "", "Where the run's data set is now; empty: as trained.", **_at)
flags.DEFINE_string("output", "", "File to write; empty: report.html in the run directory.", **_at)
flags.DEFINE_string("items", "", "CSV file with the columns id and title: titles of items.", **_at)
flags.DEFINE_bool(
    "baselines", True, "Evaluate popularity, touched first and, where it fits, EASE, to compare with.", **_at
)
flags.DEFINE_integer("k", 10, "Items that each user is recommended.", lower_bound=1, **_at)
flags.DEFINE_integer("num_users", 20, "Users that are shown with their items.", lower_bound=0, **_at)
define_unfinished(FLAGS)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_report, FLAGS, __doc__, argv)


def _report(values: flags.FlagValues) -> None:
    require(values, "workdir")
    if values.output and Path(values.output).is_dir():
        raise InputError(f"`output={values.output}` should be a file, but it is a directory.")
    items = values["items"].value
    if items and not Path(items).is_file():
        raise InputError(f"`items={items}`: no such file.")
    import_tensorflow()
    from nmtr_tf.training.device import set_device

    trained = open_run(values, values.workdir)
    set_device(values.device)
    if values.dataset_dir:
        trained.use_dataset(values.dataset_dir)
    with progress_bar(values, None, " steps") as bar:

        def progress(what: str) -> None:
            bar.set_description(what)
            bar.update()

        path = trained.report(
            values.output or None,
            items=items or None,
            baselines=values.baselines,
            k=values.k,
            num_users=values.num_users,
            progress=progress,
        )
    say(values, f"Written: {path}")
