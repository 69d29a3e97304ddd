"""Which cells are finished and which are to be trained, with an estimate of the time."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nmtr_tf.errors import InputError
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.cells import Cell, stored_result
from nmtr_tf.paper.finished_cells import load_results
from nmtr_tf.paper.study import Study
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.runs.directory import RunDirectory


def overview(study: Study, cells: Iterable[Cell]) -> str:
    """A table of cells and their state, and how long what is missing takes at most.

    An epoch is taken to last as long as in the slowest of the method's finished and interrupted cells; where
    there are none, the time is unknown. Early stopping makes it less.
    """
    rates = epoch_seconds(study)
    rows, total, unknown = [], 0.0, 0
    for cell in {cell.name: cell for cell in cells}.values():
        if stored_result(study, cell):
            rows.append([cell.name, "finished", ""])
            continue
        begun = study.run_path(cell.name).exists()
        seconds = rates.get(cell.config.model.method)
        longest = None if seconds is None else seconds * cell.plan.num_epochs
        rows.append([cell.name, "interrupted" if begun else "to train", _duration(longest)])
        total, unknown = total + (longest or 0), unknown + (longest is None)
    table = format_table(f"Cells of {study.name}, {study.question}", ["", "", "time"], rows)
    todo = sum(state != "finished" for _, state, _ in rows)
    rest = f" and {unknown} of unknown time" if unknown else ""
    known = _duration(total) if todo > unknown else "nothing known"
    summary = f"{todo} of {len(rows)} to train: {known}{rest}." if todo else "All finished."
    return f"{table}\n\n{summary}"


def epoch_seconds(study: Study) -> dict[str, float]:
    """Method -> how long an epoch of it took here at most, its evaluation included."""
    rates: dict[str, float] = {}
    known = [
        (result.method, _finished_rate(result))
        for result in load_results(study.results_path).values()
        if result.dataset_fingerprint == study.dataset.fingerprint
    ]
    known += [_begun_rate(RunDirectory(path)) for path in study.runs_path.glob("[!.]*")]
    for method, rate in known:
        if not math.isnan(rate):
            rates[method] = max(rate, rates.get(method, 0.0))
    return rates


def _finished_rate(result: CellResult) -> float:
    """Seconds for each epoch, as measured or from the whole; NaN where nothing was trained."""
    measured = _mean_seconds(result.history)
    return result.seconds / (result.epochs or math.nan) if math.isnan(measured) else measured


def _begun_rate(directory: RunDirectory) -> tuple[str, float]:
    """A run's method and its seconds for each epoch so far; NaN where it has none, or cannot be read."""
    try:
        return directory.read_info().method, _mean_seconds(directory.read_history())
    except InputError:
        return "", math.nan


def _mean_seconds(history: Sequence[Mapping[str, Any]]) -> float:
    seconds = [record["seconds"] for record in history if "seconds" in record]
    return sum(seconds) / (len(seconds) or math.nan)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"at most {seconds / 60:,.0f} min" if seconds > 90 else f"at most {seconds:,.0f} s"
