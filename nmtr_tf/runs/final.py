"""Fitting on everything: an evaluated run's settings and best epoch, and all rows of its data set."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.methods.plan import resolve
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo

if TYPE_CHECKING:  # it imports TensorFlow, which comes after a command has checked its flags
    from nmtr_tf.runs.run import Run


@dataclasses.dataclass(frozen=True)
class EvaluatedRun:
    """A run whose settings are fitted on everything.

    Attributes:
        name: Its directory, or its method where it is in memory only.
        info: What is known of it.
        config: Its settings.
        num_epochs: Epochs that it trained.
        evaluation: Of its ranking of the test items.
    """

    name: str
    info: RunInfo
    config: RunConfig
    num_epochs: int
    evaluation: Evaluation

    @classmethod
    def of(cls, run: "Run | str | Path") -> "EvaluatedRun":
        """Reads what is needed of a run.

        Args:
            run: The run, or its directory.

        Raises:
            InputError: If there is no such run, or it is not finished, not evaluated, or itself fitted on
                everything.
        """
        if isinstance(run, str | Path):
            directory = RunDirectory(run)
            name, info, config = str(run), directory.read_info(), directory.read_config()
        else:
            name, info, config = str(run.workdir or run.info.method), run.info, run.config
        if info.status != "finished":
            raise InputError(f"`final_of={name}`: expected a finished run. Its status: {info.status!r}.")
        if info.final_of:
            raise InputError(f"`final_of={name}` is itself fitted on everything; name {info.final_of}.")
        if isinstance(run, str | Path):
            if not Evaluation.exists(run, "test"):
                raise InputError(f"`final_of={name}` was not evaluated yet; evaluate it first.")
            return cls(name, info, config, len(directory.read_history()), Evaluation.load(run, "test"))
        if not run.is_evaluated("test"):
            raise InputError(f"`final_of={name}` was not evaluated yet; evaluate it first.")
        return cls(name, info, config, len(run.history), run.evaluation("test"))

    def check(self, dataset: Dataset) -> None:
        """Checks that a data set is the one that the run trained on.

        Raises:
            InputError: If it is another one.
        """
        if dataset.fingerprint != self.info.dataset_fingerprint:
            raise InputError(
                f"`final_of={self.name}` was trained on another data set. On new data, train and evaluate a "
                "run first (`init_from` goes on from an earlier one), then fit that on everything."
            )

    @property
    def final_config(self) -> RunConfig:
        """Its settings, with as many epochs as its weights took, and nothing held out.

        Raises:
            InputError: If it was stopped before the last stage of sequential training.
        """
        kept = self.info.best_epoch or self.num_epochs
        config = self.config.with_options(validation="none", curve_split="validation")
        if config.training.train_mode == "multitask":
            return config.with_options(num_epochs=kept)
        earlier = [stage.num_epochs for stage in resolve(config, self.info.behaviors).stages[:-1]]
        if kept <= sum(earlier):
            raise InputError(f"`final_of={self.name}` was stopped before it trained the target.")
        return config.with_options(stage_epochs=(*earlier, kept - sum(earlier)))
