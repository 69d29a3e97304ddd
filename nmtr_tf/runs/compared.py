"""A run that is compared: an evaluation, one for each seed, or one for each cut of a log in time."""

import dataclasses
import glob
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nmtr_tf.config import RunConfig, config_differences
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.files import resolved
from nmtr_tf.runs.directory import RunDirectory

if TYPE_CHECKING:  # it imports TensorFlow, which files of evaluations do not need
    from nmtr_tf.runs.run import Run

Comparable: TypeAlias = "Run | Evaluation | str | Path"


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """An evaluation, one for each seed, or one for each cut.

    Attributes:
        name: Unique among the runs that are compared.
        path: Its directory, as given; "": it has none.
        seeds: The seeds, in the order of `evaluations`; none for a single evaluation.
        evaluations: At least one, the rows sorted by user.
        cuts: Directories of data sets that are pooled, in the order of `evaluations`; none for a single one.
    """

    name: str
    path: str
    seeds: list[int]
    evaluations: list[Evaluation]
    cuts: list[str] = dataclasses.field(default_factory=list)

    @property
    def by_cut(self) -> list[list[Evaluation]]:
        """The evaluations of each cut; all of them where there is but one."""
        return [[one] for one in self.evaluations] if self.cuts else [self.evaluations]

    @property
    def num_users(self) -> int:
        """Distinct users."""
        return len(np.unique(np.concatenate([one.users for one in self.evaluations])))

    @property
    def num_candidates(self) -> np.ndarray:
        """Items that were ranked for each held-out one, int [n]."""
        return np.concatenate([of_cut[0].num_candidates for of_cut in self.by_cut])

    def by_user(self, metric: str) -> np.ndarray:
        """A metric such as "HR@50": float64 [num_users].

        It is the mean over the seeds; of several cuts the mean over those in which the user has held-out
        items, so that a user counts once, however many cuts he is in.
        """
        if self.cuts:
            return _pooled(self.evaluations, metric)
        return np.mean([evaluation.values(metric) for evaluation in self.evaluations], axis=0)

    def mean_and_stddev(self, metric: str) -> tuple[float, float | None]:
        """Mean of a metric, and the sample standard deviation over the seeds if there are several."""
        if self.cuts:
            return float(self.by_user(metric).mean()), None
        means = np.array([evaluation.values(metric).mean() for evaluation in self.evaluations])
        return float(means.mean()), float(means.std(ddof=1)) if len(means) > 1 else None


def _pooled(evaluations: list[Evaluation], metric: str) -> np.ndarray:
    users = np.concatenate([one.users[one.places.starts] for one in evaluations])
    values = np.concatenate([one.values(metric) for one in evaluations])
    _, place = np.unique(users, return_inverse=True)
    return np.bincount(place, values) / np.bincount(place)


def read_run(run: Comparable, name: str, path: str, split: str) -> ComparedRun:
    """A run to compare.

    Args:
        run: As `nmtr_tf.runs.comparison.compare` has it.
        name: Its name.
        path: Its directory; "": it has none.
        split: "test" or "validation".

    Raises:
        InputError: If it was not evaluated on the split.
    """
    if isinstance(run, Evaluation):
        if run.split != split:
            raise InputError(f"{run.where}: expected the split {split!r}. Found: {run.split!r}.")
        return ComparedRun(name, path, [], [run])
    if not isinstance(run, str | Path):
        return ComparedRun(name, path, [], [run.evaluation(split)])
    if "*" in path:
        return _read_cuts(name, path, split)
    directory = Path(path)
    if not directory.is_dir():
        raise InputError(f"{path}: no such directory.")
    found = seed_directories(directory)
    if Evaluation.exists(directory, split) or not found:
        return ComparedRun(name, path, [], [Evaluation.load(directory, split)])
    seeds = [int(child.name[5:]) for child in found]
    return ComparedRun(name, path, seeds, [Evaluation.load(child, split) for child in found])


def _read_cuts(name: str, pattern: str, split: str) -> ComparedRun:
    """The evaluations in all directories that match, of different data sets."""
    directories = [path for path in sorted(glob.glob(pattern)) if Path(path).is_dir()]
    if len(directories) < 2:
        raise InputError(f"{pattern}: expected at least two directories to pool. Found: {len(directories)}.")
    evaluations = [Evaluation.load(directory, split) for directory in directories]
    data = [one.dataset_fingerprint for one in evaluations]
    for place, (directory, one) in enumerate(zip(directories, evaluations, strict=True)):
        if data[place] in data[:place]:
            other = directories[data.index(data[place])]
            raise InputError(
                f"{pattern}: {other} and {directory} are of the same data set; expected a cut each."
            )
        asked, first = (one.protocol, one.mask), (evaluations[0].protocol, evaluations[0].mask)
        if asked != first:
            raise InputError(
                f"{pattern}: expected one protocol and mask. Received: {first} and, in {directory}, {asked}."
            )
    return ComparedRun(name, pattern, [], evaluations, directories)


def seed_directories(workdir: str | Path) -> list[Path]:
    """The subdirectories seed_<n> of a run of several seeds, by number; none for a single run.

    Raises:
        InputError: If runs there differ in more than the seed: what they come to on average is nothing's.
    """
    found = [path for path in Path(workdir).glob("seed_*") if re.fullmatch(r"seed_\d+", path.name)]
    found.sort(key=lambda path: int(path.name[5:]))
    runs = [RunDirectory(path) for path in found if (path / "run.json").is_file()]
    for run in runs[1:]:
        if differences := seed_differences(runs[0], run.read_config(), run.read_info().init_from):
            raise InputError(
                f"{runs[0].path} (there) and {run.path} (here) differ in more than the seed: "
                f"{'; '.join(differences)}. Train them with the same settings, or remove what is of others."
            )
    return found


def seed_differences(run: RunDirectory, wanted: RunConfig, init_from: Mapping[str, Any] | None) -> list[str]:
    """In what a stored run differs from another besides the seed, a text each.

    Args:
        run: The run that is there.
        wanted: The settings of the other.
        init_from: What the other took over from an earlier run, with its name as "run"; None: nothing.
    """
    stored, started = run.read_config(), run.read_info().init_from
    differences = config_differences(stored.with_options(seed=wanted.training.seed), wanted)
    there, here = (one and one["run"] for one in (started, init_from))
    if (there and resolved(there)) != (here and resolved(here)):
        differences.append(f"`init_from` is {there!r} there and {here!r} here")
    return differences
