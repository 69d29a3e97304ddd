"""Whether and where a run goes on that was cut, and how it is written down on the way."""

import contextlib
import dataclasses
import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.config import config_checksum, config_differences
from nmtr_tf.errors import InputError
from nmtr_tf.files import PREFIX, is_temporary, resolved
from nmtr_tf.runs.checks import RunSetup
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo, now
from nmtr_tf.runs.own_files import RESULTS
from nmtr_tf.runs.stopping import noted_signals
from nmtr_tf.schema import checksum
from nmtr_tf.training.checkpoints import CheckpointFiles, Checkpoints
from nmtr_tf.training.state import TrainingState
from nmtr_tf.workers import current_worker, from_chief


@dataclasses.dataclass(frozen=True)
class Written:
    """A run in its directory, and the checkpoint that it goes on from.

    Attributes:
        directory: Where it is, or will be.
        setup: What it is made of.
        every: Steps and seconds between two checkpoints; see `checks.checkpoint_interval`.
        state: What its training held; None: it begins.
        old: What was known of the run that goes on.
        changes: In what it differs from that.
        advice: How to go on where it is stopped.
    """

    directory: RunDirectory
    setup: RunSetup
    every: tuple[int, float]
    state: TrainingState | None = None
    old: RunInfo | None = None
    changes: Sequence[str] = ()
    advice: str = ""

    @classmethod
    def find(
        cls, directory: RunDirectory, setup: RunSetup, info: RunInfo, resume: str, every: tuple[int, float]
    ) -> "Written":
        """What of a run is in its directory.

        Args:
            directory: Where the run is to be.
            setup: What it is made of.
            info: What is known of it.
            resume: "auto", "never", "must" or "force".
            every: As the attribute.

        Raises:
            InputError: If it has to go on and cannot, or differs in what its results depend on.
        """
        files = CheckpointFiles(directory.training_dir)
        state = files.load() if resume != "never" and _is_begun(directory.path) else None
        again = "; the same command goes on from there."
        if resume == "never":
            again = "; the same command goes on from there with `resume=auto` and without `overwrite`."
        if directory.path != directory.home:  # what is built beside a finished run goes
            again = "; the finished run stays as it was."
        if state is None:
            if resume == "must":
                raise InputError(
                    f"`workdir={directory.path}` holds no checkpoint to go on from, which `resume=must` asks "
                    "for; begin with `resume=auto`."
                )
            return cls(directory, setup, every, advice=again)
        old = directory.read_info()
        changes = _changes(old, info) + config_differences(directory.read_config(), setup.config)
        if changes and resume != "force":
            raise InputError(
                f"`workdir={directory.path}` holds an unfinished run that differs: {'; '.join(changes)}. "
                "Give the same, begin anew with `overwrite`, or go on all the same with `resume=force`."
            )
        return cls(directory, setup, every, state, old, changes, again)

    def begin(self, info: RunInfo, keep: Path | None) -> RunInfo:
        """Makes place for the run, or opens what is there of it.

        Args:
            info: What is known of it.
            keep: As for `RunDirectory.clear`.

        Returns:
            The same, and where it went on.
        """
        if self.state is None or self.old is None:
            self.directory.clear(keep=keep)
            self.directory.claim(info)
            return info
        at = self.state.position
        mark = {"at": now(), "epoch": at.epoch + 1, "step": at.step, "changed": list(self.changes)}
        info = dataclasses.replace(
            info,
            started=self.old.started,
            init_from=self.old.init_from,
            resumed=(*self.old.resumed, mark),
        )
        _reopen(self.directory, info)
        return info

    @contextlib.contextmanager
    def stoppable(self, notes: Callable[[], dict[str, Any]]) -> Iterator[Checkpoints | None]:
        """When and where the training is written down, in a block in which signals are noted.

        Args:
            notes: Gives what is to be kept besides the training.

        Yields:
            None for a closed form, which is one step: signals act at once.
        """
        if self.setup.plan.is_closed_form:
            yield None
            return
        rate, state = self.setup.config.training.learning_rate, self.state
        with noted_signals() as stop_signal:
            yield Checkpoints(
                CheckpointFiles(self.directory.training_dir),
                *self.every,
                state,
                learning_rate=_new_rate(state, self.setup),
                notes=lambda: {**notes(), "learning_rate": rate},
                stop_signal=stop_signal,
                advice=self.advice,
            )

    def finish(self, info: RunInfo) -> None:
        """Says that the run is finished; the checkpoints go."""
        self.directory.write_info(info)
        CheckpointFiles(self.directory.training_dir).clear()


def shared_start(state: TrainingState | None, setup: RunSetup) -> TrainingState | None:
    """What all workers of a training go on from: what the chief has read; alone, it is as it is.

    Args:
        state: What was read; that of the chief alone counts.
        setup: What the run is made of, on this worker.

    Raises:
        InputError: If this worker has other settings or data than the chief.
    """
    if current_worker().count == 1:
        return state
    stream = io.BytesIO()
    about = [config_checksum(setup.config.to_json()), setup.view.fingerprint]
    portion = str(setup.config.evaluation.eval_memory_mb)  # workers share the users out by it
    stream.write(checksum([*about, portion]).encode())
    own = stream.getvalue()
    if state:
        state.write(stream)
    content = from_chief(stream.getvalue())
    if not content.startswith(own):
        raise InputError(
            "`strategy=multi_worker`: this worker has other settings or another data set than the first one; "
            "start all with the same command, on the same data."
        )
    rest = content[len(own) :]
    return TrainingState.read(io.BytesIO(rest), "the first worker") if rest else None


def followed(state: TrainingState | None, setup: RunSetup) -> Checkpoints | None:
    """What a training that writes no checkpoints goes on from; None: it begins."""
    return None if state is None else Checkpoints(None, start=state, learning_rate=_new_rate(state, setup))


def _new_rate(state: TrainingState | None, setup: RunSetup) -> float | None:
    """The learning rate, where it is another one than the checkpoint's; else callbacks' counts."""
    rate = setup.config.training.learning_rate
    return rate if state and state.notes["learning_rate"] != rate else None


def _is_begun(path: Path) -> bool:
    """Whether there is what a run is known by."""
    return all((path / name).is_file() for name in ("run.json", "config.json"))


def _reopen(directory: RunDirectory, info: RunInfo) -> None:
    """Removes what was made of a run unfinished, and what was cut while it was written."""
    directory.claim(info)
    for path in (*directory.path.iterdir(), *directory.best_checkpoint.parent.iterdir()):
        if is_temporary(path) and path.name != f"{PREFIX}lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    results = [directory.path / name for name in RESULTS]
    for path in (*results, directory.curves_path, directory.report_path):
        path.unlink(missing_ok=True)


def _changes(old: RunInfo, new: RunInfo) -> list[str]:
    """In what two runs differ besides their configs, a text each."""
    there, here = _surroundings(old), _surroundings(new)
    return [
        f"{name} is {there.get(name, 'none')} there and {here.get(name, 'none')} here"
        for name in dict.fromkeys([*there, *here])
        if there.get(name) != here.get(name)
    ]


def _surroundings(info: RunInfo) -> dict[str, Any]:
    facts: dict[str, Any] = {"the data set's fingerprint": info.dataset_fingerprint}
    facts |= {f"the version of {name}": version for name, version in info.versions.items()}
    start = info.init_from and info.init_from["run"]
    for name, run in (("final_of", info.final_of), ("refit_of", info.refit_of), ("init_from", start)):
        facts[name] = run and resolved(run)  # however it was spelled
    return facts | {"device": info.device}
