"""What a training holds between two calls of a graph: all that its next step depends on."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import keras
import numpy as np

from nmtr_tf.errors import InputError

_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Position:
    """A place in a training, between two calls of a graph.

    Attributes:
        stage: Number of the stage, from 0.
        first: Epochs that had ended when the stage began.
        epoch: Epochs that have ended, of all stages.
        step: Steps that have ended of the epoch that has begun; 0: none has.
        totals: What the learner has summed up in these, float32 [num_calls, num_totals].
    """

    stage: int = 0
    first: int = 0
    epoch: int = 0
    step: int = 0
    totals: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros([0, 0], np.float32))

    @property
    def epoch_of_stage(self) -> int:
        """Epochs that have ended in the stage."""
        return self.epoch - self.first

    @property
    def in_words(self) -> str:
        """The place, counted from 1."""
        if self.step:
            return f"in epoch {self.epoch + 1}, after step {self.step}"
        return f"after epoch {self.epoch}"


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """What a training holds at a position.

    Attributes:
        position: The position.
        variables: Of the model, the state of dropout's seeds among them; then those of the optimizer.
        best_weights: Weights of the best epoch of the stage; empty: there is none yet.
        best: What `BestEpoch.state` gives besides.
        history: The logs of the epochs that have ended.
        stage_epochs: Of the stages that have ended, as `Trained` has them.
        is_stopped: Whether a callback has asked to train no further epoch.
        notes: What whoever keeps the checkpoints adds, as JSON has it.
    """

    position: Position
    variables: Sequence[np.ndarray]
    best_weights: Sequence[np.ndarray]
    best: dict[str, Any]
    history: list[dict[str, float]]
    stage_epochs: list[int]
    is_stopped: bool
    notes: dict[str, Any]

    def write(self, stream: BinaryIO) -> None:
        """Writes arrays and JSON; `read` is the inverse."""
        facts = {name: getattr(self, name) for name in _PLAIN}
        place = self.position
        facts |= {"format": _FORMAT, "position": [place.stage, place.first, place.epoch, place.step]}
        text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        lists = {"variable": self.variables, "best": self.best_weights}
        arrays: dict[str, Any] = {
            f"{name}_{n}": value for name, values in lists.items() for n, value in enumerate(values)
        }
        np.savez(stream, facts=text, totals=place.totals, **arrays)

    @classmethod
    def read(cls, stream: BinaryIO, where: str) -> "TrainingState":
        """The inverse of `write`.

        Args:
            stream: What it wrote.
            where: The file, for messages.

        Raises:
            InputError: If it is of another version.
        """
        with np.load(stream, allow_pickle=False) as arrays:
            facts = json.loads(arrays["facts"].tobytes())
            if facts.get("format") != _FORMAT:
                raise InputError(f"{where}: of another version; begin the run anew with `resume=never`.")
            lists: dict[str, list[np.ndarray]] = {"variable": [], "best": []}
            for key in arrays.files:  # in the order in which they were written
                if key.rpartition("_")[0] in lists:
                    lists[key.rpartition("_")[0]].append(arrays[key])
            stage, first, epoch, step = facts["position"]
            position = Position(stage, first, epoch, step, arrays["totals"])
        plain = {name: facts[name] for name in _PLAIN}
        return cls(position, lists["variable"], lists["best"], **plain)


_PLAIN = ("best", "history", "stage_epochs", "is_stopped", "notes")


def values_of(model: keras.Model) -> list[np.ndarray]:
    """Values of all variables of a compiled model, and of those of its optimizer."""
    return [variable.numpy() for variable in _variables(model)]


def give_values(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    """The inverse of `values_of`.

    Raises:
        InputError: If they are of another model.
    """
    variables = _variables(model)
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise InputError("The checkpoint is one of another model; begin the run anew with `resume=never`.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]
