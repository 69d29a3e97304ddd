"""Tables for the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

if TYPE_CHECKING:
    import pandas as pd


def format_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A titled plain-text table; whole numbers get thousands separators, floats four decimals."""
    cells = [[_cell(value) for value in row] for row in rows]
    alignment = ["right" if _is_number_column(rows, i) else "left" for i in range(len(columns))]
    aligned = {"colalign": alignment} if rows else {}  # tabulate 0.9.0 has no column to align then
    return f"{title}\n" + tabulate(cells, columns, "simple", disable_numparse=True, **aligned)


def metrics_table(title: str, table: "pd.DataFrame") -> str:
    """A table such as `nmtr_tf.evaluation.results.Evaluation.table` gives, its index as the first column."""
    return format_table(title, ["", *table.columns], list(table.itertuples(name=None)))


def _is_number_column(rows: Sequence[Sequence[Any]], index: int) -> bool:
    return all(isinstance(row[index], int | float) for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
