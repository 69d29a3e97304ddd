"""The result of a cell: one small JSON file that tables and figures, with their tests, are made of.

<results_dir>/<data set>/<protocol>/<cell>.json: what was run (method, config, seed), on what (data set,
fingerprint, hardware, versions), its history, its test metrics at the best epoch and at the peak, by groups
of users and by the heads of other behaviors, and the places of the held-out items.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmtr_tf.config import PROTOCOLS, RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.places import Places
from nmtr_tf.files import new_file, read_json
from nmtr_tf.paper.packing import (
    History,
    pack_history,
    pack_places,
    unpack_history,
    unpack_mean_ranks,
    unpack_places,
)
from nmtr_tf.paper.question import Question
from nmtr_tf.schema import checked, of_class, one_of, reading

SCHEMA = 3
"""Of the files. Schema 2 had means over ties, "ranks", for "places"; schema 1 no such entry."""

SECTIONS_OF_BASELINES = ("data", "evaluation")
"""The sections of a config that determine a baseline."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CellResult:
    """What was run, on what, and what was measured: of a trained cell, or of a baseline.

    Attributes:
        name: The cell's, unique within its data set and protocol.
        method: Name of the method or of the baseline.
        dataset: Name of the data set.
        dataset_fingerprint: Its fingerprint.
        dataset_behaviors: All of its behaviors, weakest first.
        protocol: "released" or "strict".
        behaviors: Those that were used.
        num_test_users: Users that were ranked for test.
        given: The options that people gave, such as "num_epochs=20".
        seed: Of the run.
        options: Of a baseline: its options that are not the defaults.
        config: The run's; the data set's directory is its name alone. Of a baseline: `data` and
            `evaluation`, the rest means nothing.
        num_parameters: Weights of the model; 0: nothing was trained.
        best_epoch: The epoch (from 1) that was evaluated; None: the last.
        seconds: Wall time of the training, or of the whole baseline.
        peak_memory_mib: The most memory of the process until then.
        device: "cpu" or "gpu".
        hardware: The machine in a line.
        versions: Package -> version.
        curve_users: Test users that were ranked after each epoch.
        peak: The highest value of each test metric over the epochs.
        heads: Auxiliary behavior -> the metrics of its own head, and "num_pairs".
        test: Test metrics of the epoch that was evaluated: {"HR@50": ...}.
        groups: Group of users -> the same, "num_pairs" and "num_users".
        places: Of the held-out items; ranks from the largest K on are that K.
        history: The scalars of each epoch, at 5 significant digits.
    """

    name: str
    method: str
    dataset: str
    dataset_fingerprint: str
    dataset_behaviors: tuple[str, ...]
    protocol: str
    behaviors: tuple[str, ...]
    num_test_users: int
    given: tuple[str, ...]
    seed: int
    config: RunConfig
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    num_parameters: int = 0
    best_epoch: int | None = None
    seconds: float
    peak_memory_mib: int = 0
    device: str = ""
    hardware: str
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    curve_users: int = 0
    peak: Mapping[str, float] = dataclasses.field(default_factory=dict)
    heads: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    test: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]]
    places: Places
    history: History = ()

    @property
    def question(self) -> Question:
        """The protocol and mask."""
        return Question(self.protocol, self.config.evaluation.mask)

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.history)

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of the config that determined the result."""
        everything = tuple(field.name for field in dataclasses.fields(RunConfig))
        return everything if self.history else SECTIONS_OF_BASELINES

    def metrics(self, selection: str) -> Mapping[str, float]:
        """The test metrics under a selection.

        Args:
            selection: "validation": of the epoch that validation chose; "peak": the best of all epochs,
                metric by metric.
        """
        return {"validation": self.test, "peak": self.peak}[selection]

    def num_users(self, selection: str) -> int:
        """The users that `metrics` of a selection are means over."""
        return {"validation": self.num_test_users, "peak": self.curve_users}[selection]

    def save(self, path: str | Path) -> None:
        """Writes the file; a line for each entry, so that it is small and differences can be read."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        entries = {"schema": SCHEMA} | {n: value for n, value in values.items() if n in _NEEDED or value}
        entries["config"] = {
            name: section for name, section in self.config.to_json().items() if name in self.sections
        }
        entries["places"] = pack_places(self.places, max(self.config.evaluation.ks))
        if self.history:
            entries["history"] = pack_history(self.history)
        lines = [f"{json.dumps(key)}: {_compact(value)}" for key, value in entries.items()]
        with new_file(path) as temporary:
            temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "CellResult":
        """The inverse of `save`.

        Raises:
            InputError: If the file is missing, is of another version, or is not the result of a cell.
        """
        entries = read_json(path)
        if not isinstance(entries, dict) or not {"name", "config"} <= set(entries):
            raise InputError(f"{path}: expected the result of a cell.")
        schema = entries.pop("schema", 1)
        mend = "train the cell again, with `overwrite`"
        if schema == 2 and "ranks" in entries:
            with reading(path, mend):
                places = unpack_mean_ranks(entries.pop("ranks"))
        elif schema == SCHEMA and "places" in entries:
            with reading(path, mend):
                places = unpack_places(entries.pop("places"))
        else:
            raise InputError(
                f"{path}: written by another version of nmtr_tf; name another `results_dir`, or train its "
                "cells again with `overwrite`."
            )
        entries = checked(path, entries, _ENTRIES, set(_ENTRIES) - _NEEDED)
        config = RunConfig.from_json(entries.pop("config"), path)
        with reading(path, mend):
            history = unpack_history(entries.pop("history", {}))
        return cls(**entries, config=config, places=places, history=history)


_NEEDED = {
    field.name
    for field in dataclasses.fields(CellResult)
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
}
"""Entries that every file has; others are left out where there is nothing to tell."""

_ENTRIES = {name: kind for name, kind in of_class(CellResult)[0].items() if name != "places"} | {
    "protocol": one_of(PROTOCOLS),
    "config": dict[str, Any],
    "history": dict[str, list[float | None]],
}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def peak_metrics(history: History) -> dict[str, float]:
    """The highest value of every test metric over the epochs: {"HR@50": ...}.

    The paper reports this ("peak performance evaluated per iteration"): it selects on test.
    """
    names = dict.fromkeys(name for record in history for name in record if name.startswith("test/"))
    return {
        name.removeprefix("test/"): max(record[name] for record in history if name in record)
        for name in names
    }
