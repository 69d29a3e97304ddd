"""Figures 2 to 5 of the paper: which cells they need, what is drawn of them, and the files."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation_section import shown_k
from nmtr_tf.files import write_json
from nmtr_tf.folders import new_directory
from nmtr_tf.methods.table import get_method
from nmtr_tf.methods.weights import simplex
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.cells import Cell, make_cell
from nmtr_tf.paper.curve_figures import draw_curves, draw_groups
from nmtr_tf.paper.packing import pack_history
from nmtr_tf.paper.served import who_is_served
from nmtr_tf.paper.study import Study
from nmtr_tf.paper.styles import save_figure
from nmtr_tf.paper.weight_figures import draw_heat_maps, draw_lines

SCHEMA = 1
"""Of figure<n>*.json."""

_CURVES = ("neumf", "mc_neumf", "nmtr_neumf")
METHODS_OF_FIGURES = {
    "2": _CURVES,
    "3": _CURVES,
    "4": ("nmtr_gmf", "nmtr_mlp", "nmtr_neumf"),
    "5": ("neumf", "cmf", "mc_bpr", "mc_neumf", "nmtr_neumf"),
}
"""Figure -> the methods that the paper draws."""

Wanted = Mapping[str, Sequence[Cell]]
"""{method: its cells}"""
Results = Mapping[str, CellResult]
"""{name of a cell: its result}"""


def figure_cells(
    study: Study, figure: str, selection: str, methods: Sequence[str] = ()
) -> dict[str, list[Cell]]:
    """The runs that each method has in a figure.

    Args:
        study: The study.
        figure: "2" to "5".
        selection: As `draw` has it.
        methods: Methods to draw; empty: the paper's.

    Raises:
        InputError: If the selection, a method or the behaviors do not fit the figure.
    """
    if figure == "5" and selection == "peak":
        raise InputError("`figure=5` shows the epoch that validation chose; `selection=peak` has no groups.")
    of_method = _weight_cells if figure == "4" else _own_cell
    return {name: of_method(study, name) for name in methods or METHODS_OF_FIGURES[figure]}


def _own_cell(study: Study, method: str) -> list[Cell]:
    return [make_cell(study, study.variant(method))]


def _weight_cells(study: Study, method: str) -> list[Cell]:
    """A cell for each point of the simplex of loss weights."""
    own = make_cell(study, study.variant(method))
    behaviors = own.config.data.behaviors
    if get_method(method).group != "NMTR":
        raise InputError(f"`figure=4` varies the weights of NMTR methods. Received: `methods={method}`.")
    if len(behaviors) not in (2, 3):
        raise InputError(
            f"`figure=4` draws the loss weights of two or three behaviors. Received: {','.join(behaviors)}."
        )
    # The method's own weights are a point as well, which other figures and tables have a run of.
    usual = own.plan.stages[0].weights
    return [
        own if weights == usual else make_cell(study, study.variant(method, loss_weights=weights))
        for weights in simplex(len(behaviors))
    ]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure, and the numbers that are drawn.

    Attributes:
        figure: The figure.
        numbers: Plain values for its JSON file.
        verdict: What it shows, in words, by a test.
    """

    figure: Figure
    numbers: Mapping[str, Any]
    verdict: Sequence[str] = ()


def draw(study: Study, figure: str, wanted: Wanted, results: Results, selection: str) -> Drawing:
    """Draws a figure.

    Args:
        study: The study.
        figure: "2" to "5".
        wanted: The figure's cells, from `figure_cells`.
        results: Their results.
        selection: Epoch that is shown (4) or marked (2, 3): "validation": the one that validation chose;
            "peak": the best on test, as in the paper.
    """
    parts: dict[str, Callable[..., Drawing]] = {"4": _draw_weights, "5": _draw_groups}
    return parts.get(figure, _draw_curves)(study, wanted, results, selection)


def write_figure(
    study: Study, figure: str, wanted: Wanted, results: Results, selection: str
) -> tuple[list[Path], Sequence[str]]:
    """Draws a figure and writes it to the workdir: PNG, SVG and JSON, and events of Figures 2 and 3.

    Args: as `draw` has them.

    Returns:
        The files, of which the last one of Figures 2 and 3 is the directory of events for TensorBoard, and
        what the figure shows in words.
    """
    drawing = draw(study, figure, wanted, results, selection)
    stem = study.variant(f"figure{figure}").name(study.dataset.behaviors)
    path = study.workdir / f"{stem}_{study.question.folder}_{selection}"
    files = [*save_figure(drawing.figure, path), path.with_name(path.name + ".json")]
    about = {
        "schema": SCHEMA,
        "figure": int(figure),
        "dataset": study.name,
        "protocol": study.protocol,
        "mask": study.question.mask,
        "selection": selection,
        "seed": study.seed,
    }
    write_json(files[-1], {**about, "cells": list(results), **drawing.numbers})
    if figure in ("2", "3"):
        files.append(_write_events(study, path.name, wanted, results))
    return files, drawing.verdict


def _write_events(study: Study, name: str, wanted: Wanted, results: Results) -> Path:
    """The same curves for TensorBoard, under the methods' names, wherever the runs themselves are."""
    study.progress.before_tensorflow()
    from nmtr_tf.reporting.events import write_curves

    histories = {get_method(method).label: results[own[0].name].history for method, own in wanted.items()}
    directory = study.workdir / "tensorboard" / name
    with new_directory(directory) as temporary:
        write_curves(temporary, histories)
    return directory


def _draw_curves(study: Study, wanted: Wanted, results: Results, selection: str) -> Drawing:
    """Figures 2 and 3."""
    k = shown_k(study.config.evaluation.ks)
    shown = ("epoch", "train/loss", f"test/HR@{k}", f"test/NDCG@{k}")
    histories, chosen, losses = {}, {}, {}
    for method, (cell,) in wanted.items():
        result = results[cell.name]
        history = [{name: record[name] for name in shown if name in record} for record in result.history]
        measured = [record for record in history if shown[-1] in record]
        histories[method], losses[method] = history, str(cell.plan.loss)
        chosen[method] = result.best_epoch
        if selection == "peak":
            chosen[method] = int(max(measured, key=lambda record: record[shown[-1]])["epoch"])
    title = _title(study, ranked_users(results.values(), "peak"))
    figure = draw_curves(histories, losses, k, f"{title}; marked: {_EPOCHS[selection]}", chosen)
    numbers = {
        name: {"loss": losses[name], "marked": chosen[name], **pack_history(rows)}
        for name, rows in histories.items()
    }
    return Drawing(figure, {"curves": numbers})


def _draw_weights(study: Study, wanted: Wanted, results: Results, selection: str) -> Drawing:
    """Figure 4."""
    metric = f"HR@{shown_k(study.config.evaluation.ks)}"
    values: dict[str, dict[tuple[float, ...], float]] = {}
    for method, own in wanted.items():
        behaviors = own[0].config.data.behaviors
        points = zip(simplex(len(behaviors)), own, strict=True)
        values[method] = {w: results[cell.name].metrics(selection)[metric] for w, cell in points}
    draw = draw_heat_maps if len(behaviors) == 3 else draw_lines
    title = _title(study, ranked_users(results.values(), selection), _EPOCHS[selection])
    numbers = {
        name: [{"weights": list(weights), metric: value} for weights, value in points.items()]
        for name, points in values.items()
    }
    return Drawing(draw(values, behaviors, metric, title), {"behaviors": list(behaviors), "points": numbers})


def _draw_groups(study: Study, wanted: Wanted, results: Results, selection: str) -> Drawing:
    """Figure 5."""
    k, target = shown_k(study.config.evaluation.ks), study.dataset.target_behavior
    shown = ("num_users", f"HR@{k}", f"NDCG@{k}")
    groups = {}
    for method, (cell,) in wanted.items():
        rows = results[cell.name].groups
        counted = {
            name.removesuffix(f" {target}"): row for name, row in rows.items() if name.endswith(f" {target}")
        }
        groups[method] = {name: {key: row[key] for key in shown} for name, row in counted.items()}
    title = _title(study, _EPOCHS[selection])
    figure = draw_groups(groups, k, title, f"a user's {target!r} rows in training")
    metric = shown[-1]
    served = who_is_served(
        study.dataset, {name: results[cell.name] for name, (cell,) in wanted.items()}, metric
    )
    verdict = [one.sentence(metric, target) for one in served]
    tests = {"metric": metric, "tests": [dataclasses.asdict(one) for one in served], "words": verdict}
    return Drawing(figure, {"groups": groups, "verdict": tests}, verdict)


_EPOCHS = {"validation": "epoch chosen by validation", "peak": "best epoch on test"}


def _title(study: Study, *further: str) -> str:
    about = [study.name, str(study.question), f"seed {study.seed}"]
    return ", ".join([*about, *further])


def ranked_users(results: Iterable[CellResult], selection: str) -> str:
    """How many users were ranked; after an epoch that may be a sample, and not for all methods."""
    by_count: dict[tuple[int, int], dict[str, None]] = {}
    for result in results:
        counts = result.num_users(selection), result.num_test_users
        by_count.setdefault(counts, {})[get_method(result.method).label] = None
    texts = {}
    for (users, everyone), labels in sorted(by_count.items()):
        text = f"{users:,} of {everyone:,} users, a sample" if users < everyone else f"all {everyone:,} users"
        texts[text] = ", ".join(labels)
    if len(texts) == 1:
        return next(iter(texts))
    return "; ".join(f"{text} ({labels})" for text, labels in texts.items())
