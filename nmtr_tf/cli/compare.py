"""Compare evaluated runs with a baseline, user by user.

Every argument that is no flag is a run: a directory in which experiments.evaluate has left
metrics_<split>.json and ranks_<split>.parquet, or a directory with subdirectories seed_<n> of that kind,
which count as one run: a user's metric is then the mean over the seeds.

Prints the metrics and the differences from the baseline, with bootstrap intervals and the p-values of the
paired t-test and permutation test; --output_dir gets them as compare.json and compare.png.

Example:
    python -m experiments.compare out/gmf out/nmtr_gmf out/nmtr_neumf --output_dir=out/compared
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from nmtr_tf.cli import common as cli
from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import shown_k
from nmtr_tf.evaluation.significance import CONFIDENCE, compare_to_baseline
from nmtr_tf.files import new_directory, write_json
from nmtr_tf.reporting.comparisons import (
    Comparisons,
    differences_table,
    means_table,
    plot_differences,
)
from nmtr_tf.runs.saved import SavedRun, read_runs

FLAGS = cli.new_flags()
FLAGS.set_gnu_getopt()  # flags may follow the runs
flags.DEFINE_enum("split", "test", ["validation", "test"], "Held-out pairs to compare on.", flag_values=FLAGS)
flags.DEFINE_list("ks", [], "Cut-offs K of HR@K and NDCG@K; empty: the first run's.", flag_values=FLAGS)
flags.DEFINE_string(
    "metric", "", "Metric of the picture; empty: NDCG@100, or else NDCG at the largest K.", flag_values=FLAGS
)
flags.DEFINE_string(
    "baseline", "", "The run that the others are compared with; empty: the first.", flag_values=FLAGS
)
flags.DEFINE_string(
    "output_dir", "", "Directory for compare.json and compare.png; empty: print only.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "num_resamples", 10_000, "Resamples of the bootstrap and the permutation test.", 100, flag_values=FLAGS
)
flags.DEFINE_integer("seed", 0, "Seed of the resamples.", 0, flag_values=FLAGS)


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_compare, FLAGS, __doc__, argv, takes_arguments=True)


def _compare(values: flags.FlagValues, paths: list[str]) -> None:
    _check_output_dir(values.output_dir)
    runs = read_runs(paths, values.split)
    baseline = _find_baseline(runs, values.baseline)
    metrics, shown = _metrics(values, runs[0])
    others = [run for run in runs if run is not baseline]
    compared: Comparisons = {}
    with cli.progress_bar(values, len(metrics) * len(others), " comparisons", desc="resampling") as bar:
        for metric in metrics:
            reference = baseline.metric(metric).mean(axis=0)
            per_user = {run.name: run.metric(metric).mean(axis=0) for run in others}
            compared[metric] = compare_to_baseline(per_user, reference, values.num_resamples, values.seed)
            bar.update(len(others))
    means = {run.name: {metric: run.mean_and_stddev(metric) for metric in metrics} for run in runs}
    first = runs[0].evaluations[0]
    title = f"{values.split}, protocol {first.about['protocol']}, mask {first.about['mask']}, "
    title += f"{len(first.users):,} users"
    seeds = " (mean ± standard deviation over seeds)" if any(run.seeds for run in runs) else ""
    cli.say(values, means_table(title + seeds, means))
    cli.say(values, "\n" + differences_table(f"Difference from {baseline.name}, paired by user", compared))
    if values.output_dir:
        with new_directory(values.output_dir) as directory:
            write_json(directory / "compare.json", _json(values, runs, baseline, means, compared))
            plot_differences(compared[shown], directory / "compare.png", shown, baseline.name, title)
        cli.say(values, f"\nNumbers: {values.output_dir}/compare.json")
        cli.say(values, f"Picture: {values.output_dir}/compare.png")


def _metrics(values: flags.FlagValues, first: SavedRun) -> tuple[list[str], str]:
    """The metrics to compare, and the one of the picture."""
    ks = first.evaluations[0].ks
    if values.ks:
        ks = list(dict.fromkeys(cli.section_from_flags(EvaluationConfig, values).ks))
    metrics = [f"{name}@{k}" for k in ks for name in ("HR", "NDCG")]
    shown = values.metric or f"NDCG@{shown_k(ks)}"
    if shown not in metrics:
        raise InputError(f"--metric should be one of {', '.join(metrics)}. Received: {shown!r}.")
    return metrics, shown


def _find_baseline(runs: Sequence[SavedRun], baseline: str) -> SavedRun:
    if not baseline:
        return runs[0]
    for run in runs:
        if run.name == baseline or Path(run.path).resolve() == Path(baseline).resolve():
            return run
    names = ", ".join(run.name for run in runs)
    raise InputError(f"--baseline should be one of the runs, {names}. Received: {baseline!r}.")


def _check_output_dir(output_dir: str) -> None:
    path = Path(output_dir)
    if output_dir and path.exists():
        known = {path / name for name in ("compare.json", "compare.png")}
        if not path.is_dir() or (others := set(path.iterdir()) - known):
            found = path if not path.is_dir() else min(others)
            raise InputError(
                f"--output_dir={path} should be a new directory or that of a comparison. Found: {found}."
            )


def _json(
    values: flags.FlagValues,
    runs: Sequence[SavedRun],
    baseline: SavedRun,
    means: Mapping[str, Mapping[str, tuple[float, float | None]]],
    compared: Comparisons,
) -> dict[str, Any]:
    first = runs[0].evaluations[0]
    about_runs = {}
    for run in runs:
        metrics = {name: {"mean": m, "seed_stddev": s} for name, (m, s) in means[run.name].items()}
        method = run.evaluations[0].about.get("method")
        about_runs[run.name] = {"path": run.path, "method": method, "seeds": run.seeds, "metrics": metrics}
    return {
        **{name: first.about[name] for name in ("split", "protocol", "mask", "dataset_fingerprint")},
        "num_users": len(first.users),
        "baseline": baseline.name,
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
            for metric, rows in compared.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
