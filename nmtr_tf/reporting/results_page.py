"""The part of RESULTS.md that is made of finished cells, and how it gets into the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.cell_results import Finished, read_finished
from nmtr_tf.evaluation.variants import Variant, data_subsets, training_kinds
from nmtr_tf.files import new_file
from nmtr_tf.models.methods import METHODS
from nmtr_tf.reporting import paper
from nmtr_tf.reporting.ablation_tables import subsets_table, training_tables
from nmtr_tf.reporting.documents import Table, to_markdown
from nmtr_tf.reporting.method_table import methods_table, repeated_variants, seeds_table

BEGIN = "<!-- results of experiments.tables: begin -->"
END = "<!-- results of experiments.tables: end -->"


def replace_part(path: str | Path, part: str) -> None:
    """Replaces what stands between the two marks of a page.

    Raises:
        InputError: If the page is missing, or has not each mark once, in order.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"--write={path}: no such file.")
    text = path.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in tail:
        raise InputError(
            f"--write={path}: expected the lines {BEGIN!r} and {END!r}, each once, in this order."
        )
    with new_file(path) as temporary:
        temporary.write_text(f"{head}{BEGIN}\n\n{part}\n{END}{tail}", encoding="utf-8")


def results_part(results_dir: str | Path) -> str:
    """Markdown of all finished cells: a section for each data set and protocol.

    Raises:
        InputError: If there are none, or a file is none.
    """
    directories = sorted({path.parent for path in Path(results_dir).glob("*/*/*.json")})
    if not directories:
        raise InputError(
            f"--results_dir={results_dir}: expected <data set>/<protocol>/<cell>.json. Found none."
        )
    return "\n".join(_section(read_finished(directory)) for directory in directories)


def _section(finished: Finished) -> str:
    seed = min(result["seed"] for result in finished.results.values())
    methods = [Variant(name, seed=seed) for name in METHODS]
    cascades = [one for one in methods if METHODS[one.method].group == "NMTR"]
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
    parts = [f"### {finished.dataset}, protocol {finished.protocol}\n"]
    shown: set[str] = set()
    missing: dict[str, None] = {}
    for number, variants, tables in plan:
        found = {variant.name(finished.behaviors): finished.find(variant) for variant in variants}
        missing |= dict.fromkeys(name for name, result in found.items() if result is None)
        results = {name: result for name, result in found.items() if result is not None}
        if results.keys() - shown:  # the table has a cell that those above it have not
            parts += [to_markdown(table) for table in tables]
            parts.append(_provenance(number, finished, list(results.values())))
        shown |= results.keys()
    if missing:
        parts.append(f"Not done: {', '.join(f'`{name}`' for name in missing)}.\n")
    return "\n".join(parts)


def _provenance(number: int, finished: Finished, results: Sequence[Mapping[str, Any]]) -> str:
    """The command, seeds, budget, hardware and time of a table's cells; a line for each that differs."""
    seeds = [str(seed) for seed in sorted({result["seed"] for result in results})]
    minutes: dict[tuple[str, str, str], list[float]] = {}
    for result in results:
        training = result["config"]["training"]
        budget = f"at most {training['num_epochs']} epochs, patience {training['patience']}"
        machine = f"{result['hardware']}, TensorFlow {result['versions']['tensorflow']}"
        key = " ".join(result["flags"]), budget, machine
        minutes.setdefault(key, []).append(result["seconds"] / 60)
    command = f"python -m experiments.tables --table={number} --dataset_dir=out/{finished.dataset}"
    command += f" --protocol={finished.protocol} --workdir=out/tables"
    command += f" --seeds={','.join(seeds)}" if len(seeds) > 1 else ""
    label = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
    return "".join(
        f"- `{' '.join([command, given]).strip()}`: runs: {len(own)}, {label}, {budget}; {machine}; "
        f"training took {sum(own):,.1f} min.\n"
        for (given, budget, machine), own in minutes.items()
    )
