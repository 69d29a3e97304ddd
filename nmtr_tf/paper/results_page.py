"""The parts of RESULTS.md, and the one that is made of finished cells."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.paper import printed as paper
from nmtr_tf.paper.ablation_tables import subsets_table, training_tables
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.compared_part import comparison_part
from nmtr_tf.paper.documents import Table, to_markdown
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.measured_parts import audits_part, benchmark_part, evaluations_part, verdicts_part
from nmtr_tf.paper.method_table import methods_table, repeated_variants, seeds_table
from nmtr_tf.paper.peaks import tables_apart
from nmtr_tf.paper.search_tables import budgets_of
from nmtr_tf.paper.variants import Variant, both_neumfs, data_subsets, training_kinds

CELLS = "experiments.tables"
"""The name of the part that is made of finished cells."""


def part_of(name: str, results_dir: str | Path, command_line: "CommandLine") -> str:
    """What belongs into a part of a page.

    Args:
        name: "experiments.tables", all finished cells; "audits" and "audit verdicts"; "evaluations <place>",
            "comparison <place>" and "benchmark <place>" with a directory below `results_dir`, such as
            "taobao/strict/rules".
        results_dir: Holds all of it.
        command_line: Writes the command that makes a table.

    Raises:
        InputError: If there is no such part, or nothing to make it of.
    """
    kind, _, place = name.partition(" ")
    if name == CELLS:
        return results_part(results_dir, command_line)
    if name == "audits":
        return audits_part(results_dir)
    if name == "audit verdicts":
        return verdicts_part(results_dir)
    if kind in _MEASURED and place:
        return _MEASURED[kind](results_dir, place)
    kinds = ", ".join(f"'{kind} <directory>'" for kind in _MEASURED)
    raise InputError(
        f"A part of a page should be {CELLS!r}, 'audits', 'audit verdicts' or one of {kinds}. "
        f"Received: {name!r}."
    )


_MEASURED: Mapping[str, Callable[[str | Path, str], str]] = {
    "evaluations": evaluations_part,
    "comparison": comparison_part,
    "benchmark": benchmark_part,
}
"""Kind of part -> what makes it of a directory below that of results."""

CommandLine = Callable[[Mapping[str, str], Sequence[str]], str]
"""The command for some options, {"table": "3", ...}, and options that people gave, ["num_epochs=20"]."""


def results_part(results_dir: str | Path, command_line: CommandLine) -> str:
    """Markdown of all finished cells: a section for each data set and protocol, with its search budgets.

    Args:
        results_dir: Holds <data set>/<protocol>/<cell>.json, and searches as `budgets_of` reads them.
        command_line: Writes the command that makes a table.

    Raises:
        InputError: If there are none, or a file is none.
    """
    budgets = budgets_of(results_dir)
    sections = []
    for finished in FinishedCells.load_all(results_dir):
        budget = budgets.pop((finished.dataset, finished.question.folder), None)
        sections.append(_section(finished, command_line, budget))
    for (dataset, question), table in budgets.items():  # of what has no cells yet
        sections.append(f"### {dataset}, {question}, searches\n\n{to_markdown(table)}")
    return "\n".join(sections)


def _section(finished: FinishedCells, command_line: CommandLine, budget: Table | None) -> str:
    seed = min(result.seed for result in finished.results.values())
    methods = both_neumfs([Variant(name, seed=seed) for name in PAPER_METHODS])
    cascades = [one for one in methods if PAPER_METHODS[one.method].group == "NMTR"]
    # Only beside the paper's values is the peak on test worth showing.
    selections = ("validation", "peak") if finished.dataset in paper.BEHAVIORS else ("validation",)
    subsets = [variant for base in cascades for variant in data_subsets(base, finished.behaviors)]
    kinds = [variant for base in cascades for variant in training_kinds(base).values()]
    repeated = repeated_variants(finished, methods)

    def all_of(make: Callable[..., Table], variants: list[Variant]) -> list[Table]:
        return [one for selection in selections for one in tables_apart(make, finished, variants, selection)]

    plan: list[tuple[int, list[Variant], list[Table]]] = [
        (3, methods, all_of(methods_table, methods)),
        (3, repeated, [seeds_table(finished, repeated, "validation")]),
        (4, subsets, all_of(subsets_table, cascades)),
        (5, kinds, training_tables(finished, cascades, selections)),
    ]
    parts = [f"### {finished.dataset}, {finished.question}\n"]
    shown: set[str] = set()
    missing: dict[str, None] = {}
    for number, variants, tables in plan:
        found = {variant.name(finished.behaviors): finished.find(variant) for variant in variants}
        missing |= dict.fromkeys(name for name, result in found.items() if result is None)
        results = {name: result for name, result in found.items() if result is not None}
        if results.keys() - shown:  # the table has a cell that those above it have not
            parts += [to_markdown(table) for table in tables]
            parts.append(_provenance(number, finished, list(results.values()), command_line))
        shown |= results.keys()
    parts += [to_markdown(budget)] if budget else []
    if missing:
        parts.append(f"Not done: {', '.join(f'`{name}`' for name in missing)}.\n")
    return "\n".join(parts)


def _provenance(
    number: int, finished: FinishedCells, results: Sequence[CellResult], command_line: CommandLine
) -> str:
    """The command, seeds, budget, hardware and time of a table's cells; a line for each that differs."""
    seeds = [str(seed) for seed in sorted({result.seed for result in results})]
    minutes: dict[tuple[tuple[str, ...], str, str], list[float]] = {}
    for result in results:
        training = result.config.training
        budget = f"at most {training.num_epochs} epochs, patience {training.patience}"
        machine = f"{result.hardware}, TensorFlow {result.versions['tensorflow']}"
        minutes.setdefault((result.given, budget, machine), []).append(result.seconds / 60)
    options = {"table": str(number), "dataset_dir": f"out/{finished.dataset}", **finished.question.options}
    options["workdir"] = "out/tables"
    if len(seeds) > 1:
        options["seeds"] = ",".join(seeds)
    label = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
    return "".join(
        f"- `{command_line(options, given)}`: runs: {len(own)}, {label}, {budget}; {machine}; "
        f"training took {sum(own):,.1f} min.\n"
        for (given, budget, machine), own in minutes.items()
    )
