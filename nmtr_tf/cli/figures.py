"""Draw the paper's Figures 2 to 5 from runs on a data set.

2, 3  training loss, HR@100 and NDCG@100 on test in every epoch: NeuMF, MC-NeuMF, NMTR-NeuMF. In the paper 2
      is Beibei's and 3 Tmall's; here both draw the data set that is given. TensorBoard shows the same.
4     HR@100 of the NMTR methods for the loss weights of two or three behaviors.
5     HR@100 and NDCG@100 by the number of training purchases: NeuMF, CMF, MC-BPR, MC-NeuMF, NMTR-NeuMF.

A figure is a PNG, an SVG and the numbers as JSON in --workdir. The runs are shared with experiments.tables:
what --results_dir has is not trained again.

Examples:
    python -m experiments.figures --figure=2 --dataset_dir=out/shop --workdir=out/paper --num_epochs=20
    python -m experiments.figures --figure=4 --dataset_dir=out/shop --workdir=out/paper --dry_run
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from matplotlib.figure import Figure

from nmtr_tf.cli import common as cli
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import shown_k
from nmtr_tf.files import new_directory, write_json
from nmtr_tf.models.methods import get_method
from nmtr_tf.paper import cells
from nmtr_tf.paper.cell_runs import run_cells, show_plan
from nmtr_tf.paper.cells import Bench, Cell, make_cell, open_bench
from nmtr_tf.paper.curve_figures import draw_curves, draw_groups
from nmtr_tf.paper.results import pack_history
from nmtr_tf.paper.styles import save_figure
from nmtr_tf.paper.weight_figures import draw_heat_maps, draw_lines
from nmtr_tf.training.settings import behavior_weights
from nmtr_tf.tuning.space import simplex

_CURVES = ("neumf", "mc_neumf", "nmtr_neumf")
_METHODS = {
    "2": _CURVES,
    "3": _CURVES,
    "4": ("nmtr_gmf", "nmtr_mlp", "nmtr_neumf"),
    "5": ("neumf", "cmf", "mc_bpr", "mc_neumf", "nmtr_neumf"),
}

FLAGS = cells.new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_enum("figure", None, list(_METHODS), "Figure of the paper.", **_at)
flags.DEFINE_enum(
    "selection",
    "validation",
    ["validation", "peak"],
    "Epoch that is shown (4) or marked (2, 3): the one that validation chose, or the best on test, as in the "
    "paper.",
    **_at,
)

Results = Mapping[str, Mapping[str, Any]]
"""{name of a cell: its result}"""


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_figures, FLAGS, __doc__, argv)


def _figures(values: flags.FlagValues) -> None:
    cli.require(values, "figure")
    if values.figure == "5" and values.selection == "peak":
        raise InputError("--figure=5 shows the epoch that validation chose; --selection=peak has no groups.")
    bench = open_bench(values)
    methods = tuple(values.methods) or _METHODS[values.figure]
    wanted = {method: _cells(bench, method) for method in methods}
    everything = [cell for own in wanted.values() for cell in own]
    if values.dry_run:
        show_plan(bench, everything)
        return
    results = run_cells(bench, everything)
    draw = {"4": _draw_weights, "5": _draw_groups}.get(values.figure, _draw_curves)
    figure, numbers = draw(bench, wanted, results)
    stem = bench.variant(f"figure{values.figure}").name(bench.interactions.behaviors)
    path = bench.workdir / f"{stem}_{bench.protocol}_{values.selection}"
    files = [*save_figure(figure, path), path.with_name(path.name + ".json")]
    write_json(files[-1], {**_about(bench, values), "cells": list(results), **numbers})
    cli.say(values, "\n" + "\n".join(str(file) for file in files))
    if values.figure in ("2", "3"):
        _write_events(bench, path, wanted, results)


def _cells(bench: Bench, method: str) -> list[Cell]:
    """The runs that a method has in the figure."""
    own = make_cell(bench, bench.variant(method))
    if bench.values.figure != "4":
        return [own]
    behaviors = own.config.data.behaviors
    if get_method(method).group != "NMTR":
        raise InputError(f"--figure=4 varies the weights of NMTR methods. Received: --methods={method}.")
    if len(behaviors) not in (2, 3):
        raise InputError(
            f"--figure=4 draws the loss weights of two or three behaviors. Received: {','.join(behaviors)}."
        )
    # The method's own weights are a point as well, which other figures and tables have a run of.
    usual = behavior_weights(own.config.model, own.config.training, behaviors)
    return [
        own if weights == usual else make_cell(bench, bench.variant(method, loss_weights=weights))
        for weights in simplex(len(behaviors))
    ]


def _k(bench: Bench) -> int:
    """The K that is drawn."""
    return shown_k(int(k) for k in bench.values.ks)


def _about(bench: Bench, values: flags.FlagValues) -> dict[str, Any]:
    return {
        "figure": int(values.figure),
        "dataset": bench.dataset,
        "protocol": bench.protocol,
        "selection": values.selection,
        "seed": values.seed,
    }


def _title(bench: Bench, *further: str) -> str:
    about = [bench.dataset, f"protocol {bench.protocol}", f"seed {bench.values.seed}"]
    return ", ".join([*about, *further])


def _shown_epoch(bench: Bench) -> str:
    return "epoch chosen by validation" if bench.values.selection == "validation" else "best epoch on test"


def _users(results: Results, entry: str) -> str:
    """How many users were ranked; after an epoch that may be a sample, and not for all methods."""
    counts = sorted({result[entry] for result in results.values()})
    return " or ".join(f"{count:,}" for count in counts) + " users"


def _draw_curves(
    bench: Bench, wanted: Mapping[str, Sequence[Cell]], results: Results
) -> tuple[Figure, dict[str, Any]]:
    """Figures 2 and 3, and their numbers."""
    k = _k(bench)
    shown = ("epoch", "train/loss", f"test/HR@{k}", f"test/NDCG@{k}")
    histories, chosen = {}, {}
    for method, (cell,) in wanted.items():
        result = results[cell.name]
        history = [{name: record[name] for name in shown if name in record} for record in result["history"]]
        measured = [record for record in history if shown[-1] in record]
        histories[method] = history
        chosen[method] = result["best_epoch"]
        if bench.values.selection == "peak":
            chosen[method] = int(max(measured, key=lambda record: record[shown[-1]])["epoch"])
    title = _title(bench, _users(results, "curve_users") + f"; marked: {_shown_epoch(bench)}")
    figure = draw_curves(histories, k, title, chosen)
    numbers = {name: {"marked": chosen[name], **pack_history(rows)} for name, rows in histories.items()}
    return figure, {"curves": numbers}


def _draw_weights(
    bench: Bench, wanted: Mapping[str, Sequence[Cell]], results: Results
) -> tuple[Figure, dict[str, Any]]:
    """Figure 4, and its numbers."""
    metric = f"HR@{_k(bench)}"
    peak = bench.values.selection == "peak"
    entry, counted = ("peak", "curve_users") if peak else ("test", "num_test_users")
    values: dict[str, dict[tuple[float, ...], float]] = {}
    for method, own in wanted.items():
        behaviors = own[0].config.data.behaviors
        points = zip(simplex(len(behaviors)), own, strict=True)
        values[method] = {weights: results[cell.name][entry][metric] for weights, cell in points}
    draw = draw_heat_maps if len(behaviors) == 3 else draw_lines
    figure = draw(values, behaviors, metric, _title(bench, _users(results, counted), _shown_epoch(bench)))
    numbers = {
        name: [{"weights": list(weights), metric: value} for weights, value in points.items()]
        for name, points in values.items()
    }
    return figure, {"behaviors": list(behaviors), "points": numbers}


def _draw_groups(
    bench: Bench, wanted: Mapping[str, Sequence[Cell]], results: Results
) -> tuple[Figure, dict[str, Any]]:
    """Figure 5, and its numbers."""
    k, target = _k(bench), bench.interactions.target_behavior
    shown = ("num_pairs", f"HR@{k}", f"NDCG@{k}")
    groups = {}
    for method, (cell,) in wanted.items():
        rows = results[cell.name]["groups"]
        counted = {
            name.removesuffix(f" {target}"): row for name, row in rows.items() if name.endswith(f" {target}")
        }
        groups[method] = {name: {key: row[key] for key in shown} for name, row in counted.items()}
    title = _title(bench, _shown_epoch(bench))
    return draw_groups(groups, k, title, f"a user's {target!r} rows in training"), {"groups": groups}


def _write_events(bench: Bench, path: Path, wanted: Mapping[str, Sequence[Cell]], results: Results) -> None:
    """The same curves for TensorBoard, under the methods' names, wherever the runs themselves are."""
    cli.import_tensorflow()
    from nmtr_tf.reporting.events import write_curves

    histories = {get_method(name).label: results[own[0].name]["history"] for name, own in wanted.items()}
    directory = bench.workdir / "tensorboard" / path.name
    with new_directory(directory) as temporary:
        write_curves(temporary, histories)
    cli.say(bench.values, f"TensorBoard: tensorboard --logdir={directory}")


if __name__ == "__main__":
    sys.exit(main())
