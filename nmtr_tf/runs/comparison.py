"""Runs compared with a baseline, user by user. It needs no TensorFlow."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.evaluation.significance import PairedComparison, compare_to_baseline
from nmtr_tf.runs.compared import Comparable, ComparedRun, read_run
from nmtr_tf.texts import counted

_SHARED = {
    "dataset_fingerprint": "data set",
    "protocol": "protocol",
    "mask": "mask",
    "validation": "`validation`, so in what they learn from",
}


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` found.

    Attributes:
        runs: The runs, in the order in which they were given.
        baseline: The one that the others are compared with.
        metrics: What was compared.
        tests: Metric -> name of a run -> the comparison with the baseline.
    """

    runs: list[ComparedRun]
    baseline: ComparedRun
    metrics: list[str]
    tests: Mapping[str, Mapping[str, PairedComparison]]

    @property
    def first(self) -> Evaluation:
        """One of the evaluations: data set, protocol, mask and users are those of all."""
        return self.runs[0].evaluations[0]

    def means_and_stddevs(self) -> dict[str, dict[str, tuple[float, float | None]]]:
        """Run -> metric -> mean, and standard deviation over the seeds or None."""
        return {run.name: {name: run.mean_and_stddev(name) for name in self.metrics} for run in self.runs}

    @property
    def means(self) -> pd.DataFrame:
        """A row for each run and a column for each metric: means over users and seeds."""
        rows = {
            name: {metric: mean for metric, (mean, _) in row.items()}
            for name, row in self.means_and_stddevs().items()
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=self.metrics)

    @property
    def differences(self) -> pd.DataFrame:
        """A row for each metric and run but the baseline, with the fields of `PairedComparison`."""
        rows = [
            {"metric": metric, "run": name, **dataclasses.asdict(row)}
            for metric, tested in self.tests.items()
            for name, row in tested.items()
        ]
        return pd.DataFrame(rows).set_index(["metric", "run"])

    def __repr__(self) -> str:
        """Both tables."""
        return f"{self.means}\n\nDifference from {self.baseline.name}, paired by user\n{self.differences}"


def compare(
    runs: Sequence[Comparable],
    split: str = "test",
    *,
    metrics: Sequence[str] | None = None,
    baseline: str = "",
    num_resamples: int = 10_000,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Compares evaluated runs with a baseline, user by user.

    Args:
        runs: At least two: runs, evaluations, or directories that hold metrics_<split>.json and
            ranks_<split>.parquet, or subdirectories seed_<n> of that kind, which count as one run. A path
            with a "*" is all directories that match: cuts of one log in time, pooled.
        split: "test" or "validation".
        metrics: Such as "HR@50"; None: those of the first run that have a value for each user.
        baseline: Name or directory of the run that the others are compared with; "": the first.
        num_resamples: Resamples of the bootstrap and the permutation test.
        seed: Seed of the resamples.
        progress: Called with the number of comparisons done since the last call.

    Raises:
        InputError: If there are fewer than two runs, if one was not evaluated on the split, or if they do
            not share data set, protocol, mask, validation, users, held-out items or candidates.
    """
    compared = read_runs(runs, split)
    chosen = _find_baseline(compared, baseline)
    others = [run for run in compared if run is not chosen]
    names = list(metrics or compared[0].evaluations[0].user_metrics)
    tests: dict[str, dict[str, PairedComparison]] = {}
    for metric in names:
        by_user = {run.name: run.by_user(metric) for run in others}
        tests[metric] = compare_to_baseline(by_user, chosen.by_user(metric), num_resamples, seed)
        if progress:
            progress(len(others))
    return Comparison(compared, chosen, names, tests)


def read_runs(runs: Sequence[Comparable], split: str) -> list[ComparedRun]:
    """The runs to compare, with names of their own; raises what `compare` does."""
    if len(runs) < 2:
        raise InputError(f"Expected at least two runs to compare. Received: {len(runs)}.")
    paths = [_path(run) for run in runs]
    resolved = [Path(path).resolve() if path else None for path in paths]
    for i, path in enumerate(resolved):
        if path and path in resolved[:i]:
            raise InputError(f"The same run twice: {paths[resolved.index(path)]} and {paths[i]}.")
    compared = [
        read_run(run, name, path, split)
        for run, name, path in zip(runs, _names(runs, paths), paths, strict=True)
    ]
    for run in compared[1:]:
        if len(run.cuts) != len(compared[0].cuts):
            counts = " and ".join(f"{one.path}: {len(one.cuts) or 1}" for one in (compared[0], run))
            raise InputError(f"Expected as many directories of every run to pool. Received: {counts}.")
    for of_cut in zip(*(run.by_cut for run in compared), strict=True):
        first, *others = itertools.chain.from_iterable(of_cut)
        for other in others:
            _check_comparable(first, other)
    return compared


def _path(run: Comparable) -> str:
    """The directory that was given, or that a run has; "": none."""
    if isinstance(run, Evaluation):
        return ""
    if isinstance(run, str | Path):
        return str(run)
    return str(run.workdir or "")


def _names(runs: Sequence[Comparable], paths: Sequence[str]) -> list[str]:
    """The last part of a directory, else the method; whole paths and numbers where that is not unique."""
    short = [
        Path(path).resolve().name if path else _method(run) for run, path in zip(runs, paths, strict=True)
    ]
    names = [path or name if short.count(name) > 1 else name for name, path in zip(short, paths, strict=True)]
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


def _method(run: Comparable) -> str:
    if isinstance(run, Evaluation):
        return run.method or "run"
    assert not isinstance(run, str | Path)  # they have a path
    return run.info.method


def _find_baseline(runs: Sequence[ComparedRun], baseline: str) -> ComparedRun:
    if not baseline:
        return runs[0]
    for run in runs:
        if run.name == baseline or (run.path and Path(run.path).resolve() == Path(baseline).resolve()):
            return run
    names = ", ".join(run.name for run in runs)
    raise InputError(f"`baseline` should be one of the runs, {names}. Received: {baseline!r}.")


def _check_comparable(first: Evaluation, other: Evaluation) -> None:
    where = f"{first.where} and {other.where} cannot be compared"
    for name, text in _SHARED.items():
        ours, theirs = getattr(first, name), getattr(other, name)
        if ours != theirs and ours and theirs:  # "" is not known
            again = f" Evaluate one of them again, with `mask={ours}`." if name == "mask" else ""
            raise InputError(f"{where}: they differ in {text}: {ours!r} and {theirs!r}.{again}")
    if not np.array_equal(first.users, other.users):
        shared = len(set(first.users.tolist()) & set(other.users.tolist()))
        counts = f"{len(first.users):,} and {len(other.users):,}, {shared:,} in both"
        raise InputError(f"{where}: they rank for other users: {counts}.")
    for name, text in {"items": "held-out item", "num_candidates": "number of candidates"}.items():
        ours, theirs = getattr(first, name), getattr(other, name)
        if not np.array_equal(ours, theirs):
            different = ours != theirs
            values = f"{ours[different][0]!s} and {theirs[different][0]!s}"
            raise InputError(
                f"{where}: the {text} of user {first.users[different][0]} differs: {values} "
                f"({counted(int(different.sum()), 'held-out item')} like that)."
            )
