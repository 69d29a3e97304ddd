"""Search budgets: how many trials every method and baseline had, and what they found.

A search is committed as <results_dir>/<data set>/<question>/search/<method or baseline>/trials.csv, as `tune`
wrote it; a second one of the same method as <method>-<what it is about>.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import BASELINES
from nmtr_tf.files import read_csv
from nmtr_tf.methods.table import PAPER_METHODS, get_method
from nmtr_tf.paper.documents import Entry, Table

_COLUMNS = ("", "trials", "finished", "stopped early", "diverged", "searched", "best on validation", "epochs")
_STATES = ("finished", "pruned", "diverged")

Row = Mapping[str, str]
"""A row of trials.csv."""


def budgets_table(directory: str | Path, title: str) -> Table | None:
    """A row for each search below a directory; None: there is none.

    Args:
        directory: <results_dir>/<data set>/<question>.
        title: Of the data set and the question.

    Raises:
        InputError: If a file is no trials.csv, or is of nothing that can be searched.
    """
    searches = {path.parent.name: path for path in Path(directory).glob("search/*/trials.csv")}
    if not searches:
        return None
    order = [*PAPER_METHODS, *BASELINES]
    names = sorted(searches, key=lambda name: (_place(name.partition("-")[0], order), name))
    trials = {name: _trials(searches[name]) for name in names}
    shown = [(_label(name, searches[name]), _entries(own)) for name, own in trials.items()]
    return Table(f"Search budgets: {title}", _COLUMNS, shown, _notes(trials))


def budgets_of(results_dir: str | Path) -> dict[tuple[str, str], Table]:
    """All of them: (data set, folder of the question) -> its table."""
    folders = sorted({path.parents[2] for path in Path(results_dir).glob("*/*/search/*/trials.csv")})
    found: dict[tuple[str, str], Table] = {}
    for folder in folders:
        dataset, question = folder.parts[-2:]
        if table := budgets_table(folder, f"{dataset}, {question}"):
            found[dataset, question] = table
    return found


def _trials(path: Path) -> Sequence[Row]:
    rows = read_csv(path, ("trial", "status"), "take the file that tune wrote")
    for line, row in enumerate(rows, 2):
        if not _is_trial(row):
            received = str(dict(row))[:200]
            raise InputError(
                f"{path}, line {line}: expected a trial as tune writes it. Received: {received}."
            )
    if not rows:
        raise InputError(f"{path}: expected trials as tune writes them. Found none.")
    return rows


def _is_trial(row: Row) -> bool:
    if row.get("status") not in _STATES or None in row or None in row.values():
        return False
    try:
        return math.isfinite(float(row["value"] or 0)) and int(row["best_epoch"]) + int(row["epochs"]) >= 0
    except (KeyError, ValueError):
        return False


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _label(name: str, path: Path) -> str:
    """The name that tables show: "NMTR-GMF", "NMTR-GMF, dimension"."""
    own, _, about = name.partition("-")
    if own in BASELINES:
        label = BASELINES[own].label
    else:
        try:
            label = get_method(own).label
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return f"{label}, {about}" if about else label


def _entries(rows: Sequence[Row]) -> list[Entry]:
    counts = [sum(row["status"] == state for row in rows) for state in _STATES]
    finished = [row for row in rows if row["status"] == "finished" and row["value"]]
    best = max(finished, key=lambda row: float(row["value"]), default=None)
    value = f"{float(best['value']):.4f}".lstrip("0") if best else ""
    metric = _monitored(finished)
    chosen, trained = (int(best["best_epoch"]), int(best["epochs"])) if best else (0, 0)
    return [
        *map(Entry, [len(rows), *counts]),
        Entry(", ".join(_searched(rows[0]))),
        Entry(f"{metric} {value}".strip() if best else None),
        Entry(f"{chosen} of {trained}" if trained else None),
    ]


def _searched(row: Row) -> list[str]:
    """The options between the facts and the metrics."""
    facts = ("trial", "status", "value", "best_epoch", "epochs", "seconds", "seed", "values", "curve")
    return [name for name in row if name not in facts and "@" not in name]


def _monitored(finished: Sequence[Row]) -> str:
    """The metric that is the value of every trial."""
    names = [name for name in (finished[0] if finished else ()) if "@" in name]
    return next((name for name in names if all(row[name] == row["value"] for row in finished)), "")


def _notes(trials: Mapping[str, Sequence[Row]]) -> list[str]:
    totals: dict[str, int] = {}
    for name, rows in trials.items():
        own = name.partition("-")[0]
        totals[own] = totals.get(own, 0) + len(rows)
    least, most = min(totals.values()), max(totals.values())
    if least == most:
        budget = f"Every method and baseline here had {least} trials."
    else:
        budget = f"Budgets are not equal: {least} to {most} trials."
    return [
        f"{budget} Epochs: the one that validation chose, of those that the best trial trained; "
        "of baselines, which are fitted once, none.",
    ]
