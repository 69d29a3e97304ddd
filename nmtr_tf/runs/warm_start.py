"""Training that goes on from a finished run when the data has grown: the paper's incremental learning."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.network import network
from nmtr_tf.runs.run import Run

# What two runs have to agree on.
_LAYOUT: dict[str, Callable[[Plan], Any]] = {
    "embedding_dim": lambda plan: plan.embedding_dim,
    "share_embeddings": lambda plan: plan.shares_users,
    "the sharing of item embeddings": lambda plan: plan.shares_items,
    "the separation of NeuMF's embeddings": lambda plan: plan.separates_parts,
    "item_bias": lambda plan: plan.item_bias,
}


@dataclasses.dataclass(frozen=True)
class WarmStart:
    """What a finished run learned, and which rows and behaviors it learned it for.

    Attributes:
        name: The run, for messages and reports.
        run: The run; its weights are read when they are needed.
        user_ids: Raw ids of the rows of its user tables, str (object).
        item_ids: Raw ids of the rows of its item tables, likewise.
    """

    name: str
    run: Run
    user_ids: np.ndarray
    item_ids: np.ndarray

    @classmethod
    def of(cls, init_from: Run | str | Path, target: Path | None = None) -> "WarmStart":
        """What a run learned.

        Args:
            init_from: The run, or its directory.
            target: The directory of the run that will start from it; None: it has none.

        Raises:
            InputError: If there is no such run, or it is not finished, or would be overwritten.
        """
        path = init_from.workdir if isinstance(init_from, Run) else Path(init_from)
        name = str(path or "the run")
        if path and target and path.resolve() == target.resolve():
            raise InputError(f"`init_from={name}` is the run to be written; name another `workdir`.")
        expected = f"`init_from={name}`: expected the directory of a finished run"
        try:
            run = init_from if isinstance(init_from, Run) else Run(init_from)
            ids = run.ids()
        except InputError as error:
            raise InputError(f"{expected}: {error}") from None
        if not run.is_finished:
            raise InputError(f"{expected}. Its status: {run.info.status!r}.")
        if run.info.final_of:  # what is held out of newer data may be among its training rows
            raise InputError(
                f"{expected} that can be evaluated. It is fitted on everything; name {run.info.final_of}."
            )
        return cls(name, run, *ids)

    @property
    def plan(self) -> Plan:
        """What was trained."""
        return self.run.plan

    @property
    def behaviors(self) -> tuple[str, ...]:
        """Names of the behaviors that the run predicts, weakest first."""
        return self.plan.predicted

    def check(self, plan: Plan, view: TrainingView) -> None:
        """Checks that a new model can take over what was learned.

        Args:
            plan: Of the new model.
            view: What it trains on.

        Raises:
            InputError: If either is solved in closed form or reads histories, the two predict no behavior in
                common, or differ in the layout of embeddings and item biases, or in the unit or the tower of
                a common one; if the new one alone has items of unit length.
        """
        for one in (plan, self.plan):
            if one.history.is_read:
                raise InputError(
                    f"`init_from={self.name}`: `user_rows={one.history.user_rows}` reads users from their "
                    "histories, so that new ones are known at once; train it anew on the new data."
                )
            if one.is_closed_form:
                raise InputError(
                    f"`init_from={self.name}`: `method={one.name}` is solved at once, from nothing; train it "
                    "anew on the new data."
                )
        for what, layout in _LAYOUT.items():
            self._require_equal(what, layout(self.plan), layout(plan))
        if plan.normalizes_items and not self.plan.normalizes_items:
            raise InputError(
                f"`init_from={self.name}`: `objective={plan.objective}` has item vectors of unit length, and "
                f"the run ranks by their lengths too; name one with `objective={plan.objective}`, or train "
                "anew."
            )
        old_units = dict(zip(self.behaviors, self.plan.unit_names, strict=True))
        common = [name for name in plan.predicted if name in old_units]
        if not common:
            raise InputError(
                f"`init_from={self.name}`: it predicts none of the behaviors {', '.join(plan.predicted)}; it "
                f"was trained on {', '.join(self.behaviors)}."
            )
        kinds = dict(zip(plan.predicted, zip(plan.unit_names, plan.units, strict=True), strict=True))
        for name in common:
            self._require_equal(f"the unit of {name!r}", old_units[name], kinds[name][0])
        if any(kinds[name][1].has_tower for name in common):
            self._require_equal("the tower's widths", self.plan.tower_widths, plan.tower_widths)

    def _require_equal(self, what: str, old: Any, new: Any) -> None:
        if old != new:
            raise InputError(
                f"`init_from={self.name}`: {what} should be the same in both runs; it is {old} there and "
                f"{new} here."
            )

    def apply(self, model: keras.Model, view: TrainingView) -> dict[str, Any]:
        """Copies what was learned into a new model; its other rows and behaviors stay as they are.

        Rows of embeddings and item biases go by raw id, biases, units and separate embeddings by the
        behavior's name. Items of unit length are copied as such where the new model has none.

        Args:
            model: Made by `build_model` for `view`, with a plan that passed `check`.
            view: What it trains on.

        Returns:
            A report for run.json: the run, the counts of kept, new and dropped users and items, and the
            behaviors' names likewise.
        """
        old, new = network(self.run.model), network(model)
        kept = [name for name in new.behaviors if name in self.behaviors]
        places = [(self.behaviors.index(name), new.behaviors.index(name)) for name in kept]
        users = _Common.of(self.user_ids, view.user_ids)
        items = _Common.of(self.item_ids, view.item_ids)
        new.user_rows.take_over(old.user_rows, places, users.old, users.new)
        new.item_rows.take_over(old.item_rows, places, items.old, items.new)
        for there, here in places:
            new.cascade.units[here].set_weights(old.cascade.units[there].get_weights())
        behaviors = {
            "kept": kept,
            "new": [name for name in new.behaviors if name not in kept],
            "dropped": [name for name in self.behaviors if name not in kept],
        }
        return {"run": self.name, "users": users.counts(), "items": items.counts(), "behaviors": behaviors}


@dataclasses.dataclass(frozen=True)
class _Common:
    """Rows of an old and a new vocabulary with the same raw id, int [num_kept] each."""

    old: np.ndarray
    new: np.ndarray
    num_old: int
    num_new: int

    @classmethod
    def of(cls, old_ids: np.ndarray, new_ids: np.ndarray) -> "_Common":
        _, old, new = np.intersect1d(old_ids, new_ids, assume_unique=True, return_indices=True)
        return cls(old, new, len(old_ids), len(new_ids))

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
