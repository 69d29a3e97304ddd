"""Training and evaluating the cells of `experiments.cells`, and the plan of what is to be done."""

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments import cli, train
from experiments.cells import Bench, Cell, claim_workdir, stored_result
from experiments.machine import hardware, peak_kib
from experiments.run_settings import given_options
from nmtr_tf.config import EvaluationConfig, RunConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.evaluation.cell_results import (
    config_differences,
    peak_metrics,
    read_result,
    read_results,
    write_result,
)
from nmtr_tf.files import read_json
from nmtr_tf.models.methods import predicted_behaviors
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.training.stages import Stage, make_stages

_OWN_DATA = ("--dataset_dir=", "--protocol=", "--device=")


def run_cells(bench: Bench, cells: Iterable[Cell]) -> dict[str, dict[str, Any]]:
    """Results of cells by name; those that have none are trained, in order.

    Raises:
        InputError: As `stored_result` does, before anything is trained.
    """
    by_name = {cell.name: cell for cell in cells}
    results = {name: stored_result(bench, name, cell.config.to_json()) for name, cell in by_name.items()}
    todo = [by_name[name] for name, result in results.items() if result is None]
    for number, cell in enumerate(todo, start=1):
        cli.say(bench.values, f"[{number}/{len(todo)}] {cell.name}")
        results[cell.name] = run_cell(bench, cell)
    return {name: result for name, result in results.items() if result is not None}


def run_cell(bench: Bench, cell: Cell) -> dict[str, Any]:
    """The result of a cell: the stored one, or that of its training, which an interruption starts again.

    Raises:
        InputError: As `stored_result` does.
    """
    if result := stored_result(bench, cell.name, cell.config.to_json()):
        return result
    device = start_tensorflow(cell.config.training.device)
    import keras

    from nmtr_tf.training.run import Run

    claim_workdir(bench)
    run, view = Run(bench.run_path(cell.name)), bench.view(cell)
    if bench.values.overwrite or not _is_trained(run, cell.config):
        train.train_one(bench.values, run.workdir, cell.config, view, device, None)
    path = bench.result_path(cell.name)
    write_result(path, _evaluate(bench, cell, run.workdir, view))
    keras.backend.clear_session()
    return read_result(path)


def _is_trained(run: Any, config: RunConfig) -> bool:
    """Whether the run directory holds this run, finished: only its evaluation is missing then."""
    return run.is_finished and not config_differences(run.config().to_json(), config.to_json())


def start_tensorflow(device: str) -> str:
    """Imports TensorFlow and chooses the device: "cpu" or "gpu"."""
    cli.import_tensorflow()
    from nmtr_tf.training.device import set_device

    return set_device(device)


def describe(bench: Bench, name: str, method: str, view: Interactions) -> dict[str, Any]:
    """What the result of a cell says of the data, and of the flags that were given."""
    return {
        "name": name,
        "method": method,
        "dataset": bench.dataset,
        "dataset_fingerprint": bench.interactions.fingerprint,
        "dataset_behaviors": list(bench.interactions.behaviors),
        "protocol": view.protocol,
        "behaviors": list(view.behaviors),
        "num_test_users": len(view.held_out["test"]),
        "flags": [flag for flag in given_options(bench.values) if not flag.startswith(_OWN_DATA)],
    }


def rank_test(
    bench: Bench, scorer: Any, view: Interactions, config: EvaluationConfig, directory: Path, name: str
) -> dict[str, Any]:
    """Ranks for test, leaves the ranks in a directory too, and gives what a result has of them."""
    from nmtr_tf.evaluation.ranking import rank_held_out
    from nmtr_tf.evaluation.results import write_results

    with cli.progress_bar(bench.values, len(view.held_out["test"]), " users", desc=name) as bar:
        ranks = rank_held_out(scorer, view, "test", config, progress=bar.update)
    found = write_results(directory, "test", bench.interactions, view, ranks, config, {"method": name})
    test = {metric: value for metric, value in found.items() if "@" in metric}
    return {"test": test, "groups": found["groups"], "ranks": ranks.ranks}


def _evaluate(bench: Bench, cell: Cell, directory: Path, view: Interactions) -> dict[str, Any]:
    """Ranks for test with the run's best weights and puts its result together."""
    from nmtr_tf.evaluation.heads import head_metrics
    from nmtr_tf.evaluation.ranking import ModelScorer
    from nmtr_tf.training.run import Run

    run, config, method = Run(directory), cell.config, cell.config.model.method
    model, about, history = run.load_model(), run.about(), run.metrics()
    scorer = ModelScorer(model)
    plain = config.to_json()
    return {
        **describe(bench, cell.name, method, view),
        "keep": dict(cell.keep),
        "seed": config.training.seed,
        "config": {**plain, "data": {**plain["data"], "dataset_dir": bench.dataset}},
        "num_parameters": model.count_params(),
        "epochs": len(history),
        "best_epoch": about["best_epoch"],
        "seconds": about["seconds"],
        "peak_memory_mib": round(peak_kib() / 1024),
        "device": about["device"],
        "hardware": hardware(about["device"]),
        "versions": about["versions"],
        "curve_users": _curve_users(config, view, scorer),
        "peak": peak_metrics(history),
        "heads": head_metrics(model, bench.interactions, view, config.evaluation),
        **rank_test(bench, scorer, view, config.evaluation, directory, method),
        "history": history,
    }


def _curve_users(config: RunConfig, view: Interactions, scorer: Any) -> int:
    """The test users that are ranked after each epoch: all, or a sample of them."""
    from nmtr_tf.training.sampling import make_sampler
    from nmtr_tf.training.trainer import evaluation_sample

    last_stage = _stages(config)[-1]  # the one that is evaluated
    sampler = make_sampler(view, config.model, config.training, last_stage.behaviors)
    sample = evaluation_sample(view, "test", config, scorer, sampler.num_instances)
    return len(view.held_out["test"] if sample is None else sample)


def show_plan(bench: Bench, cells: Iterable[Cell]) -> None:
    """Prints which cells are finished and which are to be trained, with an estimate of the time.

    An epoch is taken to last as long as the longest of the method's finished and interrupted cells; where
    there are none, the time is unknown. Early stopping makes it less.
    """
    rows, total, unknown = [], 0.0, 0
    for cell in {cell.name: cell for cell in cells}.values():
        if stored_result(bench, cell.name, cell.config.to_json()):
            rows.append([cell.name, "finished", ""])
            continue
        interrupted = (bench.run_path(cell.name) / "run.json").exists()
        seconds = seconds_per_epoch(bench, cell.config.model.method)
        longest = (
            None if seconds is None else seconds * sum(stage.num_epochs for stage in _stages(cell.config))
        )
        rows.append([cell.name, "interrupted" if interrupted else "to train", _duration(longest)])
        total, unknown = total + (longest or 0), unknown + (longest is None)
    cli.say(bench.values, format_table(f"Cells of {bench.dataset}, {bench.protocol}", ["", "", "time"], rows))
    todo = sum(state != "finished" for _, state, _ in rows)
    rest = f" and {unknown} of unknown time" if unknown else ""
    known = _duration(total) if todo > unknown else "nothing known"
    cli.say(bench.values, f"\n{todo} of {len(rows)} to train: {known}{rest}." if todo else "\nAll finished.")


def seconds_per_epoch(bench: Bench, method: str) -> float | None:
    """How long an epoch of a method took here, its evaluation included; None: not known."""
    results = read_results(bench.result_path(method).parent)
    rates = [
        result["seconds"] / result["epochs"]
        for result in results.values()
        if result["method"] == method and result["dataset_fingerprint"] == bench.interactions.fingerprint
    ]
    rates += [rate for path in bench.run_path("").glob("*/metrics.jsonl") if (rate := _rate(path, method))]
    return max(rates, default=None)


def _rate(path: Path, method: str) -> float | None:
    """Seconds from a run's start to its last epoch, for each epoch; None if it is of another method."""
    about = read_json(path.with_name("run.json"))
    started = datetime.datetime.fromisoformat(about["started"]).timestamp()
    epochs = path.read_text(encoding="utf-8").count("\n")
    return (path.stat().st_mtime - started) / epochs if about["method"] == method and epochs else None


def _stages(config: RunConfig) -> list[Stage]:
    predicted = predicted_behaviors(config.model, config.data.behaviors)
    return make_stages(config.model, config.training, predicted)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"at most {seconds / 60:,.0f} min" if seconds > 90 else f"at most {seconds:,.0f} s"
