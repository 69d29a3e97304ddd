"""Checkpoints of a training: all that its next step depends on, between two calls of a graph.

A checkpoint is one file of arrays and JSON, nothing that is run when it is read. Its name holds a digest of
its content, so that a damaged one is known as such; the last two are kept.
"""

import hashlib
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nmtr_tf.errors import Interrupted
from nmtr_tf.files import new_file
from nmtr_tf.training.state import TrainingState

_KEPT = 2


class CheckpointFiles:
    """The checkpoints in a directory.

    Args:
        path: The directory; it need not exist.
    """

    def __init__(self, path: Path):
        self.path = path

    def save(self, state: TrainingState) -> None:
        """Adds a checkpoint and removes all but the last two."""
        stream = io.BytesIO()
        state.write(stream)
        content, old = stream.getbuffer(), self._files()
        number = 1 + (_number(old[-1]) if old else 0)
        with new_file(self.path / f"{number:08d}-{_digest(content)}.npz") as path:
            path.write_bytes(content)
        for file in old[: -(_KEPT - 1)]:
            file.unlink(missing_ok=True)

    def load(self) -> TrainingState | None:
        """The last checkpoint that is whole; None: there is none. Warns of damaged ones, and removes them.

        What was cut while it was written goes as well.

        Raises:
            InputError: If it is of another version.
        """
        for cut in self.path.glob(".*.npz"):
            cut.unlink()
        for file in reversed(self._files()):
            content = file.read_bytes()
            if file.stem.rpartition("-")[2] == _digest(content):
                return TrainingState.read(io.BytesIO(content), str(file))
            warnings.warn(f"{file}: damaged; training goes on from the checkpoint before.", stacklevel=2)
            file.unlink()
        return None

    def clear(self) -> None:
        """Removes all of them, parts of some that were cut among them."""
        if self.path.is_dir():
            for file in self.path.glob("*.npz"):
                file.unlink(missing_ok=True)
            self.path.rmdir()

    def _files(self) -> list[Path]:
        """Whole ones, the first to be written first; a temporary one begins with a dot."""
        return sorted(path for path in self.path.glob("*-*.npz") if path.name[:1].isdigit())


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


class Checkpoints:
    """When a training is written down, where, and what it goes on from.

    Args:
        files: Where; None: nowhere, as another process does.
        steps: Steps after which one is due within an epoch; 0: they do not count. Each end of an epoch has
            one besides.
        seconds: Likewise seconds; 0: they do not count.
        start: What the training goes on from; None: it begins.
        learning_rate: What the optimizer's is from then on; None: what it was.
        notes: Gives what else is to be kept, as JSON has it.
        stop_signal: Asked after every call of a graph: the number of the signal by which the process was
            asked to stop; None: it was not.
        advice: How to go on, for the message of a training that was stopped.
    """

    def __init__(
        self,
        files: CheckpointFiles | None,
        steps: int = 0,
        seconds: float = 600.0,
        start: TrainingState | None = None,
        *,
        learning_rate: float | None = None,
        notes: Callable[[], dict[str, Any]] = dict,
        stop_signal: Callable[[], int | None] = lambda: None,
        advice: str = "",
    ):
        self.files, self.start, self.learning_rate, self.notes = files, start, learning_rate, notes
        self._steps, self._seconds = steps, seconds
        self._stop_signal, self._advice = stop_signal, advice
        self._last, self._counted = time.monotonic(), 0

    def after_call(self, num_steps: int, state: Callable[[], TrainingState]) -> None:
        """Writes a checkpoint where one is due.

        Args:
            num_steps: Steps since the call before.
            state: Gives what is to be written.

        Raises:
            Interrupted: If the process was asked to stop; then a checkpoint is written in any case.
        """
        self._counted += num_steps
        by_steps = 0 < self._steps <= self._counted
        by_time = 0 < self._seconds <= time.monotonic() - self._last
        number = self._stop_signal()
        if by_steps or by_time or number:
            self._save(state())
        if number:
            raise Interrupted(number, f"Stopped {state().position.in_words}{self._advice}")

    def after_epoch(self, state: TrainingState) -> None:
        """Writes a checkpoint; raises what `after_call` does."""
        self._save(state)
        if number := self._stop_signal():
            raise Interrupted(number, f"Stopped {state.position.in_words}{self._advice}")

    def _save(self, state: TrainingState) -> None:
        """Where a weight is no longer finite, the loss of the next step will say so: nothing is written."""
        if self.files and all(np.isfinite(value).all() for value in state.variables):
            self.files.save(state)
        self._last, self._counted = time.monotonic(), 0
