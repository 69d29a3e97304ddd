"""The rows of a benchmark as Markdown: a table for each part."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = ("work", "measured", "baseline in the same run", "ratio", "target", "met")
_MET = {None: "", True: "yes", False: "**no**"}


def benchmark_page(machine: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown.

    Args:
        machine: What it was measured on, in a line.
        rows: Of benchmark.json, those of a part one after the other: {"part", "work", "value", "unit",
            "baseline", "ratio", "target", "met"}.
    """
    parts = itertools.groupby(rows, lambda row: row["part"])
    return "\n".join([f"{machine}\n", *(_table(part, list(own)) for part, own in parts)])


def short(number: float) -> str:
    """A number for people: three significant digits, or all before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    rule = ["---", *["---:"] * (len(_COLUMNS) - 1)]
    lines = [f"| {' | '.join(cells)} |" for cells in (_COLUMNS, rule, *map(_cells, rows))]
    return "\n".join([f"**{title}**", "", *lines, ""])


def _cells(row: Mapping[str, Any]) -> list[str]:
    value = "" if row["value"] is None else f"{short(row['value'])} {row['unit']}"
    ratio = "" if row["ratio"] is None else f"{short(row['ratio'])} x"
    return [row["work"], value, row["baseline"] or "", ratio, row["target"] or "", _MET[row["met"]]]
