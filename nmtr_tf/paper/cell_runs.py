"""Training and evaluating cells."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nmtr_tf import runs
from nmtr_tf.config import config_differences
from nmtr_tf.errors import InputError
from nmtr_tf.machine import hardware, peak_kib
from nmtr_tf.paper.cell_results import CellResult, peak_metrics
from nmtr_tf.paper.cells import Cell, stored_result
from nmtr_tf.paper.study import Study
from nmtr_tf.runs.directory import RunDirectory

if TYPE_CHECKING:
    from nmtr_tf.evaluation.results import Evaluation
    from nmtr_tf.runs import Run


def run_cells(study: Study, cells: Iterable[Cell]) -> dict[str, CellResult]:
    """Results of cells by name; those that have none are trained, in order.

    Raises:
        InputError: As `stored_result` does, before anything is trained.
    """
    by_name = {cell.name: cell for cell in cells}
    results = {name: stored_result(study, cell) for name, cell in by_name.items()}
    todo = [by_name[name] for name, result in results.items() if result is None]
    for number, cell in enumerate(todo, start=1):
        study.progress.say(f"[{number}/{len(todo)}] {cell.name}")
        results[cell.name] = run_cell(study, cell)
    return {name: result for name, result in results.items() if result is not None}


def run_cell(study: Study, cell: Cell) -> CellResult:
    """The result of a cell: the stored one, or that of its training, which goes on where it was cut.

    Raises:
        InputError: As `stored_result` does.
    """
    if result := stored_result(study, cell):
        return result
    study.progress.before_tensorflow()
    import keras

    study.claim_workdir()
    run = _trained_run(study, cell) or _train(study, cell)
    path = study.result_path(cell.name)
    _measure(study, cell, run).save(path)
    keras.backend.clear_session()
    return CellResult.load(path)


def _trained_run(study: Study, cell: Cell) -> "Run | None":
    """This run, finished, where the run directory holds it: only its evaluation is missing then."""
    directory = RunDirectory(study.run_path(cell.name))
    if study.overwrite or not directory.is_finished:
        return None
    try:
        config = directory.read_config()
        run = runs.Run(directory.path)
    except InputError:  # of another version
        return None
    return None if config_differences(config, cell.config) else run.use_dataset(study.dataset)


def _train(study: Study, cell: Cell) -> "Run":
    return runs.fit(
        study.dataset,
        cell.config,
        workdir=study.run_path(cell.name),
        callbacks=study.progress.callbacks(cell.config),
        overwrite=study.overwrite,
    )


def _measure(study: Study, cell: Cell, run: "Run") -> CellResult:
    """Ranks for test with the run's best weights and puts its result together."""
    from nmtr_tf.paper.heads import head_metrics

    method, info = cell.config.model.method, run.info
    with study.progress.ranking(method, run.view.num_held_out_users("test")) as progress:
        run.evaluate("test", progress=progress)
    return CellResult(
        **about_cell(study, cell, method),
        **measurements(run.evaluation("test")),
        num_parameters=info.num_parameters,
        best_epoch=info.best_epoch,
        seconds=info.seconds or 0.0,
        peak_memory_mib=round(peak_kib() / 1024),
        device=info.device,
        hardware=hardware(info.device),
        versions=info.versions,
        curve_users=info.num_evaluated["test"],
        peak=peak_metrics(run.history),
        heads=head_metrics(run.model, run.view, cell.config.evaluation),
        history=run.history,
    )


def about_cell(study: Study, cell: Cell, method: str) -> dict[str, Any]:
    """What a result says of the data and of the settings: fields of `CellResult`."""
    return {
        "name": cell.name,
        "method": method,
        "dataset": study.name,
        "dataset_fingerprint": study.dataset.fingerprint,
        "dataset_behaviors": study.dataset.behaviors,
        "protocol": cell.config.data.protocol,
        "behaviors": cell.config.data.behaviors,
        "given": study.given,
        "seed": cell.config.training.seed,
        "config": cell.config.with_options(dataset_dir=study.name),
    }


def measurements(evaluation: "Evaluation") -> dict[str, Any]:
    """What a result has of an evaluation on test: fields of `CellResult`."""
    return {
        "num_test_users": evaluation.num_users,
        "test": evaluation.metrics,
        "groups": evaluation.groups,
        "places": evaluation.places,
    }
