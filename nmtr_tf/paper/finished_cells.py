"""The finished cells of a data set under a protocol and mask."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.question import Question
from nmtr_tf.paper.variants import Variant


def load_results(directory: str | Path) -> dict[str, CellResult]:
    """All results in a directory, by name.

    Raises:
        InputError: As `CellResult.load` does.
    """
    return {path.stem: CellResult.load(path) for path in sorted(Path(directory).glob("[!.]*.json"))}


@dataclasses.dataclass(frozen=True)
class FinishedCells:
    """The finished cells of a data set under a protocol and mask.

    Attributes:
        dataset: Its name.
        question: The protocol and mask.
        behaviors: All behaviors of the data set, weakest first.
        results: Name -> result.
    """

    dataset: str
    question: Question
    behaviors: tuple[str, ...]
    results: Mapping[str, CellResult]

    @classmethod
    def load(cls, directory: str | Path) -> "FinishedCells":
        """All results of a data set, protocol and mask: those in <results_dir>/<data set>/<question>.

        Raises:
            InputError: If there is none, if a file is none, or if they are of different data sets or masks.
        """
        results = load_results(directory)
        if not results:
            raise InputError(f"{directory}: expected results of cells, *.json. Found none.")
        first = next(iter(results.values()))
        for name, result in results.items():
            if result.dataset_fingerprint != first.dataset_fingerprint:
                raise InputError(f"{directory}: {name}.json is of another data set than {first.name}.json.")
            if result.question != first.question:
                raise InputError(
                    f"{directory}: {name}.json has {result.question}, {first.name}.json {first.question}."
                )
        return cls(first.dataset, first.question, first.dataset_behaviors, results)

    @classmethod
    def load_all(cls, results_dir: str | Path) -> "list[FinishedCells]":
        """All results below a directory, by the names of data set, protocol and mask.

        Raises:
            InputError: If there are none, or as `load` does.
        """
        directories = sorted({path.parent for path in Path(results_dir).glob("*/*/[!.]*.json")})
        if not directories:
            raise InputError(
                f"`results_dir={results_dir}`: expected <data set>/<protocol>/<cell>.json. Found none."
            )
        return [cls.load(directory) for directory in directories]

    def find(self, variant: Variant) -> CellResult | None:
        """The result of a variant; None: not finished."""
        return self.results.get(variant.name(self.behaviors))

    def apart(self, selection: str) -> "list[FinishedCells]":
        """Cells whose metrics are of the same users, most users first.

        Peaks on a sample of users and on everybody are not to be compared, nor a sample's with baselines.

        Args:
            selection: As `CellResult.num_users` has it.
        """
        users = {
            name: one.num_users(selection if one.history else "validation")
            for name, one in self.results.items()
        }
        trained = sorted({users[name] for name, one in self.results.items() if one.history}, reverse=True)
        apart = [{name: one for name, one in self.results.items() if users[name] == n} for n in trained]
        return [dataclasses.replace(self, results=own) for own in apart] or [self]

    @property
    def metrics(self) -> list[str]:
        """The metrics that all of them have: "HR@50", "NDCG@50", ..."""
        return list(next(iter(self.results.values())).test)
