"""Tables I and II: the statistics of a data set, and the best settings that a search found."""

from collections.abc import Mapping, Sequence
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import get_method
from nmtr_tf.paper import printed as paper
from nmtr_tf.paper.documents import Entry, Table


def statistics_table(dataset: str, header: Mapping[str, Any]) -> Table:
    """Table I.

    Args:
        dataset: Name of the data set.
        header: Its dataset.json.
    """
    counts = {"users": header["num_users"], "items": header["num_items"]}
    counts |= {name: sum(header["rows"][name].values()) for name in reversed(header["behaviors"])}
    theirs = paper.TABLE_ONE.get(dataset, {})
    entries = [Entry(count, theirs.get(name, "")) for name, count in counts.items()]
    notes = ["Rows of all splits, held-out ones included."]
    if theirs:
        missing = [f"{name} {count}" for name, count in theirs.items() if name not in counts]
        notes.append("In brackets: the paper's." + (f" It has too: {', '.join(missing)}." if missing else ""))
        notes += paper.TABLE_ONE_NOTES.get(dataset, [])
    return Table(f"Table I: {dataset}", ["", *counts], [(dataset, entries)], notes)


def settings_table(
    dataset: str,
    protocol: str,
    behaviors: tuple[str, ...],
    found: Mapping[str, tuple[int, RunConfig]],
    methods: Sequence[str],
) -> Table:
    """Table II.

    Args:
        dataset: Name of the data set.
        protocol: The protocol of the search.
        behaviors: The behaviors of the search, weakest first.
        found: {method: (number of trials, the best settings)}; methods that were not tuned are not there.
        methods: The methods to show.
    """
    columns = ["", "trials", *_COLUMNS]
    rows = []
    for method in methods:
        theirs = paper.best_settings(dataset, method)
        trials, config = found.get(method, (None, None))
        ours = _settings(config, behaviors) if config else {}
        entries = [Entry(ours.get(name), theirs.get(name, "")) for name in _COLUMNS]
        rows.append((get_method(method).label, [Entry(trials), *entries]))
    notes = ["Regularization is [users, items]; loss coefficients are weakest behavior first."]
    if any(paper.best_settings(dataset, method) for method in methods):
        notes += ["In brackets: the paper's.", *paper.TABLE_TWO_NOTES.get(dataset, [])]
    if untuned := [method for method in methods if method not in found]:
        labels = ", ".join(get_method(method).label for method in untuned)
        notes.append(f"Not tuned yet: {labels}; tune finds their settings.")
    return Table(f"Table II: {dataset}, protocol {protocol}, best settings found", columns, rows, notes)


_COLUMNS = (
    "optimizer",
    "learning rate",
    "reduction",
    "layers",
    "loss coefficients",
    "regularization",
    "dropout",
)


def _settings(config: RunConfig, behaviors: tuple[str, ...]) -> dict[str, str]:
    model, training, plan = config.model, config.training, resolve(config, behaviors)
    equal = "equal" if len(plan.predicted) > 1 else "-"
    return {
        "optimizer": training.optimizer.capitalize(),
        "learning rate": f"{training.learning_rate:g}",
        "reduction": training.loss_reduction,
        "layers": str(model.num_layers) if plan.has_tower else "-",
        "loss coefficients": _list(training.loss_weights) if training.loss_weights else equal,
        "regularization": _list((training.l2_user, training.l2_item)),
        "dropout": f"{model.dropout:g}" if plan.has_tower else "-",
    }


def _list(numbers: Sequence[float]) -> str:
    return f"[{','.join(f'{number:.3g}' for number in numbers)}]"
