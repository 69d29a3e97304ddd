"""Rank the held-out items of a trained run, or of references, among the whole catalogue.

Writes metrics_<split>.json and ranks_<split>.parquet into the run directory, or into a directory per
reference, and prints the metrics.

Examples:
    python -m experiments.evaluate --workdir=out/run
    python -m experiments.evaluate --reference=all --dataset_dir=out/shop --output_dir=out/references
"""

import dataclasses
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from nmtr_tf.cli import common as cli
from nmtr_tf.config import PROTOCOLS, EvaluationConfig
from nmtr_tf.data.events import Events
from nmtr_tf.data.storage import load_with_events
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.tables import metrics_table
from nmtr_tf.runs.saved import seed_directories

FLAGS = cli.new_flags(EvaluationConfig)
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Run directory of experiments.train, one seed or several.", **_at)
flags.DEFINE_string(
    "dataset_dir", "", "Data set directory; empty: where the run's data set was when it trained.", **_at
)
flags.DEFINE_enum("split", "test", ["validation", "test"], "Held-out pairs to rank.", **_at)
flags.DEFINE_enum(
    "protocol",
    "",
    ["", *PROTOCOLS],
    "Protocol of the training rows; empty: the run's own, or the data set's for references.",
    **_at,
)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)
flags.DEFINE_list(
    "reference",
    [],
    "References to rank instead of a run: names, 'all' (those that learn nothing: random, popularity, "
    "popularity_all, recency, recency_time, weaker_first) or 'peers' (ials, ials_all, ease, ease_all).",
    **_at,
)
flags.DEFINE_string("output_dir", "", "For references: where to write, a directory each.", **_at)
flags.DEFINE_enum(
    "validation",
    "",
    ["", "random", "none"],
    "For references: 'random' holds the validation purchases out, 'none' gives them back to training; "
    "empty: none, and random where --split=validation.",
    **_at,
)
flags.DEFINE_integer("seed", 0, "For references: seed of random.", **_at, lower_bound=0)
flags.DEFINE_float(
    "ials_alpha", 10.0, "For references: confidence of an observed pair in iALS.", **_at, lower_bound=0
)
flags.DEFINE_float("ease_lambda", 500.0, "For references: L2 regularization of EASE.", **_at, lower_bound=0)
_FOR_REFERENCES = ("output_dir", "validation", "seed", "ials_alpha", "ease_lambda")


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_evaluate, FLAGS, __doc__, argv)


def _evaluate(values: flags.FlagValues) -> None:
    if values.reference:
        _evaluate_references(values)
    else:
        _evaluate_run(values)


def _evaluate_run(values: flags.FlagValues) -> None:
    if foreign := [name for name in _FOR_REFERENCES if values[name].present]:
        raise InputError(f"--{foreign[0]} goes with --reference; a run has its own settings.")
    cli.require(values, "workdir")
    cli.import_tensorflow()
    from nmtr_tf.training.device import set_device

    set_device(values.device)
    seeds = seed_directories(values.workdir)
    if not seeds:
        title, metrics = _rank_run(values, Path(values.workdir))
        cli.say(values, metrics_table(title, {"all": metrics, **metrics["groups"]}))
        cli.say(values, f"\nRanks:       {values.workdir}/ranks_{values.split}.parquet")
        cli.say(values, f"Curves:      {values.workdir}/curves.png")
        cli.say(values, f"TensorBoard: tensorboard --logdir={values.workdir}/events")
        return
    ranked = [_rank_run(values, path) for path in seeds]
    title = ranked[0][0]
    rows = {path.name: metrics for path, (_, metrics) in zip(seeds, ranked, strict=True)}
    cli.say(values, metrics_table(title, rows | _mean_and_deviation(list(rows.values()))))


def _mean_and_deviation(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows for a table: the mean over the seeds and, where there are several, the standard deviation."""
    names = [name for name in rows[0] if "@" in name]
    values = np.array([[row[name] for name in names] for row in rows])
    summary = {"mean": values.mean(axis=0)}
    if len(rows) > 1:
        summary["standard deviation"] = values.std(axis=0, ddof=1)
    pairs = rows[0]["num_pairs"]
    return {
        name: {"num_pairs": pairs, **dict(zip(names, line.tolist(), strict=True))}
        for name, line in summary.items()
    }


def _rank_run(values: flags.FlagValues, workdir: Path) -> tuple[str, dict[str, Any]]:
    """Ranks for one run and writes the results; gives a title and the metrics."""
    from nmtr_tf.evaluation.ranking import ModelScorer, rank_held_out
    from nmtr_tf.evaluation.results import write_results
    from nmtr_tf.runs.directory import Run

    run = Run(workdir)
    interactions = run.interactions(values.dataset_dir)
    view = run.view(interactions, values.protocol)
    given = {f.name for f in dataclasses.fields(EvaluationConfig) if values[f.name].present}
    flagged = cli.section_from_flags(EvaluationConfig, values)
    changes = {name: getattr(flagged, name) for name in given}
    config = dataclasses.replace(run.config().evaluation, **changes)
    scorer = ModelScorer(run.load_model())
    with cli.progress_bar(values, len(view.held_out[values.split]), " users", desc="ranking") as bar:
        ranks = rank_held_out(scorer, view, values.split, config, progress=bar.update)
    about = run.about()
    extra = {"method": about["method"], "best_epoch": about.get("best_epoch")}
    title = f"{about['method']}, {values.split}, protocol {view.protocol}, mask {config.mask}"
    return title, write_results(run.workdir, values.split, interactions, view, ranks, config, extra)


def _evaluate_references(values: flags.FlagValues) -> None:
    if values.workdir:
        raise InputError("--reference and --workdir exclude each other; give one of them.")
    cli.require(values, "dataset_dir", "output_dir")
    cli.import_tensorflow()
    from nmtr_tf.evaluation.ranking import rank_held_out
    from nmtr_tf.evaluation.results import write_results
    from nmtr_tf.training.device import set_device

    config = cli.section_from_flags(EvaluationConfig, values)
    interactions, events = load_with_events(values.dataset_dir)
    builders = _builders(values, events)
    validation = values.validation or ("random" if values.split == "validation" else "none")
    view = interactions.training_view((), values.protocol, validation)
    set_device(values.device)
    rows = {}
    for name, (build, settings) in builders.items():
        scorer = build(view)
        with cli.progress_bar(values, len(view.held_out[values.split]), " users", desc=name) as bar:
            ranks = rank_held_out(scorer, view, values.split, config, progress=bar.update)
        about = {"method": name, "validation": validation, **settings}
        directory = Path(values.output_dir) / name
        rows[name] = write_results(directory, values.split, interactions, view, ranks, config, about)
    title = f"{values.split}, protocol {view.protocol}, mask {config.mask}, {len(ranks.ranks):,} users"
    cli.say(values, metrics_table(title, rows))


def _builders(values: flags.FlagValues, events: Events) -> dict[str, tuple[Callable, dict[str, float]]]:
    """Name -> scorer of a training view, and the settings it has."""
    from nmtr_tf.evaluation.baselines.linear import PEERS, require_implicit
    from nmtr_tf.evaluation.baselines.rules import (
        REFERENCES,
        available_references,
        build_reference,
        require_times,
    )

    groups = {"all": available_references(events), "peers": list(PEERS)}
    builders: dict[str, tuple[Callable, dict[str, float]]] = {}
    for name in dict.fromkeys(name for given in values.reference for name in groups.get(given, [given])):
        if name in REFERENCES:
            settings = {"seed": values.seed} if name == "random" else {}
            build = functools.partial(build_reference, name, events=events, seed=values.seed)
            builders[name] = build, settings
        elif name in PEERS:
            peer = PEERS[name]
            setting = values[peer.setting].value
            builders[name] = functools.partial(peer.scorer, setting=setting), {peer.setting: setting}
        else:
            known = ", ".join(["all", "peers", *REFERENCES, *PEERS])
            raise InputError(f"--reference should name some of {known}. Received: {name!r}.")
    if "recency_time" in builders:
        require_times(events)
    if "ials" in builders or "ials_all" in builders:
        require_implicit()
    if "all" in values.reference and len(groups["all"]) < len(REFERENCES):
        cli.say(values, "recency_time is left out: the data set has no times.\n")
    return builders


if __name__ == "__main__":
    sys.exit(main())
