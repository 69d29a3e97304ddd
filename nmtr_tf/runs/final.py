"""Fitting the settings and the best epoch of a run on more rows than it saw.

`final_of`: on all rows of its data set, held-out ones included, for use; the run was evaluated before.
`refit_of`: on all but the test rows, those held out for validation included; it can be evaluated on test.
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from nmtr_tf.config import RunConfig, TrainingConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.methods.plan import resolve
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.evaluated import stored_evaluation
from nmtr_tf.runs.info import RunInfo

if TYPE_CHECKING:  # it imports TensorFlow, which comes after a command has checked its flags
    from nmtr_tf.runs.run import Run

OF_THE_PLACE = ("device", "strategy", "num_replicas")
"""Options of where a run is trained: those of the run that is fitted again do not count."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """A run whose settings are fitted on more rows.

    Attributes:
        option: "final_of" or "refit_of".
        name: Its directory, or its method where it is in memory only.
        info: What is known of it.
        config: Its settings.
        num_epochs: Epochs that it trained.
        evaluation: Of its ranking of the test items; None for "refit_of", which needs none.
    """

    option: str
    name: str
    info: RunInfo
    config: RunConfig
    num_epochs: int
    evaluation: Evaluation | None = None

    @classmethod
    def of(cls, run: "Run | str | Path", option: str = "final_of") -> "Origin":
        """Reads what is needed of a run.

        Args:
            run: The run, or its directory.
            option: "final_of" or "refit_of".

        Raises:
            InputError: If there is no such run, or it is not finished, is itself fitted on everything, or,
                for "final_of", not evaluated, for "refit_of", held nothing out for validation.
        """
        if isinstance(run, str | Path):
            directory = RunDirectory(run)
            name, info, config = str(run), directory.read_info(), directory.read_config()
        else:
            name, info, config = str(run.workdir or run.info.method), run.info, run.config
        given = f"`{option}={name}`"
        if info.status != "finished":
            raise InputError(f"{given}: expected a finished run. Its status: {info.status!r}.")
        if info.final_of:
            raise InputError(f"{given} is itself fitted on everything; name {info.final_of}.")
        if option == "refit_of" and config.data.validation == "none":
            raise InputError(
                f"{given} held nothing out for validation, so there is nothing more to fit it on."
            )
        if isinstance(run, str | Path):
            is_evaluated, num_epochs = Evaluation.exists(run, "test"), len(directory.read_history())
        else:
            is_evaluated, num_epochs = run.is_evaluated("test"), len(run.history)
        if option == "refit_of":
            return cls(option, name, info, config, num_epochs)
        if not is_evaluated:
            raise InputError(f"{given} was not evaluated yet; evaluate it first.")
        if isinstance(run, str | Path):
            evaluation = stored_evaluation(RunDirectory(run), "test")
        else:
            evaluation = run.evaluation("test")
        return cls(option, name, info, config, num_epochs, evaluation)

    @classmethod
    def given(
        cls,
        final_of: "Run | str | Path | None",
        refit_of: "Run | str | Path | None",
        dataset: Dataset,
        workdir: Path | None,
        config: RunConfig | None,
        options: Collection[str],
    ) -> "Origin | None":
        """The run whose settings are fitted on more rows, checked; None: there is none.

        Args:
            final_of: As for `nmtr_tf.fit`.
            refit_of: Likewise.
            dataset: What it is to be fitted on.
            workdir: Where the new run goes; None: nowhere.
            config: What was given besides, which has to be nothing.
            options: Names of the options that were given.

        Raises:
            InputError: If two are given, or what does not go together.
        """
        if final_of is not None and refit_of is not None:
            raise InputError("`final_of` and `refit_of` are two ways of fitting a run again; give one.")
        run, option = (final_of, "final_of") if refit_of is None else (refit_of, "refit_of")
        if run is None:
            return None
        origin = cls.of(run, option)
        if config is not None or set(options) - set(OF_THE_PLACE):
            given = "config" if config is not None else min(set(options) - set(OF_THE_PLACE))
            raise InputError(
                f"`{given}` goes without `{option}`, which takes the settings of the run it names."
            )
        if workdir and workdir.resolve() == Path(origin.name).resolve():
            raise InputError(f"`{option}={origin.name}` is the run to be written; name another `workdir`.")
        origin.check(dataset)
        return origin

    def check(self, dataset: Dataset) -> None:
        """Checks that a data set is the one that the run trained on.

        Raises:
            InputError: If it is another one.
        """
        if dataset.fingerprint != self.info.dataset_fingerprint:
            raise InputError(
                f"`{self.option}={self.name}` was trained on another data set. On new data, train a run "
                "first (`init_from` goes on from an earlier one), then fit that on more rows."
            )

    @property
    def settings(self) -> RunConfig:
        """Its settings, with as many epochs as its weights took, and nothing held out for validation.

        Where it was trained is not among them.

        Raises:
            InputError: If it was stopped before the last stage of sequential training.
        """
        kept = self.info.best_epoch or self.num_epochs
        place = {name: getattr(TrainingConfig(), name) for name in OF_THE_PLACE if name != "device"}
        config = self.config.with_options(validation="none", curve_split="validation", **place)
        if self.info.chosen:
            return config.with_options(**self.info.chosen)
        if config.training.train_mode == "multitask":
            return config.with_options(num_epochs=kept)
        if len(self.info.stage_epochs) < len(resolve(config, self.info.behaviors).stages):
            raise InputError(
                f"`{self.option}={self.name}` was stopped before it trained the target, or trained by an "
                "earlier version, which did not say what its stages took; train it again."
            )
        return config.with_options(stage_epochs=self.info.stage_epochs)
