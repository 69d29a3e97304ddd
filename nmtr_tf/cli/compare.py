"""Compare evaluated runs with a baseline, user by user.

Every argument that is no flag is a run: a directory in which evaluate has left metrics_<split>.json and
ranks_<split>.parquet, or a directory with subdirectories seed_<n> of that kind, which count as one run: a
user's metric is then the mean over the seeds. An argument with a * in quotation marks is all directories that
match, pooled: cuts of one log in time, where a user's metric is the mean over the cuts that he is in.

Prints the metrics and the differences from the baseline, with bootstrap intervals and the p-values of the
paired t-test and permutation test; --output_dir gets them as compare.json and compare.png.

Example:
    nmtr compare out/gmf out/nmtr_gmf out/nmtr_neumf --output_dir=out/compared
    nmtr compare 'out/gmf/cut_*/baselines/ease' 'out/gmf/cut_*'
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import new_flags, run, whole_numbers
from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import check_metrics, metric_ks
from nmtr_tf.evaluation.significance import CONFIDENCE
from nmtr_tf.files import write_json
from nmtr_tf.folders import new_directory
from nmtr_tf.reporting.comparisons import differences_table, means_table, plot_differences
from nmtr_tf.reporting.tables import note_on_ks
from nmtr_tf.texts import counted

if TYPE_CHECKING:  # they import TensorFlow or pandas, which come after the flags are checked
    from nmtr_tf.evaluation.results import Evaluation
    from nmtr_tf.runs import Comparison

SCHEMA = 2
"""Of compare.json."""

FLAGS = new_flags()
FLAGS.set_gnu_getopt()  # flags may follow the runs
_at = {"flag_values": FLAGS}
flags.DEFINE_enum("split", "test", ["validation", "test"], "Held-out pairs to compare on.", **_at)
flags.DEFINE_list("ks", [], "Cut-offs K of the metrics; empty: the first run's.", **_at)
flags.DEFINE_list("metrics", [], "Metrics at each K, such as HR,NDCG; empty: the first run's.", **_at)
flags.DEFINE_string(
    "metric",
    "",
    "Metric of the picture; empty: NDCG, or else the first metric, at 100 or the largest K.",
    **_at,
)
flags.DEFINE_string("baseline", "", "The run that the others are compared with; empty: the first.", **_at)
flags.DEFINE_string("output_dir", "", "Directory for compare.json and compare.png; empty: print only.", **_at)
flags.DEFINE_integer(
    "num_resamples", 10_000, "Resamples of the bootstrap and the permutation test.", 100, **_at
)
flags.DEFINE_integer("seed", 0, "Seed of the resamples.", 0, **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_compare, FLAGS, __doc__, argv, takes_arguments=True)


def _compare(values: flags.FlagValues, paths: list[str]) -> None:
    _check_output_dir(values.output_dir)
    import_tensorflow()
    from nmtr_tf.runs.comparison import compare, read_runs

    runs = read_runs(paths, values.split)
    metrics, shown = _metrics(values, runs[0].evaluations[0])
    with progress_bar(values, len(metrics) * (len(runs) - 1), " comparisons", desc="resampling") as bar:
        found = compare(
            paths,
            values.split,
            metrics=metrics,
            baseline=values.baseline,
            num_resamples=values.num_resamples,
            seed=values.seed,
            progress=bar.update,
        )
    first = found.first
    title = f"{first.split}, protocol {first.protocol}, mask {first.mask}, "
    title += counted(found.baseline.num_users, "user")
    if cuts := found.baseline.cuts:
        title += f" of {len(cuts)} cuts"
    seeds = " (mean ± standard deviation over seeds)" if any(one.seeds for one in found.runs) else ""
    say(values, means_table(title + seeds, found.means_and_stddevs()))
    if note := note_on_ks(metric_ks(metrics), found.runs[0].num_candidates):
        say(values, note)
    difference = f"Difference from {found.baseline.name}, paired by user"
    say(values, "\n" + differences_table(difference, found.tests))
    if values.output_dir:
        with new_directory(values.output_dir) as directory:
            write_json(directory / "compare.json", _json(values, found))
            path = directory / "compare.png"
            plot_differences(found.tests[shown], path, shown, found.baseline.name, title)
        say(values, f"\nNumbers: {values.output_dir}/compare.json")
        say(values, f"Picture: {values.output_dir}/compare.png")


def _metrics(values: flags.FlagValues, first: "Evaluation") -> tuple[list[str], str]:
    """The metrics to compare, and the one of the picture."""
    kinds = values.metrics or list(dict.fromkeys(name.split("@")[0] for name in first.user_metrics))
    config = EvaluationConfig(ks=tuple(whole_numbers(values, "ks") or first.ks), metrics=tuple(kinds))
    check_metrics(config)
    shown = values.metric or config.shown_metric
    if shown not in config.metric_names:
        known = ", ".join(config.metric_names)
        raise InputError(f"`metric` should be one of {known}. Received: {shown!r}.")
    return config.metric_names, shown


def _check_output_dir(output_dir: str) -> None:
    path = Path(output_dir)
    if output_dir and path.exists():
        known = {path / name for name in ("compare.json", "compare.png")}
        if not path.is_dir() or (others := set(path.iterdir()) - known):
            found = path if not path.is_dir() else min(others)
            raise InputError(
                f"--output_dir={path} should be a new directory or that of a comparison. Found: {found}."
            )


def _json(values: flags.FlagValues, found: "Comparison") -> dict[str, Any]:
    """What compare.json holds."""
    first = found.first
    means = found.means_and_stddevs()
    about_runs = {
        one.name: {
            "path": one.path,
            "method": one.evaluations[0].method or None,
            "seeds": one.seeds,
            "cuts": one.cuts,
            "metrics": {name: {"mean": m, "seed_stddev": s} for name, (m, s) in means[one.name].items()},
        }
        for one in found.runs
    }
    return {
        "schema": SCHEMA,
        "split": first.split,
        "protocol": first.protocol,
        "mask": first.mask,
        "dataset_fingerprint": first.dataset_fingerprint,
        "num_users": found.baseline.num_users,
        "baseline": found.baseline.name,
        "interval": f"{CONFIDENCE:.0%}, percentile bootstrap over users (low, high)",
        "tests": {
            "t_test_p": "paired t-test, two-sided",
            "permutation_p": "paired permutation test of the mean (random signs), two-sided",
            "holm": "Holm's correction over the runs compared with the baseline, per metric",
        },
        "num_resamples": values.num_resamples,
        "seed": values.seed,
        "runs": about_runs,
        "comparisons": {
            metric: {name: dataclasses.asdict(row) for name, row in rows.items()}
            for metric, rows in found.tests.items()
        },
    }
