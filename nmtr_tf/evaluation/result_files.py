"""The files of an evaluation, read and checked: metrics_<split>.json and ranks_<split>.parquet."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nmtr_tf.config import PROTOCOLS
from nmtr_tf.data import ids
from nmtr_tf.data.events import SPLITS
from nmtr_tf.data.parquet import INTEGER, TEXT, read_table
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import METRICS, metric_values
from nmtr_tf.evaluation.places import Places
from nmtr_tf.files import read_json
from nmtr_tf.schema import checked, one_of

SCHEMA = 3
"""Of the metrics file. Before it, a rank was the mean over its tie."""

TEXTS = ("split", "protocol", "mask", "dataset_fingerprint")
"""Entries of the metrics file that there have to be."""

_IDS = (TEXT, INTEGER)  # files of the version before have numbers too
COLUMNS = {"user": _IDS, "item": _IDS} | dict.fromkeys(("rank", "tied", "num_candidates"), (INTEGER,))
"""Columns of the table of ranks, and what they are."""

_MEND = "evaluate the run again"

_ENTRIES = {
    "schema": int,
    "split": one_of(SPLITS[1:]),
    "protocol": one_of(PROTOCOLS),
    "mask": one_of(("none", "target", "all")),
    "dataset_fingerprint": str,
    "behaviors": tuple[str, ...],
    "num_pairs": int,
    "num_users": int,
    "groups": dict[str, Any],
    "method": str | None,
    "validation": str | None,
}
_OPTIONAL = ("behaviors", "num_pairs", "num_users", "groups", "method", "validation")
_METRIC = re.compile(r"\w+@[1-9]\d*")


def metrics_path(directory: str | Path, split: str) -> Path:
    """The file of the metrics of a split."""
    return Path(directory) / f"metrics_{split}.json"


def ranks_path(directory: str | Path, split: str) -> Path:
    """The file of the ranks of a split."""
    return Path(directory) / f"ranks_{split}.parquet"


def check_destination(directory: str | Path, split: str) -> None:
    """Checks that the files of an evaluation replace nothing but those of an earlier one.

    Raises:
        InputError: If they are there, and are none's.
    """
    path = metrics_path(directory, split)
    if not path.exists() and not ranks_path(directory, split).exists():
        return
    entries = read_json(path) if path.is_file() else None
    if not isinstance(entries, dict) or not {"schema", "split", "protocol"} <= entries.keys():
        name = path.name if path.exists() else ranks_path(directory, split).name
        raise InputError(f"{directory} has a {name} that is no evaluation's; name another directory.")


def read_entries(path: Path, split: str) -> tuple[dict[str, Any], dict[str, float]]:
    """The entries of a metrics file, and the metrics among them.

    Raises:
        InputError: If it is no such file, or one of another split or version.
    """
    entries = read_json(path)
    if isinstance(entries, dict) and entries.get("schema") != SCHEMA:
        raise InputError(f"{path}: written by another version of nmtr_tf; evaluate the run again.")
    entries = checked(path, entries, _ENTRIES, _OPTIONAL, others=str | int | float | bool | None)
    if entries["split"] != split:
        raise InputError(f"{path}: expected the split {split!r}. Found: {entries['split']!r}.")
    metrics = {name: value for name, value in entries.items() if _METRIC.fullmatch(name)}
    if not metrics:
        raise InputError(f"{path}: expected metrics such as HR@50.")
    measured = dict.fromkeys(metrics, float)
    checked(path, metrics, measured)
    for name, row in entries.get("groups", {}).items():
        checked(f"{path}, group {name!r}", row, {"num_pairs": int, "num_users": int, **measured})
    return entries, metrics


def read_ranks(path: Path) -> list[np.ndarray]:
    """The columns of the table of ranks, see `COLUMNS`, in the order of `by_id`.

    Raises:
        InputError: If it is no such table, or a user and item stand there twice.
    """
    table = read_table(path, COLUMNS, _MEND)
    columns = {
        name: table[name].to_numpy().astype(str) if TEXT in kinds else table[name].to_numpy()
        for name, kinds in COLUMNS.items()
    }
    order = by_id(columns["user"], columns["item"])
    users, items, ranks, tied, num_candidates = (values[order] for values in columns.values())
    if not len(users):
        raise InputError(f"{path}: expected at least one user. Found: none.")
    if (twice := (users[1:] == users[:-1]) & (items[1:] == items[:-1])).any():
        pair = f"user {users[1:][twice][0]}, item {items[1:][twice][0]}"
        raise InputError(f"{path}: expected a row for each held-out item. Found twice: {pair}.")
    if not ((ranks >= 0) & (tied >= 1) & (ranks + tied <= num_candidates)).all():
        raise InputError(f"{path}: expected ranks and ties from 0 to the number of candidates - 1.")
    return [users, items, ranks, tied, num_candidates]


def by_id(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The order of held-out items (ids, str [n] each): by user, then by item; int64 [n]."""
    return np.lexsort((ids.order(items), ids.order(users)))


def check_ranks(places: Places, path: Path, metrics: Mapping[str, float], metrics_name: str) -> None:
    """Checks that ranks give the metrics that were written beside them, as far as those are known here.

    Args:
        places: The ranks.
        path: Where they were read.
        metrics: "HR@50" -> what was written.
        metrics_name: Name of the file where it was.

    Raises:
        InputError: If they do not.
    """
    for name, written in metrics.items():
        metric = METRICS.get(name.split("@")[0])
        if metric is None or metric.is_of_lists:
            continue
        value = float(metric_values(places, name).mean())
        if not abs(written - value) <= 1e-6:
            raise InputError(
                f"{path}: not the ranks of {metrics_name}: {name} is {value} here, {written} there; evaluate "
                "the run again."
            )
