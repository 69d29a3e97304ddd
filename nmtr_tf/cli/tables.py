"""Make the paper's Tables I to V from runs on a data set.

1  statistics of the data set
2  the best settings that tune found
3  all methods: HR and NDCG, tests against the best method of other groups, baselines; with --seeds a second
   table, of means and standard deviations
4  the NMTR methods with subsets of the auxiliary data, or with the one that --behaviors and --keep name
5  multi-task against sequential training; separate embeddings; the heads of the other behaviors

A table is printed, and written to --workdir as Markdown, LaTeX (booktabs) and JSON. It resumes: what
--results_dir has is not trained again. Settings come from <flags_dir>/<data set>/<method>.flags where that
exists; flags given here come last, each for the methods that read it. The paper's own values stand beside
--selection=peak.

Examples:
    nmtr tables --table=3 --dataset_dir=out/shop --workdir=out/paper --num_epochs=20
    nmtr tables --table=3 --seeds=0,1,2 --dataset_dir=out/shop --workdir=out/paper
    nmtr tables --table=4 --dataset_dir=out/shop --workdir=out/paper --dry_run
    nmtr tables --results_dir=docs/results --write=RESULTS.md
"""

from collections.abc import Mapping, Sequence

from absl import flags

from nmtr_tf.cli.console import say
from nmtr_tf.cli.flags import require, run, whole_numbers
from nmtr_tf.cli.paper_flags import open_study, study_flags
from nmtr_tf.cli.run_settings import read_flagfile
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_csv
from nmtr_tf.paper.data_tables import settings_table, statistics_table
from nmtr_tf.paper.documents import Table, to_text
from nmtr_tf.paper.estimates import overview
from nmtr_tf.paper.page_blocks import check_parts, replace_parts
from nmtr_tf.paper.paper_tables import CASCADES, TableRequest, write_tables
from nmtr_tf.paper.results_page import part_of
from nmtr_tf.paper.study import Study
from nmtr_tf.runs.stopping import going_on

FLAGS = study_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_enum("table", None, ["1", "2", "3", "4", "5"], "Table of the paper.", **_at)
flags.DEFINE_enum(
    "selection",
    "validation",
    ["validation", "peak"],
    "Whose test metrics are shown: those of the epoch that validation chose, or, metric by metric, the best "
    "of all epochs on test, as in the paper, with its values beside them.",
    **_at,
)
flags.DEFINE_list(
    "seeds",
    [],
    "For Table III: train once for each of these seeds, not once with --seed; the table is the first one's.",
    **_at,
)
flags.DEFINE_string(
    "write",
    "",
    "Page whose parts between marks are made anew from --results_dir: of all cells, of audits ('audits', "
    "'audit verdicts') and of what evaluate left in a directory there ('evaluations <directory>'); needs no "
    "data set.",
    **_at,
)
flags.DEFINE_string(
    "check",
    "",
    "Page whose parts between the marks have to be what --write would make of them: status 2 if not.",
    **_at,
)


def main(argv=None) -> int:
    """Entry point."""
    return run(_tables, FLAGS, __doc__, argv)


@going_on()
def _tables(values: flags.FlagValues) -> None:
    if values.write or values.check:
        _page(values)
        return
    require(values, "table")
    seeds = tuple(whole_numbers(values, "seeds"))
    if seeds and values.table != "3":
        raise InputError(f"`seeds` is for `table=3`. Received: `table={values.table}`.")
    study = open_study(values)
    if values.table == "1":
        _show(values, study, [statistics_table(study.name, study.dataset.header)])
    elif values.table == "2":
        _show(values, study, [_settings(values, study)])
    else:
        request = TableRequest(study, values.table, values.selection, tuple(values.methods), seeds)
        if values.dry_run:
            say(values, overview(request.study, request.cells()))
        else:
            _show(values, request.study, request.make())


def _show(values: flags.FlagValues, study: Study, tables: list[Table]) -> None:
    say(values, "\n" + "\n\n".join(to_text(table) for table in tables))
    first, *others = write_tables(study, values.table, values.selection, tables)
    say(values, f"\nWritten: {first}, {', '.join(file.suffix for file in others)}")


def _settings(values: flags.FlagValues, study: Study) -> Table:
    """Table II, from what tune left in the workdir."""
    methods = values.methods or CASCADES
    found: dict[str, tuple[int, RunConfig]] = {}
    for method in methods:
        directory = study.workdir / "tune" / study.name / study.protocol / method
        if (directory / "best.flags").is_file():
            num_trials = len(read_csv(directory / "trials.csv", ["trial"], "run tune again"))
            found[method] = num_trials, read_flagfile(directory / "best.flags")
    return settings_table(study.name, study.protocol, study.behaviors, found, methods)


def _page(values: flags.FlagValues) -> None:
    if values.table or (values.write and values.check):
        raise InputError(
            "`write` and `check` are of all finished cells; each excludes `table` and the other."
        )
    require(values, "results_dir")

    def part(name: str) -> str:
        return part_of(name, values.results_dir, _command_line)

    if values.write:
        replace_parts(values.write, part)
        say(values, f"Written: {values.write}")
    else:
        check_parts(values.check, part)
        say(values, f"{values.check} is what {values.results_dir} gives.")


def _command_line(options: Mapping[str, str], given: Sequence[str]) -> str:
    """The command that makes a table; see `nmtr_tf.paper.results_page.CommandLine`."""
    own = [f"{name}={value}" for name, value in options.items()]
    return " ".join(["nmtr tables", *(f"--{option}" for option in [*own, *given])])
