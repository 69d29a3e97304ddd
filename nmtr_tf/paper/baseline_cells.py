"""The baselines of Table III: rules that learn nothing and linear models, ranked like the methods.

Their results are stored beside those of the cells, as baseline_<name>.json.
"""

import time

from nmtr_tf import runs
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import BASELINES
from nmtr_tf.machine import hardware
from nmtr_tf.paper.cell_results import SECTIONS_OF_BASELINES, CellResult
from nmtr_tf.paper.cell_runs import about_cell, measurements
from nmtr_tf.paper.cells import Cell, stored_result
from nmtr_tf.paper.study import Study
from nmtr_tf.paper.variants import Variant


def baseline_variant(base: Variant, name: str) -> Variant:
    """The cell of a baseline beside the methods of `base`."""
    return Variant(f"baseline_{name}", base.behaviors, base.keep, seed=base.seed)


def run_baselines(study: Study) -> dict[str, CellResult]:
    """Results of the baselines that the data set and the installed packages allow, by name of their cell."""
    found = [result for name in BASELINES if (result := _run_baseline(study, name))]
    return {result.name: result for result in found}


def _run_baseline(study: Study, name: str) -> CellResult | None:
    cell = _cell(study, name)
    if result := stored_result(study, cell, SECTIONS_OF_BASELINES):
        return result
    study.progress.before_tensorflow()
    started = time.monotonic()
    try:
        with study.progress.ranking(name, len(study.dataset.held_out["test"])) as progress:
            evaluation = runs.evaluate_baseline(study.dataset, name, "test", cell.config, progress=progress)
    except InputError as error:  # no times, too many items, or a package that is not there
        study.progress.say(f"{name} is left out: {error}")
        return None
    study.claim_workdir()
    evaluation.save(study.workdir / "baselines" / study.protocol / cell.name)
    path = study.result_path(cell.name)
    CellResult(
        **about_cell(study, cell, name),
        **measurements(evaluation),
        seconds=round(time.monotonic() - started, 1),
        hardware=hardware("cpu"),
    ).save(path)
    return CellResult.load(path)


def _cell(study: Study, name: str) -> Cell:
    """What determines a baseline: the data, the evaluation and the seed."""
    variant = baseline_variant(study.variant(""), name)
    asked = study.config
    config = RunConfig(data=asked.data, evaluation=asked.evaluation, training=asked.training)
    config = study.dataset.resolved(config)
    return Cell(variant.name(study.dataset.behaviors), config)
