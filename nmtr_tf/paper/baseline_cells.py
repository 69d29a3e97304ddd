"""The baselines of Table III: rules that learn nothing and linear models, ranked like the methods.

Their results are stored beside those of the cells, as baseline_<name>.json.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation import baselines
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
    cell, options = _cell(study, name), dict(study.baseline_options(name))
    if result := stored_result(study, cell, SECTIONS_OF_BASELINES):
        _check_options(result, name, options, study.result_path(cell.name))
        return result
    if missing := BASELINES[name].missing(study.dataset):
        study.progress.say(f"{BASELINES[name].label} is left out: it {missing}")
        return None
    study.progress.before_tensorflow()
    from nmtr_tf.training.device import set_device

    device, started = set_device(cell.config.training.device), time.monotonic()
    with study.progress.ranking(name, study.dataset.num_held_out_users("test")) as progress:
        evaluation = baselines.evaluate_baseline(
            study.dataset, name, "test", cell.config, progress=progress, **options
        )
    study.claim_workdir()
    evaluation.save(study.workdir / "baselines" / study.question.folder / cell.name)
    path = study.result_path(cell.name)
    CellResult(
        **about_cell(study, cell, name),
        **measurements(evaluation),
        options=options,
        seconds=round(time.monotonic() - started, 1),
        hardware=hardware(device),
    ).save(path)
    return CellResult.load(path)


def _check_options(result: CellResult, name: str, options: Mapping[str, Any], path: Path) -> None:
    there, here = (BASELINES[name].settings(name, own) for own in (result.options, options))
    if differences := [
        f"`{one}` is {there[one]} there and {here[one]} here" for one in there if there[one] != here[one]
    ]:
        raise InputError(
            f"{path}: a result with other settings: {'; '.join(differences)}; give the same, another "
            "`results_dir`, or `overwrite`."
        )


def _cell(study: Study, name: str) -> Cell:
    """What determines a baseline: the data, the evaluation and the seed."""
    variant = baseline_variant(study.variant(""), name)
    asked = study.config
    config = RunConfig(data=asked.data, evaluation=asked.evaluation, training=asked.training)
    config = study.dataset.resolved(config)
    return Cell(variant.name(study.dataset.behaviors), config)
