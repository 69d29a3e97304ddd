"""Tables III to V of the paper: which cells they need, what is made of them, and the files of any table."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file, write_json
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.paper.ablation_tables import subsets_table, training_tables
from nmtr_tf.paper.baseline_cells import run_baselines
from nmtr_tf.paper.cell_runs import run_cells
from nmtr_tf.paper.cells import Cell, make_cell
from nmtr_tf.paper.documents import Table, to_json, to_latex, to_markdown
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.method_table import methods_table, repeated_variants, seeds_table
from nmtr_tf.paper.peaks import tables_apart
from nmtr_tf.paper.study import Study
from nmtr_tf.paper.variants import Variant, both_neumfs, data_subsets, training_kinds

SCHEMA = 1
"""Of table<n>*.json."""

CASCADES = tuple(name for name, method in PAPER_METHODS.items() if method.group == "NMTR")
"""The methods of Tables II, IV and V."""


@dataclasses.dataclass(frozen=True)
class TableRequest:
    """A table of results that is asked for.

    Attributes:
        study: The study.
        table: "3", "4" or "5".
        selection: Whose test metrics are shown: "validation": those of the epoch that validation chose;
            "peak": metric by metric the best of all epochs, as in the paper.
        methods: Methods to show; empty: all that belong there.
        seeds: Of Table III: train once for each, not with the study's; the first is the study's then.

    Raises:
        InputError: If they do not fit each other.
    """

    study: Study
    table: str
    selection: str = "validation"
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()

    def __post_init__(self):
        behaviors = self.study.behaviors
        if self.seeds and self.table != "3":
            raise InputError(f"`seeds` is for `table=3`. Received: `table={self.table}`.")
        if len(behaviors) < 2:
            raise InputError(
                f"`table={self.table}` compares uses of auxiliary behaviors and needs at least two "
                f"behaviors. Received: {', '.join(behaviors)}."
            )
        if self.table == "5" and (others := [name for name in self.methods if name not in CASCADES]):
            raise InputError(
                f"`table=5` compares kinds of training of NMTR methods. Received: `methods={others[0]}`."
            )
        if self.selection == "validation" and self.study.config.data.validation == "none":
            raise InputError(
                "`selection=validation` needs `validation=random`; with none, use `selection=peak`."
            )
        if self.seeds:
            object.__setattr__(self, "study", self.study.with_seed(self.seeds[0]))  # not yet handed out

    @property
    def bases(self) -> list[Variant]:
        """One variant of each method, of the study's seed; in Table III two of NeuMF."""
        methods = self.methods or (tuple(PAPER_METHODS) if self.table == "3" else CASCADES)
        bases = [self.study.variant(method) for method in methods]
        return both_neumfs(bases) if self.table == "3" else bases

    def cells(self) -> list[Cell]:
        """The runs that the table needs; raises what `make_cell` does."""
        plans: dict[str, Callable[[Variant], Iterable[Variant]]] = {
            "3": lambda base: [dataclasses.replace(base, seed=seed) for seed in self.seeds or (base.seed,)],
            "4": lambda base: data_subsets(base, self.study.dataset.behaviors),
            "5": lambda base: training_kinds(base).values(),
        }
        variants = plans[self.table]
        return [make_cell(self.study, variant) for base in self.bases for variant in variants(base)]

    def make(self) -> list[Table]:
        """The table, and what stands beside it; what has no result yet is trained."""
        study, selection, bases = self.study, self.selection, self.bases
        results = run_cells(study, self.cells())
        if self.table == "3":
            results |= run_baselines(study)
        finished = FinishedCells(study.name, study.question, study.dataset.behaviors, results)
        if self.table == "4":
            return tables_apart(subsets_table, finished, bases, selection)
        if self.table == "5":
            return training_tables(finished, bases, [selection])
        repeated = repeated_variants(finished, bases)
        beside = [seeds_table(finished, repeated, selection)] if repeated else []
        return [*tables_apart(methods_table, finished, bases, selection), *beside]


def write_tables(study: Study, table: str, selection: str, tables: Sequence[Table]) -> list[Path]:
    """Writes tables to the workdir.

    Args:
        study: The study.
        table: "1" to "5".
        selection: As `TableRequest` has it.
        tables: What to write.

    Returns:
        The files: Markdown, LaTeX and JSON.
    """
    study.claim_workdir()
    stem = study.variant(f"table{table}").name(study.dataset.behaviors)
    stem += {"1": "", "2": f"_{study.protocol}"}.get(table, f"_{study.question.folder}_{selection}")
    files = [study.workdir / f"{stem}.{suffix}" for suffix in ("md", "tex", "json")]
    for file, form in zip(files, (to_markdown, to_latex), strict=False):
        with new_file(file) as path:
            path.write_text("\n".join(map(form, tables)), encoding="utf-8")
    about = {
        "schema": SCHEMA,
        "table": int(table),
        "dataset": study.name,
        "protocol": study.protocol,
        "mask": study.question.mask,
        "dataset_fingerprint": study.dataset.fingerprint,
        "selection": selection,
        "seed": study.seed,
    }
    write_json(files[-1], {**about, "tables": [to_json(one) for one in tables]})
    return files
