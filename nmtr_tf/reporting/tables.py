"""Tables for the terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate

from nmtr_tf.texts import printable

if TYPE_CHECKING:
    import pandas as pd


def format_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A titled plain-text table; whole numbers get thousands separators, floats four decimals."""
    cells = [[_cell(value) for value in row] for row in rows]
    alignment = ["right" if _is_number_column(rows, i) else "left" for i in range(len(columns))]
    aligned = {"colalign": alignment} if rows else {}  # tabulate 0.9.0 has no column to align then
    return f"{title}\n" + tabulate(
        cells, [printable(str(name)) for name in columns], "simple", disable_numparse=True, **aligned
    )


def metrics_table(title: str, table: "pd.DataFrame") -> str:
    """A table such as `nmtr_tf.evaluation.results.Evaluation.table` gives, its index as the first column."""
    return format_table(title, ["", *table.columns], list(table.itertuples(name=None)))


def note_on_ks(ks: Iterable[int], num_candidates: np.ndarray) -> str:
    """A line about the K that say nothing, as no more items than K were ranked; "": there is none.

    Args:
        ks: Cut-offs K of metrics.
        num_candidates: Items that were ranked for each held-out item, int [n].
    """
    counts = {k: int((num_candidates <= k).sum()) for k in sorted(ks)}
    total, parts = len(num_candidates), []
    for count in dict.fromkeys(count for count in counts.values() if count):
        of = "all" if count == total else f"{count:,} of {total:,} held-out items"
        parts.append(f"{', '.join(str(k) for k, own in counts.items() if own == count)} for {of}")
    return f"No more items than K were ranked, so that HR@K is 1: K = {'; '.join(parts)}." if parts else ""


def _is_number_column(rows: Sequence[Sequence[Any]], index: int) -> bool:
    return all(isinstance(row[index], int | float) for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else printable(str(value))
