"""The page about a run, put together: see `nmtr_tf.reporting.page` for what it looks like."""

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import nmtr_tf
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.options import option_text
from nmtr_tf.reporting.page import Headline, Page, PageTable, SourcePart, TrainingPart, write_page
from nmtr_tf.reporting.page_pictures import curve_pictures
from nmtr_tf.runs.info import now
from nmtr_tf.runs.report_data import data_part
from nmtr_tf.runs.report_lists import recommend_all, spread_part, user_cards
from nmtr_tf.runs.report_results import measure, result_headlines, results_part
from nmtr_tf.runs.reported import ReportedRun
from nmtr_tf.serving.titles import titles_by_id
from nmtr_tf.texts import counted


def write_report(
    run: ReportedRun,
    path: str | Path | None = None,
    *,
    items: "str | Path | pd.DataFrame | None" = None,
    baselines: bool = True,
    k: int = 10,
    num_users: int = 20,
    progress: Callable[[str], object] = lambda what: None,
) -> Path:
    """Writes the page about a run. A run that was not evaluated on test is evaluated first.

    Args:
        run: The run.
        path: File to write or replace, whole or not at all; None: report.html in the run's directory.
        items: A CSV file or a data frame with the columns id and title, whose titles are shown.
        baselines: Whether baselines are evaluated, to stand beside the run.
        k: Items that each user is recommended.
        num_users: Users that are shown with what they are recommended.
        progress: Called with what is done next.

    Returns:
        The file.

    Raises:
        InputError: If there is no place to write, a number is out of range, or the run has nothing to
            evaluate.
    """
    if path is None and run.directory is None:
        raise InputError("`path` is needed: the run is in memory only.")
    for name, value, least in (("k", k, 1), ("num_users", num_users, 0)):
        if value < least:
            raise InputError(f"`{name}` should be at least {least}. Received: {value}.")
    path = Path(path) if path is not None else run.directory.report_path  # type: ignore[union-attr]
    if path.is_dir():
        raise InputError(f"{path}: expected a file, but it is a directory.")
    titles = {} if items is None else titles_by_id(run.dataset, items)
    write_page(path, report_page(run, titles, baselines, k, num_users, progress))
    return path


def report_page(
    run: ReportedRun,
    titles: Mapping[str, str],
    baselines: bool,
    k: int,
    num_users: int,
    progress: Callable[[str], object],
) -> Page:
    """What the page says; arguments as for `write_report`."""
    dataset, view, plan = run.dataset, run.view, run.plan
    results = measure(run, baselines, progress)
    progress("recommending")
    lists = recommend_all(run, k)
    spread, spread_headlines = spread_part(dataset, view, lists)
    cards = user_cards(run, results.own, lists, titles, num_users)
    progress("drawing")
    order = " → ".join(plan.predicted) if plan.has_cascade else ", ".join(plan.learned_from)
    return Page(
        title=f"{plan.method.label} on {dataset.name}",
        lead=f"Recommends what a user will {view.target_behavior} next, learned from {order}: "
        f"{counted(view.num_users, 'user')}, {counted(view.num_items, 'item')}, "
        f"protocol {run.info.protocol}.",
        headlines=[*result_headlines(results), *spread_headlines, _epoch_headline(run)],
        data=data_part(dataset, view),
        training=_training_part(run),
        results=results_part(results, view.target_behavior),
        spread=spread,
        users=cards,
        users_sentence=_users_sentence(run, len(cards)),
        source=_source_part(run, results.own),
        written=f"Written {now()} with nmtr_tf {nmtr_tf.__version__}. It holds ids and histories of users: "
        "treat it as personal data.",
    )


def _users_sentence(run: ReportedRun, count: int) -> str:
    latest = "" if run.dataset.events.timestamp is None else ", latest first"
    return (
        f"{counted(count, 'user')}, drawn at random (seed {run.info.seed}) from those with a held-out item, "
        f"with their whole history{latest}. Marked: what the user had done to a recommended item, and what "
        f"was held out of training.{_WHY if run.plan.from_history else ''}"
    )


_WHY = (
    " Below a recommended item: those of the history that add most to its score, what was done to them and "
    "what they add; the score is a sum over the history."
)


def _epoch_headline(run: ReportedRun) -> Headline:
    if run.info.best_epoch is None:
        return Headline("Epoch", str(len(run.history)), "the last; nothing was monitored")
    chosen = f"of {len(run.history)}, by validation {run.config.training.monitor}"
    return Headline("Best epoch", str(run.info.best_epoch), chosen)


def _training_part(run: ReportedRun) -> TrainingPart:
    info, history, monitor = run.info, run.history, run.config.training.monitor
    took = "" if info.seconds is None else f" in {info.seconds:,.0f} seconds on {info.device}"
    kept = "the last weights were kept"
    if info.best_epoch is not None:
        kept = f"epoch {info.best_epoch} was the best by validation {monitor}"
        kept += "" if info.best_value is None else f" ({info.best_value:.4f})"
    sentences = [f"{counted(len(history), 'epoch')}{took}; {info.num_parameters:,} parameters; {kept}."]
    if not run.is_finished:
        sentences.append(f"The training did not come to its end; its status is {info.status}.")
    names = list(dict.fromkeys(name for record in history for name in record if name != "epoch"))
    lines = [[f"{record['epoch']:g}", *(_scalar(record.get(name)) for name in names)] for record in history]
    return TrainingPart(
        sentences,
        curve_pictures(history, monitor, info.best_epoch),
        PageTable("Scalars of every epoch", ["epoch", *names], lines),
    )


def _scalar(value: Any) -> str:
    return "" if value is None else f"{value:.4f}"


def _source_part(run: ReportedRun, evaluation: Evaluation) -> SourcePart:
    info, dataset, options = run.info, run.dataset, changed_options(run)
    started = info.init_from["run"] if info.init_from else ""
    where = str(dataset.directory or "")
    sentences = ["Options that are not named had their defaults."]
    facts = {
        "Seed": str(info.seed),
        "Protocol, mask": f"{evaluation.protocol}, {evaluation.mask}",
        "Device": info.device,
        "Started": info.started,
        **{_PACKAGES.get(name, name): version for name, version in info.versions.items()},
        "Fingerprint of the data": info.dataset_fingerprint,
    }
    return SourcePart(
        sentences,
        _command(run, options, _own_ranking(run, evaluation), where, started) if run.directory else "",
        _python(options, _own_ranking(run, evaluation), where, started),
        facts,
    )


_PACKAGES = {"tensorflow": "TensorFlow", "keras": "Keras", "python": "Python"}


def changed_options(run: ReportedRun) -> dict[str, Any]:
    """The options of a run that are not the defaults, and always its method, protocol and seed."""
    default, changed = run.dataset.resolved(RunConfig().with_options(protocol=run.info.protocol)), {}
    for section in dataclasses.fields(RunConfig):
        for name, value in vars(getattr(run.config, section.name)).items():
            is_default = value == getattr(getattr(default, section.name), name)
            if name in ("method", "protocol", "seed") or not is_default:
                changed[name] = value
    changed.pop("dataset_dir", None)  # said apart
    return changed


def _own_ranking(run: ReportedRun, evaluation: Evaluation) -> dict[str, Any]:
    """The options that the evaluation had in place of the run's."""
    config = run.config.evaluation
    kinds = tuple(dict.fromkeys(name.split("@")[0] for name in evaluation.metrics))
    pairs = {
        "protocol": (evaluation.protocol, run.info.protocol),
        "ks": (tuple(evaluation.ks), config.ks),
        "metrics": (kinds, config.metrics),
        "mask": (evaluation.mask, config.mask),
    }
    return {name: own for name, (own, of_run) in pairs.items() if own != of_run}


def _command(
    run: ReportedRun,
    options: Mapping[str, Any],
    ranking: Mapping[str, Any],
    dataset_dir: str,
    init_from: str,
) -> str:
    given = {"dataset_dir": dataset_dir, "workdir": str(run.workdir)}
    given |= {name: option_text(value) for name, value in options.items()}
    given |= {"init_from": init_from} if init_from else {}
    train = ["nmtr train", *(shlex.quote(f"--{name}={value}") for name, value in given.items())]
    workdir = shlex.quote(f"--workdir={run.workdir}")
    own = [shlex.quote(f"--{name}={option_text(value)}") for name, value in ranking.items()]
    evaluate = " ".join(["nmtr evaluate", workdir, *own])
    return " \\\n    ".join(train) + f"\n{evaluate}\nnmtr report {workdir}"


def _python(options: Mapping[str, Any], ranking: Mapping[str, Any], dataset_dir: str, init_from: str) -> str:
    lines = ["import nmtr_tf as nt", ""]
    if dataset_dir:
        lines.append(f"dataset = nt.Dataset.load({dataset_dir!r})")
    else:
        lines.append("# dataset: the nt.Dataset with the fingerprint below")
    given = [f"{name}={_literal(value)}" for name, value in options.items()]
    given += [f"init_from={init_from!r}"] if init_from else []
    lines += ["run = nt.fit(", "    dataset,", *(f"    {one}," for one in given), ")"]
    own = "".join(f", {name}={_literal(value)}" for name, value in ranking.items())
    return "\n".join([*lines, f'run.evaluate("test"{own})'])


def _literal(value: Any) -> str:
    """A value as Python writes it; a part of the user's own by its name."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, str | int | float | None):
        return repr(value)
    return getattr(value, "__name__", type(value).__name__)
