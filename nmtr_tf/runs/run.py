"""A trained run: what one asks of it afterwards."""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.plan import Plan, resolve
from nmtr_tf.runs.checks import RunSetup, check_split, evaluation_config
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo
from nmtr_tf.serving.export import export_model
from nmtr_tf.serving.model_card import ModelFacts
from nmtr_tf.serving.recommendation import excluded_items, recommend_table


class Run:
    """A run: trained just now by `fit`, or opened from its directory.

    Args:
        workdir: Its directory.

    Raises:
        InputError: If there is no run, or one of another version.
    """

    def __init__(self, workdir: str | Path):
        directory = RunDirectory(workdir)
        self._open(directory, directory.read_info(), directory.read_config())

    def _open(self, directory: RunDirectory | None, info: RunInfo, config: RunConfig) -> None:
        self.directory, self.info, self.config = directory, info, config
        self._dataset: Dataset | None = None
        self._evaluations: dict[str, Evaluation] = {}

    @classmethod
    def of_training(
        cls,
        dataset: Dataset,
        setup: RunSetup,
        info: RunInfo,
        history: Sequence[dict[str, Any]],
        model: keras.Model,
        directory: RunDirectory | None,
    ) -> "Run":
        """The run that a training made; `fit` calls it."""
        run = cls.__new__(cls)
        run._open(directory, info, setup.config)
        run._dataset = dataset
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
            InputError: If there is no checkpoint, or a part of it has no known name here.
        """
        _ = self.plan  # names that nobody registered are refused there
        return keras.models.load_model(self._stored.checkpoint(), compile=False)

    def ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Raw ids of the rows of the model's user and item tables, int64 or str (object) each."""
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

    def use_dataset(self, dataset: Dataset | str | Path) -> "Run":
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
        """Its training view of the data set."""
        return self.dataset.view(self.config)

    def evaluate(
        self,
        split: str = "test",
        *,
        protocol: str = "",
        progress: Callable[[int], object] | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Ranks the held-out items of a split among the whole catalogue.

        A run with a directory keeps the result there: metrics_<split>.json and ranks_<split>.parquet.

        Args:
            split: "test" or "validation".
            protocol: Of the training rows; "": the run's own.
            progress: Called with the number of users done since the last call.
            **options: Evaluation options in place of the run's: ks, metrics, mask, groups, eval_memory_mb.

        Returns:
            A row "all" and one for each group of users; columns "users" and the metrics.

        Raises:
            InputError: If an option or the split does not fit.
        """
        check_split(split)
        config = evaluation_config(self.config.evaluation, options)
        view = self.dataset.view(self.config.with_options(protocol=protocol)) if protocol else self.view
        ranks = rank_held_out(ModelScorer(self.model), view, split, config, progress=progress)
        about = {"method": self.info.method, "best_epoch": self.info.best_epoch}
        evaluation = Evaluation.of(self.dataset, view, split, ranks, config, about)
        if self.directory:
            evaluation = evaluation.save(self.directory.path)
        self._evaluations[split] = evaluation
        return evaluation.table()

    def evaluation(self, split: str = "test") -> Evaluation:
        """The last evaluation on a split, now or stored.

        Raises:
            InputError: If there is none.
        """
        check_split(split)
        if split not in self._evaluations:
            if self.directory is None:
                raise InputError(f"The run was not evaluated yet, which evaluate does with `split={split}`.")
            self._evaluations[split] = Evaluation.load(self.directory.path, split)
        return self._evaluations[split]

    def is_evaluated(self, split: str = "test") -> bool:
        """Whether there is an evaluation on a split, now or stored."""
        stored = self.directory is not None and Evaluation.exists(self.directory.path, split)
        return stored or split in self._evaluations

    def ranks(self, split: str = "test") -> pd.DataFrame:
        """The ranks of the last evaluation on a split: columns user, item, rank (from 0), num_candidates."""
        return self.evaluation(split).ranks_table()

    def recommend(
        self,
        user_ids: Iterable[Any] | None = None,
        k: int = 10,
        exclude: str = "target",
        probabilities: bool = False,
        memory_mb: int = 256,
    ) -> pd.DataFrame:
        """The best items for some users: see `nmtr_tf.serving.recommendation.recommend_table`.

        Args:
            user_ids: Ids of the log; None: all users.
            k: Items for each user at most.
            exclude: Items left out: "none", "target" or "all".
            probabilities: Whether to add the probability of every predicted behavior.
            memory_mb: Memory for the scores of some users at once, in MiB.

        Returns:
            A row for each user and rank: columns user, rank (from 1), item, score.

        Raises:
            InputError: If a user is unknown or k is larger than the catalogue.
        """
        return recommend_table(
            self.model, self.dataset, self.view, user_ids, k, exclude, probabilities, memory_mb
        )

    def export(self, export_dir: str | Path, k: int | None = None, exclude: str = "target") -> Path:
        """Writes the next version of a SavedModel, with its model card.

        Args:
            export_dir: Directory of the versions 1, 2, ...; none is ever replaced.
            k: Items that a recommendation has at most; None: 100, or the whole of a smaller catalogue.
            exclude: Items left out: "none", "target" or "all".

        Returns:
            The directory of the version.

        Raises:
            InputError: If it cannot be exported.
        """
        facts = ModelFacts(
            dataset=self.dataset,
            config=self.config,
            exclude=exclude,
            best_epoch=self.info.best_epoch,
            evaluation=self.evaluation("test") if self.is_evaluated("test") else None,
            versions=self.info.versions,
        )
        left_out = excluded_items(self.dataset, self.view, exclude)
        count = min(100, self.view.num_items) if k is None else k
        return export_model(export_dir, self.model, self.plan, self.view, left_out, count, facts)
