"""A log that is cut at several times: a data set for each, which is tested on what comes before the next."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.data.cuts import shown, time_of
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.destination import check_destination, cut_directories
from nmtr_tf.data.events import Events
from nmtr_tf.data.preparation import prepare
from nmtr_tf.errors import InputError
from nmtr_tf.folders import new_directory
from nmtr_tf.schema import checksum


@dataclasses.dataclass(frozen=True)
class Cuts:
    """The data sets of a log that is cut at several times.

    Attributes:
        name: Of all.
        datasets: Name of a cut -> its data set, the earliest first.
    """

    name: str
    datasets: Mapping[str, Dataset]

    @classmethod
    def load(cls, directory: str | Path) -> "Cuts":
        """Those that `save_cuts` wrote.

        Raises:
            InputError: If there is none, or as `Dataset.load` does.
        """
        found = {path.name: Dataset.load(path) for path in cut_directories(directory)}
        if not found:
            raise InputError(
                f"{directory}: expected the data sets of several cuts, cut_<time>; there is none."
            )
        return cls(Path(directory).resolve().name, found)

    @property
    def first(self) -> Dataset:
        """That of the earliest cut."""
        return next(iter(self.datasets.values()))

    @property
    def fingerprint(self) -> str:
        """sha256 of those of all."""
        return checksum({name: dataset.fingerprint for name, dataset in self.datasets.items()})


def prepare_cuts(log: Events, split_times: Sequence[Any], **options: Any) -> Iterator[tuple[str, Dataset]]:
    """Makes a data set for each of several cuts of a log with times.

    Each is what `nmtr_tf.prepare(..., split="time", split_time=cut)` makes of the rows before the next cut:
    its runs learn from all that comes before the cut, and are tested on the time from there to the next.

    Args:
        log: What `nmtr_tf.read_log` returns.
        split_times: The cuts, earliest first; each as `nmtr_tf.prepare` has it.
        **options: Others of `nmtr_tf.prepare`, the same for each.

    Yields:
        The name of each, such as "cut_2015-08-15", and its data set. One is made when it is asked for.

    Raises:
        InputError: As for `nmtr_tf.prepare`; if the cuts are not in order.
    """
    if log.timestamp is None:
        raise InputError("`split=time` needs a log with times.")
    times = [time_of(str(text), log.time_unit) for text in split_times]
    if sorted(set(times)) != times:
        given = ",".join(map(str, split_times))
        raise InputError(f"`split_time` should be different times, the earliest first. Received: {given}.")
    for text, time, end in zip(split_times, times, [*times[1:], None], strict=True):
        before = log if end is None else _rows_before(log, end)
        yield _name(time, log.time_unit), prepare(before, split="time", split_time=text, **options)


def save_cuts(
    log: Events, split_times: Sequence[Any], dataset_dir: str | Path, overwrite: bool = False, **options: Any
) -> Iterator[tuple[str, Dataset]]:
    """As `prepare_cuts`, and when all were asked for they stand in directories of their names below one.

    Args:
        log: As there, as are `split_times` and `options`.
        split_times: As there.
        dataset_dir: The directory; it has all of them or none.
        overwrite: Whether to replace what stands there.
        **options: As there.

    Yields:
        As there.

    Raises:
        InputError: As there; as `nmtr_tf.data.destination.check_destination` does, which also raises OSError.
    """
    check_destination(dataset_dir, overwrite)
    with new_directory(dataset_dir) as temporary:
        for name, dataset in prepare_cuts(log, split_times, **options):
            yield name, dataset.save(temporary / name)


def _rows_before(log: Events, end: int) -> Events:
    assert log.timestamp is not None
    kept = log.timestamp < end
    columns = {name: getattr(log, name)[kept] for name in ("user", "item", "behavior", "timestamp")}
    return dataclasses.replace(log, **columns)


def _name(time: int, unit: str) -> str:
    """The time without what a path cannot have."""
    return "cut_" + shown(time, unit).removesuffix("T00:00:00").replace(":", "")
