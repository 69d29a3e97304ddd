"""run.json: what a run was, where, and what became of it."""

import dataclasses
import datetime
import platform
from pathlib import Path
from typing import Any

import nmtr_tf
from nmtr_tf.config import PROTOCOLS, RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.schema import checked, of_class, one_of

SCHEMA = 2
"""Of run.json. Runs of schema 1 had other layers in their checkpoints and cannot be read."""


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """What is known of a run besides its config and its measurements.

    Attributes:
        method: Name of its method.
        behaviors: Behaviors of its training view, weakest first.
        protocol: "released", "strict" or "time".
        dataset_fingerprint: Of the data set.
        num_users: Users of the data set.
        num_items: Items of the data set.
        seed: Seed of initial values, sampling and dropout.
        versions: Package -> version.
        started: ISO 8601.
        status: "running", "finished", "failed" or "interrupted"; of a run that was killed "running".
        num_parameters: Weights of the model.
        device: "cpu" or "gpu".
        num_replicas: Devices that shared the steps of its training.
        best_epoch: The epoch (from 1) whose weights the model has; None: the last.
        best_value: The monitored value of that epoch; None: nothing was monitored.
        seconds: Wall time of the training; None: it did not end.
        num_evaluated: Split -> users that were ranked after each epoch.
        stage_epochs: Epochs of each stage that its weights took; empty: not known.
        init_from: What was taken over from an earlier run, if anything.
        final_of: The evaluated run whose settings were fitted on everything, held-out rows included; None:
            this is no such run.
        refit_of: The run whose settings were fitted on what it held out for validation as well; None: this is
            no such run.
        chosen: Options that training chose, for its settings to be fitted again: name -> value.
        resumed: Where the training went on after it was cut, each time: "at" (ISO 8601), "epoch" and "step",
            and what had "changed" since, if it was forced.
        config_checksum: Of config.json, see `nmtr_tf.config.config_checksum`; "": not known, as in memory.
        schema: Version of this file.
    """

    method: str
    behaviors: tuple[str, ...]
    protocol: str
    dataset_fingerprint: str
    num_users: int
    num_items: int
    seed: int
    versions: dict[str, str]
    started: str
    status: str = "running"
    num_parameters: int = 0
    device: str = "cpu"
    num_replicas: int = 1
    best_epoch: int | None = None
    best_value: float | None = None
    seconds: float | None = None
    num_evaluated: dict[str, int] = dataclasses.field(default_factory=dict)
    stage_epochs: tuple[int, ...] = ()
    init_from: dict[str, Any] | None = None
    final_of: str | None = None
    refit_of: str | None = None
    chosen: dict[str, Any] = dataclasses.field(default_factory=dict)
    resumed: tuple[dict[str, Any], ...] = ()
    config_checksum: str = dataclasses.field(default="", compare=False)
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dump`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, where: str, entries: Any) -> "RunInfo":
        """The inverse of `to_json`.

        Args:
            where: The file, for messages.
            entries: What it holds.

        Raises:
            InputError: If the file is of another version of this package, or is not such a file.
        """
        if isinstance(entries, dict) and entries.get("schema") != SCHEMA:
            raise InputError(f"{where}: written by another version of nmtr_tf; train the run again.")
        kinds, optional = of_class(cls)
        return cls(**checked(where, entries, {**kinds, "protocol": one_of(PROTOCOLS)}, optional))

    def check_config(self, where: str | Path, config: RunConfig, checksum: str) -> None:
        """Checks that a config is the one that the run was trained with.

        Args:
            where: Its file, for messages.
            config: The config.
            checksum: Of the file.

        Raises:
            InputError: If it is another one.
        """
        trained = {
            "model.method": (config.model.method, self.method),
            "data.protocol": (config.data.protocol or self.protocol, self.protocol),
        }
        for name, (here, there) in trained.items():
            if here != there:
                raise InputError(
                    f"{where}: the entry {name!r} should be {there!r}, which run.json says was trained. "
                    f"Received: {here!r}."
                )
        if self.config_checksum not in ("", checksum):
            raise InputError(
                f"{where}: changed since the run was trained: expected the checksum that run.json has. Put "
                "back what it was, or train a run with these settings."
            )


def versions() -> dict[str, str]:
    """Versions of this package and of what its results may depend on."""
    import keras
    import tensorflow as tf

    return {
        "nmtr_tf": nmtr_tf.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }


def now() -> str:
    """The time, in ISO 8601."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
