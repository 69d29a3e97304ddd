"""Rank the held-out items of a trained run, or of baselines, among the whole catalogue.

Writes metrics_<split>.json and ranks_<split>.parquet into the run directory, or into a directory for each
baseline, and prints the metrics. Baselines of a run learn from what it learned from, those of a data set from
what a run of the defaults does.

Examples:
    nmtr evaluate --workdir=out/run
    nmtr evaluate --baselines=all,linear --workdir=out/run
    nmtr evaluate --baselines=all --dataset_dir=out/shop --output_dir=out/baselines
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from nmtr_tf.cli.baseline_flags import define_baseline_options, given_baseline_options
from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import given, new_flags, require, run, section_from_flags
from nmtr_tf.cli.opened import define_unfinished, open_run
from nmtr_tf.cli.several_cuts import for_each_cut
from nmtr_tf.config import PROTOCOLS, DataConfig, EvaluationConfig, RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.table import BASELINES, LINEAR, RULE
from nmtr_tf.evaluation.metrics import check_metrics
from nmtr_tf.evaluation.result_files import check_destination
from nmtr_tf.reporting.tables import metrics_table, note_on_ks
from nmtr_tf.texts import counted

if TYPE_CHECKING:  # they import TensorFlow or pandas, which come after the flags are checked
    import pandas as pd

    from nmtr_tf.evaluation.results import Evaluation

FLAGS = new_flags(EvaluationConfig)
_at = {"flag_values": FLAGS}
_GROUPS = {"all": RULE, "linear": LINEAR}
_KNOWN = {
    kind: ", ".join(name for name, row in BASELINES.items() if row.kind == kind) for kind in (RULE, LINEAR)
}
flags.DEFINE_string(
    "workdir", None, "Run directory of train; of several seeds or cuts, the one above.", **_at
)
flags.DEFINE_string(
    "dataset_dir", "", "Data set directory; empty: where the run's data set was when it trained.", **_at
)
flags.DEFINE_enum("split", "test", ["validation", "test"], "Held-out pairs to rank.", **_at)
flags.DEFINE_enum(
    "protocol",
    "",
    ["", *PROTOCOLS],
    "Protocol of the training rows; empty: the run's own, or the data set's.",
    **_at,
)
define_unfinished(FLAGS)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)
flags.DEFINE_list(
    "baselines",
    [],
    f"Baselines to rank, of a run or a data set: names, 'all' (those that learn nothing: {_KNOWN[RULE]}) or "
    f"'linear' ({_KNOWN[LINEAR]}).",
    **_at,
)
flags.DEFINE_string(
    "output_dir", "", "For baselines: where to write, a directory each; empty: <workdir>/baselines.", **_at
)
flags.DEFINE_enum(
    "validation",
    "random",
    ["random", "none"],
    "For baselines of a data set: 'random' holds the validation purchases out, as training does, 'none' "
    "gives them back.",
    **_at,
)
flags.DEFINE_list("behaviors", [], "For baselines of a data set: behaviors to learn from; empty: all.", **_at)
flags.DEFINE_list("keep", [], "For baselines of a data set: shares of auxiliary rows, as for train.", **_at)
_OPTIONS = define_baseline_options(FLAGS)
_OF_DATA = ("validation", "behaviors", "keep")
_FOR_BASELINES = ("output_dir", *_OF_DATA, *_OPTIONS)


def main(argv=None) -> int:
    """Entry point."""
    return run(_evaluate, FLAGS, __doc__, argv)


def _evaluate(values: flags.FlagValues) -> None:
    check_metrics(section_from_flags(EvaluationConfig, values))
    evaluate = _evaluate_baselines if values.baselines else _evaluate_runs
    found = {cut: evaluate(values) for cut in for_each_cut(values, "workdir", "dataset_dir")}
    if len(found) > 1:
        _show_pooled(values, found)


def _show_pooled(values: flags.FlagValues, found: "Mapping[str, Mapping[str, Evaluation]]") -> None:
    """The metrics over the users of all cuts, each of whom counts once."""
    import pandas as pd

    from nmtr_tf.runs.compared import ComparedRun

    first, *others = found.values()
    names = [name for name in first if all(name in of_cut for of_cut in others)]  # a cut may lack a baseline
    rows = {}
    for name in names:
        pooled = ComparedRun(name, "", [], [of_cut[name] for of_cut in found.values()], list(found))
        metrics = pooled.evaluations[0].user_metrics
        rows[name] = {metric: pooled.mean_and_stddev(metric)[0] for metric in metrics}
        rows[name]["users"] = pooled.num_users
    table = pd.DataFrame(rows).T.astype({"users": int})
    say(values, "\n" + metrics_table(f"{len(found)} cuts, {_title(pooled.evaluations[0])}", table))


def _evaluate_runs(values: flags.FlagValues) -> "dict[str, Evaluation]":
    _refuse(values, _FOR_BASELINES, "goes with --baselines; a run has its own settings.")
    require(values, "workdir")
    import_tensorflow()
    from nmtr_tf.runs.compared import seed_directories
    from nmtr_tf.training.device import set_device

    set_device(values.device)
    seeds = seed_directories(values.workdir)
    if seeds:
        found = {path.name: _evaluate_run(values, path) for path in seeds}
        first = next(iter(found.values()))
        _show(values, f"{first.method}, {_title(first)}", _seeds_table(found), first)
        return found
    evaluation = _evaluate_run(values, Path(values.workdir))
    _show(values, f"{evaluation.method}, {_title(evaluation)}", evaluation.table(), evaluation)
    say(values, f"\nRanks:       {values.workdir}/ranks_{values.split}.parquet")
    say(values, f"Curves:      {values.workdir}/curves.png")
    say(values, f"TensorBoard: tensorboard --logdir={values.workdir}/events")
    return {evaluation.method: evaluation}


def _evaluate_run(values: flags.FlagValues, workdir: Path) -> "Evaluation":
    opened = open_run(values, workdir)
    if values.dataset_dir:
        opened.use_dataset(values.dataset_dir)
    num_users = opened.dataset.num_held_out_users(values.split)
    with progress_bar(values, num_users, " users", desc="ranking") as bar:
        opened.evaluate(
            values.split, protocol=values.protocol, progress=bar.update, **given(EvaluationConfig, values)
        )
    return opened.evaluation(values.split)


def _show(values: flags.FlagValues, title: str, table: "pd.DataFrame", one: "Evaluation") -> None:
    """Prints a table of metrics, and a note on the K that say nothing; `one` of its evaluations is enough."""
    say(values, metrics_table(title, table))
    if note := note_on_ks(one.ks, one.num_candidates):
        say(values, note)
    if touched := one.about.get("num_touched_before"):
        say(values, f"Pairs: {len(one.items):,} ranked, {touched:,} left out, as touched before.")


def _title(found: "Evaluation") -> str:
    return f"{found.split}, protocol {found.protocol}, mask {found.mask}"


def _seeds_table(found: "dict[str, Evaluation]") -> "pd.DataFrame":
    """A row for each seed, their mean and, where there are several, the standard deviation."""
    import pandas as pd

    table = pd.concat([one.table().loc[["all"]].set_axis([name]) for name, one in found.items()])
    summary = {"mean": table.mean()}
    if len(table) > 1:
        summary["standard deviation"] = table.std(ddof=1)
    rows = pd.DataFrame(summary).T.assign(users=table["users"].iloc[0])
    return pd.concat([table, rows])


def _refuse(values: flags.FlagValues, names: Sequence[str], why: str) -> None:
    if foreign := [name for name in names if values[name].present]:
        raise InputError(f"--{foreign[0]} {why}")


def _evaluate_baselines(values: flags.FlagValues) -> "dict[str, Evaluation]":
    dataset, config = _of_run(values) if values.workdir else _of_dataset(values)
    options = given_baseline_options(values, _OPTIONS, _names(values, dataset))
    directory = Path(values.output_dir or Path(values.workdir) / "baselines")
    for name in options:
        check_destination(directory / name, values.split)
    import_tensorflow()
    import pandas as pd

    from nmtr_tf.evaluation.baselines import evaluate_baseline
    from nmtr_tf.training.device import set_device

    set_device(values.device)
    found = {}
    for name, own in options.items():
        with progress_bar(values, dataset.num_held_out_users(values.split), " users", desc=name) as bar:
            evaluation = evaluate_baseline(dataset, name, values.split, config, progress=bar.update, **own)
        evaluation.save(directory / name)
        found[name] = evaluation
    tables = [one.table().loc[["all"]].set_axis([name]) for name, one in found.items()]
    title = f"{_title(evaluation)}, {counted(evaluation.num_users, 'user')}"
    _show(values, title, pd.concat(tables), evaluation)
    return found


def _of_dataset(values: flags.FlagValues) -> tuple[Dataset, RunConfig]:
    """A data set, and what to learn from it, which runs of the defaults learn from as well."""
    require(values, "dataset_dir", "output_dir")
    data, evaluation = section_from_flags(DataConfig, values), section_from_flags(EvaluationConfig, values)
    return Dataset.load(values.dataset_dir), RunConfig(data, evaluation=evaluation)


def _of_run(values: flags.FlagValues) -> tuple[Dataset, RunConfig]:
    """A run's data set, and what it learned from; of several seeds the first, since they share it."""
    data = given(DataConfig, values)
    import_tensorflow()
    from nmtr_tf.runs import Run
    from nmtr_tf.runs.compared import seed_directories

    opened = Run([*seed_directories(values.workdir), values.workdir][0])
    of_run = opened.config.data
    _refuse(
        values,
        [name for name in _OF_DATA if data.get(name, getattr(of_run, name)) != getattr(of_run, name)],
        "goes with --dataset_dir; baselines of a run learn from what it learned from.",
    )
    if values.dataset_dir:
        opened.use_dataset(values.dataset_dir)
    options = {"protocol": values.protocol} if values.protocol else {}
    options |= given(EvaluationConfig, values)
    return opened.dataset, opened.config.with_options(**options, monitor="")


def _names(values: flags.FlagValues, dataset: Dataset) -> list[str]:
    """The baselines that are asked for, checked before one is built.

    Of a group those are taken that miss nothing; it says which do. What is named must be there.
    """
    names: list[str] = []
    for name in values.baselines:
        members = [one for one, row in BASELINES.items() if row.kind == _GROUPS.get(name)]
        for one in members or [name]:
            if not (missing := BASELINES.find(one).missing(dataset)):
                names.append(one)
            elif members:
                say(values, f"{one} is left out: it {missing}\n")
            else:
                raise InputError(f"`baselines={one}` {missing}")
    return list(dict.fromkeys(names))
