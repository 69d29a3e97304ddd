"""What an evaluation found, and its files: metrics_<split>.json and ranks_<split>.parquet. No TensorFlow."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.parquet import write_table
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation import result_files as files
from nmtr_tf.evaluation.groups import held_out_groups
from nmtr_tf.evaluation.metrics import counted_metrics, find_metric, mean_metrics, metric_values
from nmtr_tf.evaluation.places import Places
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.files import new_file, write_json

Fact = str | int | float | bool | None

_OWN = (*files.TEXTS, "schema", "behaviors", "num_pairs", "num_users", "groups")


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """The held-out items of a split, ranked.

    Attributes:
        split: "validation" or "test".
        protocol: Of the training rows: "released", "strict" or "time".
        mask: Training items that were left out of the ranking: "none", "target" or "all".
        behaviors: Behaviors of the training view, weakest first.
        dataset_fingerprint: Of the data set.
        about: What was ranked: method, best_epoch, validation, settings of a baseline, ...; under protocol
            time and mask "all" also "num_touched_before", held-out pairs that were left out for it.
        metrics: "HR@50" -> its mean over the held-out items, or what it is of all lists.
        groups: Group of held-out items, see `nmtr_tf.evaluation.groups` -> "num_pairs", "num_users" and
            the same metrics.
        users: Raw ids, str [n], sorted; once for each held-out item of a user.
        items: Raw ids of the held-out items, str [n].
        ranks: int64 [n], 0-based: candidates with a higher score.
        tied: int64 [n], candidates with the same score, the item itself included.
        num_candidates: int32 [n], items that were ranked.
        directory: Where it is stored; None: nowhere.
    """

    split: str
    protocol: str
    mask: str
    behaviors: tuple[str, ...]
    dataset_fingerprint: str
    about: Mapping[str, Fact]
    metrics: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]]
    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    tied: np.ndarray
    num_candidates: np.ndarray
    directory: Path | None = None

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        view: TrainingView,
        split: str,
        ranks: Ranks,
        config: EvaluationConfig,
        about: Mapping[str, Fact],
    ) -> "Evaluation":
        """Computes the metrics of ranks.

        Args:
            dataset: The data set; what users had done before, for the groups, is read from it.
            view: Its training view that was ranked against.
            split: "validation" or "test".
            ranks: The ranks.
            config: Cut-offs, metrics, mask and groups.
            about: What was ranked (which method, which epoch, ...).

        Raises:
            InputError: If a metric is unknown or does not give numbers.
        """
        before = dataset.before(split, view.behaviors)
        members = held_out_groups(before, ranks.users, ranks.items, config.groups)
        groups = {name: ranks.of(chosen) for name, chosen in members.items()}
        users, items = view.user_ids[ranks.users].astype(str), view.item_ids[ranks.items].astype(str)
        order = files.by_id(users, items)  # as they come back from a file
        about = dict(about)
        if view.protocol == "time" and (left_out := len(view.held_out[split]) - len(users)):
            about["num_touched_before"] = left_out
        return cls(
            split=split,
            protocol=view.protocol,
            mask=config.mask_under(view.protocol),
            behaviors=view.behaviors,
            dataset_fingerprint=view.fingerprint,
            about=about,
            metrics=mean_metrics(ranks, config),
            groups={name: counted_metrics(own, config) for name, own in groups.items()},
            users=users[order],
            items=items[order],
            ranks=ranks.ranks[order],
            tied=ranks.tied[order],
            num_candidates=ranks.num_candidates[order],
        )

    @functools.cached_property
    def places(self) -> Places:
        """What metrics of ranks are computed from."""
        return Places(self.users, self.ranks, self.tied)

    @property
    def num_users(self) -> int:
        """Users that were ranked for."""
        return self.places.num_users

    @property
    def method(self) -> str:
        """Name of what was ranked; "": not known."""
        return str(self.about.get("method") or "")

    @property
    def validation(self) -> str:
        """Whether validation purchases were held out ("random") or learned from ("none"); "": not known."""
        return str(self.about.get("validation") or "")

    @property
    def where(self) -> str:
        """Its directory, else the method: how messages call it."""
        return str(self.directory or self.method or "an evaluation")

    @property
    def ks(self) -> list[int]:
        """The cut-offs of its metrics, in order."""
        return list(dict.fromkeys(int(name.split("@")[1]) for name in self.metrics))

    @property
    def user_metrics(self) -> list[str]:
        """Those of its metrics that have a value for each user, which users are compared by."""
        return [name for name in self.metrics if not find_metric(name)[0].is_of_lists]

    def values(self, metric: str) -> np.ndarray:
        """A metric such as "HR@50" for each user, at any K: float64 [num_users], users sorted.

        Raises:
            InputError: If there is no such metric, or it is one of all lists together.
        """
        return metric_values(self.places, metric)

    def table(self) -> pd.DataFrame:
        """A row "all" and one for each group of held-out items; columns "users" and the metrics."""
        rows = {"all": {"num_users": self.num_users, **self.metrics}, **self.groups}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["num_users", *self.metrics])
        return table.rename(columns={"num_users": "users"}).astype({"users": np.int64})

    def ranks_table(self) -> pd.DataFrame:
        """A row for each held-out item.

        Columns user, item, rank (from 0), tied (candidates with its score, itself included), num_candidates.
        """
        return pd.DataFrame(self._columns())

    def _columns(self) -> dict[str, np.ndarray]:
        columns = (self.users, self.items, self.ranks, self.tied, self.num_candidates)
        return dict(zip(files.COLUMNS, columns, strict=True))

    def save(self, directory: str | Path) -> "Evaluation":
        """Writes the metrics, for people and programs, and the ranks with raw ids, for comparisons.

        Args:
            directory: Where to write; an earlier evaluation of the split is replaced.

        Returns:
            The same evaluation, which knows its directory.
        """
        table = pa.table({name: pa.array(own) for name, own in self._columns().items()})
        with new_file(files.ranks_path(directory, self.split)) as path:
            write_table(table, path)
            write_json(files.metrics_path(directory, self.split), self._entries())  # both or none
        return dataclasses.replace(self, directory=Path(directory))

    def _entries(self) -> dict[str, Any]:
        """What the metrics file holds."""
        return {
            "schema": files.SCHEMA,
            "split": self.split,
            "protocol": self.protocol,
            "mask": self.mask,
            "behaviors": self.behaviors,
            "dataset_fingerprint": self.dataset_fingerprint,
            "num_pairs": len(self.ranks),
            "num_users": self.num_users,
            **self.about,
            **self.metrics,
            "groups": self.groups,
        }

    @staticmethod
    def exists(directory: str | Path, split: str) -> bool:
        """Whether a directory holds the evaluation of a split."""
        return files.metrics_path(directory, split).exists()

    @classmethod
    def load(cls, directory: str | Path, split: str) -> "Evaluation":
        """Reads what `save` wrote.

        Raises:
            InputError: If a file is missing or damaged, or the ranks are not those of the metrics.
        """
        path, ranks_path = files.metrics_path(directory, split), files.ranks_path(directory, split)
        for needed in (path, ranks_path):
            if not needed.is_file():
                how = f"which evaluate writes with `split={split}`"
                raise InputError(f"{directory}: expected {needed.name}, {how}.")
        entries, metrics = files.read_entries(path, split)
        users, items, ranks, tied, num_candidates = files.read_ranks(ranks_path)
        files.check_ranks(Places(users, ranks, tied), ranks_path, metrics, path.name)
        return cls(
            **{name: entries[name] for name in files.TEXTS},
            behaviors=tuple(entries.get("behaviors", ())),
            about={name: value for name, value in entries.items() if name not in {*_OWN, *metrics}},
            metrics=metrics,
            groups=entries.get("groups", {}),
            users=users,
            items=items,
            ranks=ranks,
            tied=tied,
            num_candidates=num_candidates,
            directory=Path(directory),
        )
