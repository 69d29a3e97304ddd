"""Training that goes on from a finished run when the data has grown: the paper's incremental learning."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nmtr_tf.config import ModelConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import (
    has_item_bias,
    predicted_behaviors,
    separates_neumf,
    shares_embeddings,
    shares_items,
    unit_names,
)
from nmtr_tf.models.nmtr import Network, network
from nmtr_tf.training.run import Run

# What two runs have to agree on, and where it comes from.
_LAYOUT: dict[str, Callable[[ModelConfig], Any]] = {
    "embedding_dim": lambda config: config.embedding_dim,
    "share_embeddings": shares_embeddings,
    "the sharing of item embeddings": shares_items,
    "the separation of NeuMF's embeddings": separates_neumf,
    "item_bias": has_item_bias,
}


@dataclasses.dataclass(frozen=True)
class WarmStart:
    """What a finished run learned, and which rows and behaviors it learned it for.

    Attributes:
        workdir: The run's directory.
        config: Its model.
        network: Its weights.
        user_ids: Raw ids of the rows of its user tables, int64 or str (object).
        item_ids: Raw ids of the rows of its item tables, likewise.
    """

    workdir: Path
    config: ModelConfig
    network: Network
    user_ids: np.ndarray
    item_ids: np.ndarray

    @classmethod
    def read(cls, workdir: str | Path) -> "WarmStart":
        """Reads a run.

        Raises:
            InputError: If there is no finished run, or one without checkpoint or vocabularies.
        """
        run = Run(workdir)
        if not run.is_finished:
            raise InputError(
                f"--init_from={workdir}: expected the directory of a finished run (of one seed)."
            )
        return cls(run.workdir, run.config().model, network(run.load_model()), *run.vocabularies())

    @property
    def behaviors(self) -> tuple[str, ...]:
        """Names of the behaviors that the run predicts, weakest first."""
        return self.network.cascade.behaviors

    def check(self, config: ModelConfig, view: Interactions) -> None:
        """Checks that a new model can take over what was learned.

        Args:
            config: Of the new model.
            view: What it trains on.

        Raises:
            InputError: If the two predict no behavior in common, or differ in the kind of ids, in the layout
                of embeddings and item biases, or in the unit or the tower of a common behavior.
        """
        for kind, old, new in (
            ("user", self.user_ids, view.user_ids),
            ("item", self.item_ids, view.item_ids),
        ):
            self._require_equal(f"the kind of {kind} ids", _kind(old), _kind(new))
        for what, layout in _LAYOUT.items():
            self._require_equal(what, layout(self.config), layout(config))
        behaviors = predicted_behaviors(config, view.behaviors)
        old_units = dict(zip(self.behaviors, unit_names(self.config, self.behaviors), strict=True))
        new_units = dict(zip(behaviors, unit_names(config, behaviors), strict=True))
        common = [name for name in behaviors if name in old_units]
        if not common:
            raise InputError(
                f"--init_from={self.workdir}: it predicts none of the behaviors {', '.join(behaviors)}; it "
                f"was trained on {', '.join(self.behaviors)}."
            )
        for name in common:
            self._require_equal(f"the unit of {name!r}", old_units[name], new_units[name])
        if any(new_units[name] in ("mlp", "neumf") for name in common):
            self._require_equal("the tower's widths", self.config.tower_widths, config.tower_widths)

    def _require_equal(self, what: str, old: Any, new: Any) -> None:
        if old != new:
            raise InputError(
                f"--init_from={self.workdir}: {what} should be the same in both runs; it is {old} there and "
                f"{new} here."
            )

    def apply(self, model: keras.Model, view: Interactions) -> dict[str, Any]:
        """Copies what was learned into a new model; its other rows and behaviors stay as they are.

        Rows of embeddings and item biases go by raw id, biases, units and separate embeddings by the
        behavior's name.

        Args:
            model: Made by `build_model` for `view`, with a config that passed `check`.
            view: What it trains on.

        Returns:
            A report for run.json: the run, the counts of kept, new and dropped users and items, and the
            behaviors' names likewise.
        """
        old, new = self.network, network(model)
        users, items = (
            _Rows.matching(self.user_ids, view.user_ids),
            _Rows.matching(self.item_ids, view.item_ids),
        )
        predicted = new.cascade.behaviors
        kept = [name for name in predicted if name in self.behaviors]
        for name in kept:
            i, j = self.behaviors.index(name), predicted.index(name)
            users.copy(old.user_tables[i], new.user_tables[j])
            items.copy(old.item_tables[i], new.item_tables[j])
            items.copy(old.item_biases[i], new.item_biases[j])
            new.cascade.units[j].set_weights(old.cascade.units[i].get_weights())
        behaviors = {
            "kept": kept,
            "new": [name for name in predicted if name not in kept],
            "dropped": [name for name in self.behaviors if name not in kept],
        }
        return {
            "run": str(self.workdir),
            "users": users.counts(),
            "items": items.counts(),
            "behaviors": behaviors,
        }


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Rows of an old and a new table with the same raw id, int [num_kept] each."""

    old: np.ndarray
    new: np.ndarray
    num_old: int
    num_new: int

    @classmethod
    def matching(cls, old_ids: np.ndarray, new_ids: np.ndarray) -> "_Rows":
        _, old, new = np.intersect1d(old_ids, new_ids, assume_unique=True, return_indices=True)
        return cls(old, new, len(old_ids), len(new_ids))

    def copy(self, old: keras.Variable, new: keras.Variable) -> None:
        values = np.array(keras.ops.convert_to_numpy(new))
        values[self.new] = keras.ops.convert_to_numpy(old)[self.old]
        new.assign(values)

    def counts(self) -> dict[str, int]:
        kept = len(self.old)
        return {"kept": kept, "new": self.num_new - kept, "dropped": self.num_old - kept}


def summary(report: Mapping[str, Any]) -> str:
    """A line or two for people about what `WarmStart.apply` reported."""
    parts = [
        f"{kind} {', '.join(f'{count:,} {what}' for what, count in report[kind].items())}"
        for kind in ("users", "items")
    ]
    parts += [f"behaviors {what}: {', '.join(names)}" for what, names in report["behaviors"].items() if names]
    return f"Started from {report['run']}: {'; '.join(parts)}. The optimizer's state starts new."


def _kind(ids: np.ndarray) -> str:
    return "text" if ids.dtype == object else "whole numbers"
