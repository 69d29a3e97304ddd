"""The rows of the benchmark as a Markdown page: a table for each part."""

from collections.abc import Mapping, Sequence

from experiments.benchmarks.rows import Row, short

_COLUMNS = ("work", "measured", "baseline in the same run", "ratio", "target", "met")


def to_page(machine: str, parts: Mapping[str, Sequence[Row]]) -> str:
    """Markdown.

    Args:
        machine: What it was measured on, in a line.
        parts: {title of a table: its rows}; a part without rows is left out.
    """
    return "\n".join([f"{machine}\n", *(_table(part, rows) for part, rows in parts.items() if rows)])


def _table(title: str, rows: Sequence[Row]) -> str:
    rule = ["---", *["---:"] * (len(_COLUMNS) - 1)]
    lines = [f"| {' | '.join(cells)} |" for cells in (_COLUMNS, rule, *map(_cells, rows))]
    return "\n".join([f"**{title}**", "", *lines, ""])


def _cells(row: Row) -> list[str]:
    value = "" if row.value is None else f"{short(row.value)} {row.unit}"
    ratio = "" if row.ratio is None else f"{short(row.ratio)} x"
    return [row.work, value, row.baseline or "", ratio, row.target or "", _MET[row.met]]


_MET = {None: "", True: "yes", False: "**no**"}
