"""Make the paper's Tables I to V from runs on a data set.

1  statistics of the data set
2  the best settings that experiments.tune found
3  all methods: HR and NDCG, tests against the best baseline, references that learn nothing and linear peers;
   with --seeds a second table, of means and standard deviations
4  the NMTR methods with subsets of the auxiliary data, or with the one that --behaviors and --keep name
5  multi-task against sequential training; separate embeddings; the heads of the other behaviors

A table is printed, and written to --workdir as Markdown, LaTeX (booktabs) and JSON. It resumes: what
--results_dir has is not trained again. Settings come from <flags_dir>/<data set>/<method>.flags where that
exists; flags given here come last. The paper's own values stand beside --selection=peak.

Examples:
    python -m experiments.tables --table=3 --dataset_dir=out/shop --workdir=out/paper --num_epochs=20
    python -m experiments.tables --table=3 --seeds=0,1,2 --dataset_dir=out/shop --workdir=out/paper
    python -m experiments.tables --table=4 --dataset_dir=out/shop --workdir=out/paper --dry_run
    python -m experiments.tables --results_dir=docs/results --write=RESULTS.md
"""

import csv
import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from absl import flags

from nmtr_tf.cli import common as cli
from nmtr_tf.cli.run_settings import read_flagfile
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file, read_json, write_json
from nmtr_tf.models.methods import METHODS
from nmtr_tf.paper import cells
from nmtr_tf.paper.ablation_tables import subsets_table, training_tables
from nmtr_tf.paper.baseline_cells import run_references
from nmtr_tf.paper.cell_runs import run_cells, show_plan
from nmtr_tf.paper.cells import Bench, claim_workdir, make_cell, open_bench
from nmtr_tf.paper.data_tables import settings_table, statistics_table
from nmtr_tf.paper.documents import Table, to_json, to_latex, to_markdown, to_text
from nmtr_tf.paper.method_table import methods_table, repeated_variants, seeds_table
from nmtr_tf.paper.results import Finished
from nmtr_tf.paper.results_page import replace_part, results_part
from nmtr_tf.paper.variants import Variant, data_subsets, training_kinds

FLAGS = cells.new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_enum("table", None, ["1", "2", "3", "4", "5"], "Table of the paper.", **_at)
flags.DEFINE_enum(
    "selection",
    "validation",
    ["validation", "peak"],
    "Whose test metrics are shown: those of the epoch that validation chose, or, metric by metric, the best "
    "of all epochs on test, as in the paper, with its values beside them.",
    **_at,
)
flags.DEFINE_list(
    "seeds",
    [],
    "For Table III: train once for each of these seeds, not once with --seed; the table is the first one's.",
    **_at,
)
flags.DEFINE_string(
    "write",
    "",
    "Page whose part between the marks of experiments.tables is made anew from all results in --results_dir; "
    "needs no data set.",
    **_at,
)

_CASCADES = [name for name, method in METHODS.items() if method.group == "NMTR"]


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_tables, FLAGS, __doc__, argv)


def _tables(values: flags.FlagValues) -> None:
    if values.write:
        _write_page(values)
        return
    cli.require(values, "table")
    if values.seeds and values.table != "3":
        raise InputError(f"--seeds is for --table=3. Received: --table={values.table}.")
    values.seed = _seeds(values)[0]
    bench = open_bench(values)
    make = {"1": _statistics, "2": _settings}.get(values.table, _results)
    if tables := make(bench):
        cli.say(values, "\n" + "\n\n".join(to_text(table) for table in tables))
        _write(bench, tables)


def _write_page(values: flags.FlagValues) -> None:
    if values.table:
        raise InputError("--write shows all finished cells; it excludes --table.")
    cli.require(values, "results_dir")
    replace_part(values.write, results_part(values.results_dir))
    cli.say(values, f"Written: {values.write}")


def _statistics(bench: Bench) -> list[Table]:
    return [statistics_table(bench.dataset, read_json(Path(bench.values.dataset_dir) / "dataset.json"))]


def _settings(bench: Bench) -> list[Table]:
    """Table II, from what experiments.tune left in the workdir."""
    methods = bench.values.methods or _CASCADES
    found: dict[str, tuple[int, RunConfig]] = {}
    for method in methods:
        directory = bench.workdir / "tune" / bench.dataset / bench.protocol / method
        if (directory / "best.flags").is_file():
            with (directory / "trials.csv").open(newline="", encoding="utf-8") as file:
                num_trials = sum(1 for _ in csv.DictReader(file))
            found[method] = num_trials, read_flagfile(directory / "best.flags")
    behaviors = tuple(bench.values.behaviors) or bench.interactions.behaviors
    return [settings_table(bench.dataset, bench.protocol, behaviors, found, methods)]


def _results(bench: Bench) -> list[Table]:
    """Tables III to V; none where --dry_run only asks for the plan."""
    values, behaviors = bench.values, tuple(bench.values.behaviors) or bench.interactions.behaviors
    if len(behaviors) < 2:
        raise InputError(
            f"--table={values.table} compares uses of weaker behaviors and needs at least two behaviors. "
            f"Received: {', '.join(behaviors)}."
        )
    if values.selection == "validation" and values.validation == "none":
        raise InputError("--selection=validation needs --validation=random; with none, use --selection=peak.")
    plan, make = _PLANS[values.table]
    methods = values.methods or (METHODS if plan is _methods else _CASCADES)
    bases = [bench.variant(method) for method in methods]
    wanted = [make_cell(bench, variant) for base in bases for variant in plan(bench, base)]
    if values.dry_run:
        show_plan(bench, wanted)
        return []
    results = run_cells(bench, wanted)
    if values.table == "3":
        results |= run_references(bench)
    finished = Finished(bench.dataset, bench.protocol, bench.interactions.behaviors, results)
    return make(finished, bases, values.selection)


def _seeds(values: flags.FlagValues) -> list[int]:
    return cli.whole_numbers(values, "seeds") or [values.seed]


def _methods(bench: Bench, base: Variant) -> Iterable[Variant]:
    return [dataclasses.replace(base, seed=seed) for seed in _seeds(bench.values)]


def _methods_tables(finished: Finished, bases: Sequence[Variant], selection: str) -> list[Table]:
    repeated = repeated_variants(finished, bases)
    beside = [seeds_table(finished, repeated, selection)] if repeated else []
    return [methods_table(finished, bases, selection), *beside]


def _subsets(bench: Bench, base: Variant) -> Iterable[Variant]:
    return data_subsets(base, bench.interactions.behaviors)


def _kinds(bench: Bench, base: Variant) -> Iterable[Variant]:
    return training_kinds(base).values()


_PLANS: dict[str, tuple[Callable, Callable]] = {
    "3": (_methods, _methods_tables),
    "4": (_subsets, lambda *arguments: [subsets_table(*arguments)]),
    "5": (_kinds, lambda finished, bases, selection: training_tables(finished, bases, [selection])),
}
"""{table: (the variants of a method that it needs, the tables made of their results)}"""


def _write(bench: Bench, tables: list[Table]) -> None:
    """The tables as Markdown, LaTeX and JSON."""
    values = bench.values
    claim_workdir(bench)
    stem = bench.variant(f"table{values.table}").name(bench.interactions.behaviors)
    stem += {"1": "", "2": f"_{bench.protocol}"}.get(values.table, f"_{bench.protocol}_{values.selection}")
    texts = {
        "md": "\n".join(to_markdown(table) for table in tables),
        "tex": "\n".join(to_latex(table) for table in tables),
    }
    for suffix, text in texts.items():
        with new_file(bench.workdir / f"{stem}.{suffix}") as path:
            path.write_text(text, encoding="utf-8")
    about = {"table": int(values.table), "dataset": bench.dataset, "protocol": bench.protocol}
    about |= {"dataset_fingerprint": bench.interactions.fingerprint, "selection": values.selection}
    write_json(
        bench.workdir / f"{stem}.json",
        {**about, "seed": values.seed, "tables": [to_json(table) for table in tables]},
    )
    cli.say(values, f"\nWritten: {bench.workdir}/{stem}.md, .tex, .json")


if __name__ == "__main__":
    sys.exit(main())
