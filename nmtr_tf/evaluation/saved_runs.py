"""Runs as their evaluations left them, read back and checked for comparison."""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import mean_metrics, metric_values
from nmtr_tf.files import read_json

_SHARED = {"dataset_fingerprint": "data set", "protocol": "protocol", "mask": "mask"}


@dataclasses.dataclass(frozen=True)
class SavedEvaluation:
    """What `nmtr_tf.evaluation.results.write_results` wrote, the rows sorted by user.

    Attributes:
        directory: Where it is.
        about: The metrics file.
        users: Raw ids, int or str [num_users], each once.
        items: Raw ids of the held-out items, [num_users].
        ranks: float64 [num_users], 0-based.
        num_candidates: int32 [num_users], items that were ranked.
    """

    directory: Path
    about: Mapping[str, Any]
    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    num_candidates: np.ndarray

    @property
    def ks(self) -> list[int]:
        """The cut-offs in the metrics file."""
        return [int(name[3:]) for name in self.about if re.fullmatch(r"HR@[1-9]\d*", name)]


@dataclasses.dataclass(frozen=True)
class SavedRun:
    """An evaluation, or one for each seed.

    Attributes:
        name: Unique among the runs read with it.
        path: Its directory, as given.
        seeds: The seeds, in the order of `evaluations`; none for a single evaluation.
        evaluations: At least one.
    """

    name: str
    path: str
    seeds: list[int]
    evaluations: list[SavedEvaluation]

    def metric(self, name: str) -> np.ndarray:
        """A metric such as "HR@50", float64 [num_evaluations, num_users]."""
        return np.stack([metric_values(evaluation.ranks, name) for evaluation in self.evaluations])

    def mean_and_stddev(self, name: str) -> tuple[float, float | None]:
        """Mean of a metric, and the sample standard deviation over the seeds if there are several."""
        means = self.metric(name).mean(axis=1)
        return float(means.mean()), float(means.std(ddof=1)) if len(means) > 1 else None


def read_runs(paths: Sequence[str], split: str) -> list[SavedRun]:
    """Reads the runs to compare.

    Args:
        paths: Directories with metrics_<split>.json and ranks_<split>.parquet, or with subdirectories
            seed_<n> of that kind.
        split: "validation" or "test".

    Raises:
        InputError: If there are fewer than two, if a file is missing or unfit, or if the runs do not share
            data set, protocol, mask, users, held-out items or candidates.
    """
    if len(paths) < 2:
        raise InputError(f"Expected at least two runs to compare. Received: {len(paths)}.")
    resolved = [Path(path).resolve() for path in paths]
    for i, path in enumerate(resolved):
        if path in resolved[:i]:
            raise InputError(f"The same run twice: {paths[resolved.index(path)]} and {paths[i]}.")
    names = [path.name for path in resolved]
    names = [name if names.count(name) == 1 else path for name, path in zip(names, paths, strict=True)]
    runs = [_read_run(name, path, split) for name, path in zip(names, paths, strict=True)]
    first, *others = itertools.chain.from_iterable(run.evaluations for run in runs)
    for other in others:
        _check_comparable(first, other)
    return runs


def _read_run(name: str, path: str, split: str) -> SavedRun:
    directory = Path(path)
    if not directory.is_dir():
        raise InputError(f"{path}: no such directory.")
    found = seed_directories(directory)
    if (directory / f"metrics_{split}.json").exists() or not found:
        return SavedRun(name, path, [], [_read_evaluation(directory, split)])
    seeds = [int(child.name[5:]) for child in found]
    return SavedRun(name, path, seeds, [_read_evaluation(child, split) for child in found])


def seed_directories(workdir: str | Path) -> list[Path]:
    """The subdirectories seed_<n> of a run of several seeds, by number; none for a single run."""
    found = [path for path in Path(workdir).glob("seed_*") if re.fullmatch(r"seed_\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name[5:]))


def _read_evaluation(directory: Path, split: str) -> SavedEvaluation:
    path, ranks_path = directory / f"metrics_{split}.json", directory / f"ranks_{split}.parquet"
    for needed in (path, ranks_path):
        if not needed.is_file():
            raise InputError(
                f"{directory}: expected {needed.name}, which python -m experiments.evaluate "
                f"--split={split} writes."
            )
    about = read_json(path)
    if not isinstance(about, dict):
        raise InputError(f"{path}: expected a JSON object.")
    if missing := [name for name in ("split", *_SHARED) if name not in about]:
        raise InputError(f"{path}: expected the entry {missing[0]!r}.")
    if about["split"] != split:
        raise InputError(f"{path}: expected the split {split!r}. Found: {about['split']!r}.")
    evaluation = SavedEvaluation(directory, about, **_read_ranks(ranks_path))
    if not evaluation.ks:
        raise InputError(f"{path}: expected metrics HR@K.")
    for name, value in mean_metrics(evaluation.ranks, evaluation.ks).items():
        written = about.get(name)
        if not (isinstance(written, int | float) and abs(written - value) <= 1e-6):
            raise InputError(
                f"{ranks_path}: not the ranks of {path.name}: {name} is {value} here, {written} there; "
                "evaluate the run again."
            )
    return evaluation


def _read_ranks(path: Path) -> dict[str, np.ndarray]:
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: expected a whole Parquet file: {error}") from None
    columns = {}
    for name, kinds in {"user": "iuU", "item": "iuU", "rank": "iuf", "num_candidates": "iu"}.items():
        if name not in table.column_names:
            raise InputError(f"{path}: expected a column {name!r}. Found: {', '.join(table.column_names)}.")
        values = table[name].to_numpy()
        columns[name] = values.astype(str) if values.dtype == object else values
        if table[name].null_count or columns[name].dtype.kind not in kinds:
            raise InputError(f"{path}: column {name!r} has values that are empty or of the wrong type.")
    order = np.argsort(columns["user"], kind="stable")
    users, items, ranks, num_candidates = (values[order] for values in columns.values())
    if len(users) < 2:
        raise InputError(f"{path}: expected at least two users. Found: {len(users)}.")
    if (twice := users[1:] == users[:-1]).any():
        raise InputError(f"{path}: expected a row for each user. Found twice: {users[1:][twice][0]}.")
    if not ((ranks >= 0) & (ranks < num_candidates)).all():
        raise InputError(f"{path}: expected ranks from 0 to the number of candidates - 1.")
    return {"users": users, "items": items, "ranks": ranks, "num_candidates": num_candidates}


def _check_comparable(first: SavedEvaluation, other: SavedEvaluation) -> None:
    where = f"{first.directory} and {other.directory} cannot be compared"
    for name, text in _SHARED.items():
        if first.about[name] != other.about[name]:
            values = f"{first.about[name]!r} and {other.about[name]!r}"
            raise InputError(f"{where}: they differ in {text}: {values}.")
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
                f"(and so for {different.sum():,} users)."
            )
