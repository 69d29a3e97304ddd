"""The part of RESULTS.md that is made of finished cells, and how it gets into the page."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.paper import printed as paper
from nmtr_tf.paper.ablation_tables import subsets_table, training_tables
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.documents import Table, to_markdown
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.method_table import methods_table, repeated_variants, seeds_table
from nmtr_tf.paper.search_tables import budgets_of
from nmtr_tf.paper.variants import Variant, both_neumfs, data_subsets, training_kinds

BEGIN = "<!-- results of experiments.tables: begin -->"
END = "<!-- results of experiments.tables: end -->"


def replace_part(path: str | Path, part: str) -> None:
    """Replaces what stands between the two marks of a page.

    Raises:
        InputError: If the page is missing, or has not each mark once, in order.
    """
    head, _, tail = _parts(path, "write")
    with new_file(Path(path)) as temporary:
        temporary.write_text(f"{head}{BEGIN}\n\n{part}\n{END}{tail}", encoding="utf-8")


def check_part(path: str | Path, part: str) -> None:
    """Refuses a page that holds something else between its marks.

    Raises:
        InputError: If it does, naming the first line that differs; or as for `replace_part`.
    """
    head, found, _ = _parts(path, "check")
    pairs = itertools.zip_longest(found.splitlines(), f"\n\n{part}\n".splitlines(), fillvalue="nothing")
    for number, (is_there, expected) in enumerate(pairs, start=head.count("\n") + 1):
        if is_there != expected:
            raise InputError(
                f"`check={path}`: line {number} is not what the results give: expected {expected!r}. "
                f"Received: {is_there!r}. `write={path}` makes it anew."
            )


def _parts(path: str | Path, option: str) -> tuple[str, str, str]:
    """What stands before, between and after the two marks of a page."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"`{option}={path}`: no such file.")
    head, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    part, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in tail:
        raise InputError(
            f"`{option}={path}`: expected the lines {BEGIN!r} and {END!r}, each once, in this order."
        )
    return head, part, tail


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
    plan: list[tuple[int, list[Variant], list[Table]]] = [
        (3, methods, [methods_table(finished, methods, selection) for selection in selections]),
        (3, repeated, [seeds_table(finished, repeated, "validation")]),
        (4, subsets, [subsets_table(finished, cascades, selection) for selection in selections]),
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
