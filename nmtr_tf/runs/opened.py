"""What a run holds: its settings and facts, its model, its data."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from typing_extensions import Self

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.methods.plan import Plan, resolve
from nmtr_tf.models.network import network
from nmtr_tf.models.saved import load_model
from nmtr_tf.runs.checks import RunSetup
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo
from nmtr_tf.serving.learned import Learned
from nmtr_tf.texts import counted


class OpenedRun:
    """What a run holds, in memory or in its directory.

    Args:
        workdir: Its directory.
        allow_unfinished: Whether the model of a run whose training has not come to its end may be used.

    Raises:
        InputError: If there is no run, or one of another version.
    """

    allow_unfinished = False

    def __init__(self, workdir: str | Path, allow_unfinished: bool = False):
        self.allow_unfinished = allow_unfinished
        directory = RunDirectory(workdir)
        self._open(directory, directory.read_info(), directory.read_config())

    def _open(self, directory: RunDirectory | None, info: RunInfo, config: RunConfig) -> None:
        self.directory, self.info, self.config = directory, info, config
        self._dataset: Dataset | None = None
        self._evaluations: dict[str, Evaluation] = {}
        self._origin: Evaluation | None = None

    @classmethod
    def of_training(
        cls,
        dataset: Dataset,
        setup: RunSetup,
        info: RunInfo,
        history: Sequence[dict[str, Any]],
        model: keras.Model,
        directory: RunDirectory | None,
        origin: Evaluation | None = None,
    ) -> Self:
        """The run that a training made; `fit` calls it."""
        run = cls.__new__(cls)
        run._open(directory, info, setup.config)
        run._dataset, run._origin = dataset, origin
        run.__dict__ |= {"plan": setup.plan, "view": setup.view, "history": list(history), "model": model}
        return run

    def __repr__(self) -> str:
        where = f", {str(self.workdir)!r}" if self.workdir else ""
        return f"<Run {self.info.method}, {self.info.protocol}, {self.info.status}{where}>"

    @property
    def workdir(self) -> Path | None:
        """Its directory; None: it is in memory only."""
        return self.directory.path if self.directory else None

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return self.info.status == "finished"

    @property
    def unfinished(self) -> str | None:
        """What became of a training that has not come to its end, in words; None: it has."""
        if self.is_finished:
            return None
        metrics = self._stored.metrics_path
        num_epochs = len(self.history) if metrics.is_file() else 0
        return f"status {self.info.status!r}, {counted(num_epochs, 'epoch')} so far"

    def check_usable(self) -> None:
        """Checks that the model may be used.

        Raises:
            InputError: If the run is unfinished and was opened without `allow_unfinished`.
        """
        if self.unfinished and not self.allow_unfinished:
            raise InputError(
                f"`workdir={self.workdir}` holds an unfinished run ({self.unfinished}); train it to its end, "
                "which the same call of train does, or take it as it is with `allow_unfinished`."
            )

    def check_same(self) -> None:
        """Checks that its directory holds the run that was opened.

        Raises:
            InputError: If another one was trained there since.
        """
        there = self._stored.read_info()
        if there.started != self.info.started or (self.is_finished and there != self.info):
            raise InputError(
                f"`workdir={self.workdir}` holds another run than the one that was opened; open it again."
            )

    @functools.cached_property
    def plan(self) -> Plan:
        """What its method means for its behaviors."""
        return resolve(self.config, self.info.behaviors)

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """A record of every epoch: "epoch" (from 1), "train/loss", "validation/NDCG@50", ..., "seconds"."""
        return self._stored.read_history()

    @functools.cached_property
    def model(self) -> keras.Model:
        """The model with its best weights, or its last where there was no validation; not compiled.

        Raises:
            InputError: If there is no checkpoint, it is damaged, a part of it has no known name here, or the
                run is unfinished and that was not allowed.
        """
        self.check_usable()
        _ = self.plan  # names that nobody registered are refused there
        model = load_model(self._stored.checkpoint())
        self.check_same()
        return model

    def ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Raw ids of the rows of the model's user and item tables, str (object) each."""
        return self._stored.read_ids() if self.directory else (self.view.user_ids, self.view.item_ids)

    @property
    def _stored(self) -> RunDirectory:
        assert self.directory is not None  # whatever is in memory only was given by the training
        return self.directory

    @property
    def dataset(self) -> Dataset:
        """The data set that the run trained on.

        Raises:
            InputError: If it is no longer where it was, or another one is there.
        """
        if self._dataset is None:
            stored = self._stored.dataset_dir
            self.use_dataset(stored if stored.is_dir() else self.config.data.dataset_dir)
        assert self._dataset is not None
        return self._dataset

    def use_dataset(self, dataset: Dataset | str | Path) -> Self:
        """Names the data set, for a run whose data set is no longer where it was when it trained.

        Args:
            dataset: The data set or its directory.

        Raises:
            InputError: If it is another one.
        """
        dataset = dataset if isinstance(dataset, Dataset) else Dataset.load(dataset)
        if dataset.fingerprint != self.info.dataset_fingerprint:
            where = f"`dataset_dir={dataset.directory}`" if dataset.directory else "the given one"
            raise InputError(f"The run was trained on another data set than {where}.")
        self._dataset = dataset
        return self

    @functools.cached_property
    def view(self) -> TrainingView:
        """Its training view of the data set; all of it where the run is fitted on everything."""
        dataset = self.dataset
        return dataset.full_view(self.config) if self.info.final_of else dataset.view(self.config)

    @property
    def learned(self) -> Learned:
        """Of whom and of what the model has learned something."""
        return Learned.of(network(self.model), self.view)

    def refuse_final(self) -> None:
        """Refuses a run that is fitted on everything, as nothing is left to evaluate it on."""
        if self.info.final_of:
            raise InputError(
                f"{self.workdir or 'The run'} is fitted on everything, held-out rows included: nothing is "
                f"left to evaluate it on; evaluate the run whose settings it has, {self.info.final_of}."
            )
