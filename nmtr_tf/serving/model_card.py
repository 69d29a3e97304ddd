"""The card of an exported model: all that is known of it, in plain values for programs (model.json)."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

import nmtr_tf
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.files import read_json
from nmtr_tf.methods.plan import Plan
from nmtr_tf.serving.left_out import resolved_exclude
from nmtr_tf.serving.two_stages import Agreement
from nmtr_tf.serving.vector_index import VectorIndex

_DATA = ("source", "behaviors", "target_behavior", "num_users", "num_items", "rows", "filters", "table_one")


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """What is known of a trained model besides its plan and its training view.

    Attributes:
        dataset: The data set that it was trained on.
        config: The settings that it was trained with.
        exclude: Which items it leaves out: "auto", "bought", "touched" or "none", see
            `nmtr_tf.serving.left_out.excluded_items`.
        exclude_items: Ids of the items that it recommends to nobody.
        examples: What `nmtr_tf.serving.examples.examples_of` gives; none where items have no titles.
        best_epoch: The epoch (from 1) whose weights it has; None: the last.
        evaluation: Of its ranking of the test items; None: it was not evaluated. Of a model that is fitted on
            everything: that of the run whose settings it has.
        final_of: That run; None: the model is not fitted on everything.
        num_epochs: Epochs that it trained, where its weights are the last; None: those of `best_epoch`.
        versions: Package -> version, of the training.
        unfinished: What became of a training that has not come to its end; None: it has.
    """

    dataset: Dataset
    config: RunConfig
    exclude: str = "auto"
    exclude_items: Sequence[str] = ()
    examples: Sequence[Mapping[str, Any]] = ()
    best_epoch: int | None = None
    evaluation: Evaluation | None = None
    final_of: str | None = None
    num_epochs: int | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unfinished: str | None = None


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """All that the card of an exported model says.

    Attributes:
        plan: The method with its options.
        view: The training view.
        facts: What else is known of the model.
        version: The version that is exported.
        k: Items that a recommendation has at most.
        signatures: What `nmtr_tf.serving.export.save_model` gives.
        two_stages: How well candidates agree with ranking everything; None: everything is ranked.
        index: The index of its item vectors; None: there is none.
        created: When, ISO 8601 in UTC.
    """

    plan: Plan
    view: TrainingView
    facts: ModelFacts
    version: int
    k: int
    signatures: Mapping[str, Any]
    two_stages: Agreement | None = None
    index: VectorIndex | None = None
    created: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    )

    @property
    def data(self) -> dict[str, Any]:
        """Name, fingerprint, source and counts of the data set."""
        dataset = self.facts.dataset
        header = {name: value for name, value in dataset.header.items() if name in _DATA}
        return {"name": dataset.name, "fingerprint": dataset.fingerprint, **header}

    @property
    def left_out(self) -> str:
        """What of a user's own items is never recommended: "bought", "touched" or "none"."""
        return resolved_exclude(self.facts.exclude, self.facts.config.evaluation.mask)

    @property
    def training_rows(self) -> dict[str, int]:
        """Behavior -> its training rows."""
        return {name: int(matrix.nnz) for name, matrix in self.view.matrices.items()}

    @property
    def audit(self) -> str | None:
        """The sentence that the audit of the data set came to; None: there was none."""
        directory, fingerprint = self.facts.dataset.directory, self.facts.dataset.fingerprint
        path = directory / "audit.json" if directory else None
        found = read_json(path) if path and path.is_file() else {}
        is_own = isinstance(found, dict) and found.get("dataset_fingerprint") == fingerprint
        return str(found["verdict"]) if is_own and found.get("verdict") else None

    @property
    def exported_with(self) -> dict[str, str]:
        """Package -> version, of the export."""
        return {"nmtr_tf": nmtr_tf.__version__, "tensorflow": tf.__version__, "keras": keras.__version__}

    def to_json(self) -> dict[str, Any]:
        """Entries of model.json; "metrics" and "audit" are None where nothing was evaluated or audited.

        Where "final_of" is not None, "metrics" are those of that run, not of the model.
        """
        view, facts = self.view, self.facts
        return {
            "model": self.plan.name,
            "version": self.version,
            "created": self.created,
            "data": self.data,
            "behaviors": list(view.behaviors),
            "predicted_behaviors": list(self.plan.predicted),
            "target_behavior": view.target_behavior,
            "protocol": view.protocol,
            "training_rows": self.training_rows,
            "best_epoch": facts.best_epoch,
            "final_of": facts.final_of,
            "num_epochs": facts.num_epochs,
            "unfinished": facts.unfinished,
            "metrics": _metrics(facts.evaluation) if facts.evaluation else None,
            "audit": self.audit,
            "config": facts.config.to_json(),
            "versions": {"trained": dict(facts.versions), "exported": self.exported_with},
            "k": self.k,
            "exclude": facts.exclude,
            "left_out": self.left_out,
            "exclude_items": list(facts.exclude_items),
            "two_stages": dataclasses.asdict(self.two_stages) if self.two_stages else None,
            "index": dataclasses.asdict(self.index) if self.index else None,
            "signatures": self.signatures,
            "examples": [dict(example) for example in facts.examples],
        }


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    """What the evaluation was of, its metrics and, under "groups", those of each group of users."""
    return {
        "split": evaluation.split,
        "protocol": evaluation.protocol,
        "mask": evaluation.mask,
        "behaviors": list(evaluation.behaviors),
        "dataset_fingerprint": evaluation.dataset_fingerprint,
        "num_pairs": len(evaluation.ranks),
        "num_users": evaluation.num_users,
        **evaluation.about,
        **evaluation.metrics,
        "groups": evaluation.groups,
    }
