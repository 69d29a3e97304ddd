"""The rows of the benchmark as a Markdown page: a table for each part."""

from collections.abc import Mapping, Sequence

from experiments.benchmarks.rows import Row, short
from nmtr_tf.reporting.documents import Entry, Table, to_markdown

_COLUMNS = ("work", "measured", "baseline in the same run", "ratio", "target", "met")


def to_page(machine: str, parts: Mapping[str, Sequence[Row]]) -> str:
    """Markdown.

    Args:
        machine: What it was measured on, in a line.
        parts: {title of a table: its rows}; a part without rows is left out.
    """
    tables = [Table(part, _COLUMNS, [_row(row) for row in rows]) for part, rows in parts.items() if rows]
    return "\n".join([f"{machine}\n", *map(to_markdown, tables)])


def _row(row: Row) -> tuple[str, list[Entry]]:
    met = {None: "", True: "yes", False: "**no**"}[row.met]
    texts = [_measured(row), row.baseline or "", "" if row.ratio is None else f"{short(row.ratio)} x"]
    return row.work, [Entry(text) for text in (*texts, row.target or "", met)]


def _measured(row: Row) -> str:
    return "" if row.value is None else f"{short(row.value)} {row.unit}"
