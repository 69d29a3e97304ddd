"""The references of Table III: rules that learn nothing and linear peers, ranked like the methods.

Their results are stored beside those of the cells, as reference_<name>.json.
"""

import time
from collections.abc import Callable
from typing import Any

from experiments import cli
from experiments.cell_runs import describe, rank_test, start_tensorflow
from experiments.cells import Bench, Cell, claim_workdir, stored_result
from experiments.machine import hardware
from nmtr_tf.config import DataConfig, EvaluationConfig, RunConfig, TrainingConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.storage import load_events
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.cell_results import read_result, write_result
from nmtr_tf.reporting.method_table import REFERENCES, reference_variant


def run_references(bench: Bench) -> dict[str, dict[str, Any]]:
    """Results of the references that the data set and the installed packages allow, by name of their cell."""
    found = [result for name in REFERENCES if (result := _run_reference(bench, name))]
    return {result["name"]: result for result in found}


def _run_reference(bench: Bench, name: str) -> dict[str, Any] | None:
    cell = _cell(bench, name)
    plain = cell.config.to_json()
    # Nothing else determines a reference.
    sections = {"data": {**plain["data"], "dataset_dir": bench.dataset}, "evaluation": plain["evaluation"]}
    if result := stored_result(bench, cell.name, sections):
        return result
    device = start_tensorflow(cell.config.training.device)
    view, started = bench.view(cell), time.monotonic()
    try:
        scorer = _builder(bench, name)(view)
    except InputError as error:  # no times, too many items, or a package that is not there
        cli.say(bench.values, f"{name} is left out: {error}")
        return None
    claim_workdir(bench)
    directory = bench.workdir / "references" / bench.protocol / cell.name
    measured = rank_test(bench, scorer, view, cell.config.evaluation, directory, name)
    result = {
        **describe(bench, cell.name, name, view),
        "keep": dict(cell.keep),
        "seed": bench.values.seed,
        "config": sections,
        "seconds": round(time.monotonic() - started, 1),
        "hardware": hardware(device),
        **measured,
        "history": [],
    }
    write_result(bench.result_path(cell.name), result)
    return read_result(bench.result_path(cell.name))


def _cell(bench: Bench, name: str) -> Cell:
    values, variant = bench.values, reference_variant(bench.variant(""), name)
    data = cli.section_from_flags(DataConfig, values)
    behaviors = bench.interactions.behaviors
    config = RunConfig(
        data=DataConfig(data.dataset_dir, data.behaviors or behaviors, bench.protocol, data.validation),
        training=cli.section_from_flags(TrainingConfig, values),
        evaluation=cli.section_from_flags(EvaluationConfig, values),
    )
    return Cell(variant.name(behaviors), config, dict(variant.keep))


def _builder(bench: Bench, name: str) -> Callable[[Interactions], Any]:
    """Scorer of a training view, with the default settings of references and peers."""
    from nmtr_tf.evaluation import peers
    from nmtr_tf.evaluation.references import build_reference

    if name not in peers.PEERS:
        events, _ = load_events(bench.values.dataset_dir)
        return lambda view: build_reference(name, view, events, bench.values.seed)
    setting = {"ials_alpha": peers.IALS_ALPHA, "ease_lambda": peers.EASE_LAMBDA}[peers.PEERS[name].setting]
    return lambda view: peers.PEERS[name].scorer(view, setting)
