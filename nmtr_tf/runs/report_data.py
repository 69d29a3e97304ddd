"""The part of a run's page about its data: sizes, what preparation removed, and leaks."""

from collections.abc import Mapping, Sequence

import numpy as np

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import SPLITS
from nmtr_tf.data.pairs import leaks
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json
from nmtr_tf.reporting.page import DataPart, PageTable, Verdict, percent

_ANY = "any of them"


def data_part(dataset: Dataset, view: TrainingView) -> DataPart:
    """What a run learned from, and what of the held-out pairs it could see.

    Args:
        dataset: The data set.
        view: The run's training view.
    """
    splits = [split for split in ("test", "validation") if len(view.held_out[split])]
    in_files = {split: _leaked(view, dataset.before(split, view.behaviors), split) for split in splits}
    in_run = {split: _leaked(view, view, split) for split in splits}
    return DataPart(
        sentences=_sentences(dataset),
        sizes=_sizes(dataset, view),
        filters=_filters(dataset),
        leak=_verdict(view, in_files, in_run),
        leaks=_leak_table(view, splits, in_files, in_run) if view.auxiliary_behaviors else None,
        audit=_audit(dataset),
    )


def _sentences(dataset: Dataset) -> list[str]:
    header = dataset.header
    read = f", {header['rows_read']:,} rows read" if header.get("rows_read") else ""
    source = f"Source: {header.get('source') or 'not recorded'}{read}."
    if dataset.events.timestamp is None:
        return [f"{source} It has no times."]
    first, last = (
        str(np.datetime64(int(time), "ms").astype("datetime64[D]"))
        for time in (dataset.events.timestamp.min(), dataset.events.timestamp.max())
    )
    return [f"{source} Events from {first} to {last}."]


def _sizes(dataset: Dataset, view: TrainingView) -> PageTable:
    rows = dataset.header["rows"]
    counts = {name: sum(rows[name].values()) for name in dataset.behaviors}
    lines = [["all rows", f"{dataset.num_users:,}", f"{dataset.num_items:,}", *_numbers(counts.values())]]
    for split in SPLITS[1:]:
        held = [rows[name][split] for name in dataset.behaviors]
        if sum(held):
            lines.append([f"held out for {split}", "", "", *_numbers(held)])
    used = [view.matrices[name].nnz if name in view.matrices else 0 for name in dataset.behaviors]
    lines.append(["this run's training rows", "", "", *_numbers(used)])
    return PageTable(
        f"Table I of {dataset.name}: sizes", ["", "users", "items", *map(_name, dataset.behaviors)], lines
    )


def _name(behavior: str) -> str:
    return behavior or "(no name)"


def _numbers(counts) -> list[str]:
    return [f"{int(count):,}" for count in counts]


def _filters(dataset: Dataset) -> PageTable | None:
    steps = dataset.about.get("filters") or []
    lines = [[step["filter"], *_numbers(step[what] for what in ("users", "items", "rows"))] for step in steps]
    columns = ["step", "users", "items", "rows"]
    return PageTable("What preparation removed", columns, lines) if lines else None


_Leaked = Mapping[str, Mapping[str, int]]


def _leaked(view: TrainingView, rows: TrainingView, split: str) -> Mapping[str, int]:
    """Auxiliary behavior, and any of them -> held-out pairs of the view that its rows hold."""
    auxiliary = {name: rows.matrices[name] for name in view.auxiliary_behaviors}
    own = leaks({split: view.held_out[split]}, auxiliary)[split]
    of_any = int(np.any(list(own.values()), axis=0).sum()) if own else 0
    return {name: int(held.sum()) for name, held in own.items()} | {_ANY: of_any}


def _leak_table(view: TrainingView, splits: Sequence[str], in_files: _Leaked, in_run: _Leaked) -> PageTable:
    behaviors = [*view.auxiliary_behaviors, *([_ANY] if len(view.auxiliary_behaviors) > 1 else [])]
    columns = [f"{split}, {where}" for split in splits for where in ("in the data set", "in this run")]
    lines = [
        [
            name,
            *(
                _share(found[split][name], len(view.held_out[split]))
                for split in splits
                for found in (in_files, in_run)
            ),
        ]
        for name in behaviors
    ]
    return PageTable(
        f"Held-out {view.target_behavior} pairs that are in training rows of", ["", *columns], lines
    )


def _share(count: int, total: int) -> str:
    return f"{percent(count / total)} ({count:,})"


def _verdict(view: TrainingView, in_files: _Leaked, in_run: _Leaked) -> Verdict:
    if "test" not in in_run:
        return Verdict("The data set holds nothing out for test.")
    total = len(view.held_out["test"])
    pairs = f"{total:,} test pairs"
    if not view.auxiliary_behaviors:
        return Verdict(f"The run has one behavior, so no other one can hold the {pairs}.")
    files, run = in_files["test"][_ANY], in_run["test"][_ANY]
    if view.protocol == "time":
        return Verdict(
            f"What is trained on comes before the {pairs}. Of these, {_share(files, total)} are of items "
            "that their user had touched before, by another behavior."
        )
    if run:
        return Verdict(
            f"{_share(run, total)} of the {pairs} are still in the training rows of other behaviors "
            f"(protocol {view.protocol}). Whoever ranks first what a user touched and has not bought finds "
            "them without learning, so these numbers say little about recommendation; protocol strict takes "
            "them out.",
            is_good=False,
        )
    if files:
        return Verdict(
            f"{_share(files, total)} of the {pairs} are in other behaviors' rows of the data set; protocol "
            f"{view.protocol} took them out of this run's training rows."
        )
    return Verdict(f"None of the {pairs} is in the training rows of another behavior.")


def _audit(dataset: Dataset) -> str:
    """The sentence of audit.json; "": there is none of this data set."""
    path = dataset.directory / "audit.json" if dataset.directory else None
    if path is None or not path.is_file():
        return ""
    try:
        found = read_json(path)
    except InputError:  # a damaged file of another command is no reason to have no page
        return ""
    is_own = isinstance(found, dict) and found.get("dataset_fingerprint") == dataset.fingerprint
    return str(found.get("verdict") or "") if is_own else ""
