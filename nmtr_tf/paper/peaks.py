"""Tables of a selection: the epoch that validation chose, or peaks over the epochs on test.

Peaks on a sample of users and on everybody stand in tables of their own.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from nmtr_tf.paper import printed as paper
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.documents import Entry, Table
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.variants import Variant

Rows = list[tuple[str, Sequence[Entry]]]
Results = Mapping[str, CellResult]
"""{row of the table: the result of its cell}"""


def title(number: str, finished: FinishedCells, selection: str) -> str:
    """The title of a table of results."""
    which = "the epoch that validation chose" if selection == "validation" else "the peak over epochs on test"
    trained = [result for result in finished.results.values() if result.history]
    if selection == "peak" and any(one.curve_users < one.num_test_users for one in trained):
        which += ", of a sample of users"
    return f"Table {number}: {finished.dataset}, {finished.question}, {which}"


def tables_apart(
    make: Callable[[FinishedCells, Sequence[Variant], str], Table],
    finished: FinishedCells,
    variants: Sequence[Variant],
    selection: str,
) -> list[Table]:
    """A table, or one for each number of users that metrics are of; see `FinishedCells.apart`.

    Args:
        make: Makes one of cells, of a variant of each method, under a selection.
        finished: The cells.
        variants: One variant of each method.
        selection: As in `nmtr_tf.paper.method_table.methods_table`.
    """
    tables = [make(own, variants, selection) for own in finished.apart(selection)]
    return tables if len(tables) == 1 else [_with_values(table) for table in tables]


def _with_values(table: Table) -> Table:
    """The table without rows that stand in another one, and without heads of nothing else."""
    rows: Rows = []
    for label, entries in reversed(table.rows):
        is_head = not entries and bool(rows) and bool(rows[-1][1])  # of the row below it
        if is_head or any(entry.value is not None for entry in entries):
            rows.append((label, entries))
    return dataclasses.replace(table, rows=rows[::-1])


def peak_notes(
    finished: FinishedCells, found: Results, rows: Rows, same_behaviors: bool = False
) -> list[str]:
    """What is to be known about peaks, and about the paper's values beside them.

    Args:
        finished: All finished cells.
        found: Those of the table.
        rows: The table's.
        same_behaviors: Whether the paper's values are of the behaviors that the rows name; else of all.
    """
    notes = ["Peaks select on test: they are optimistic, as the paper's are."]
    sampled = {(result.curve_users, result.num_test_users) for result in found.values()}
    notes += [
        f"After each epoch {users:,} of the {everyone:,} users were ranked: such peaks are theirs."
        for users, everyone in sorted(sampled)
        if users < everyone
    ]
    if not any(entry.paper for _, entries in rows for entry in entries):
        return notes
    if same_behaviors:
        notes.append("In brackets: the paper's values, with the same behaviors.")
    else:
        theirs = paper.BEHAVIORS[finished.dataset]
        notes.append(f"In brackets: the paper's values, with {', '.join(theirs)}.")
        if theirs != finished.behaviors:
            notes.append(f"The data here has {', '.join(finished.behaviors)}.")
    return notes
