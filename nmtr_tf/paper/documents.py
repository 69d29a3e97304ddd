"""Tables as the terminal, Markdown, LaTeX and programs want them."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from nmtr_tf.reporting.tables import format_table
from nmtr_tf.texts import printable

_LATEX = {character: "\\" + character for character in "&%_#${}"} | {"<": "$<$", ">": "$>$"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """What stands in one place of a table.

    Attributes:
        value: A float is shown with four decimals and no 0 before the point; None as "-".
        paper: The paper's own value, shown in brackets; "": none.
        best: Whether it is the best of its column.
        p_value: Of the test against the best baseline; None: not tested.
        significant: Whether it is above the best baseline and `p_value` below 0.05.
    """

    value: float | int | str | None
    paper: str = ""
    best: bool = False
    p_value: float | None = None
    significant: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it shows.
        columns: Heads; the first is that of the row labels.
        rows: A label and an entry for each other column; a label alone heads the rows that follow.
        notes: Sentences below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Entry]]]
    notes: Sequence[str] = ()


def to_text(table: Table) -> str:
    """Plain text; ">" stands before the best of a column, "*" behind what is significant."""
    rows = []
    for label, entries in table.rows:
        numbers = [">" * entry.best + _number(entry) + "*" * entry.significant for entry in entries]
        rows.append(_row(table, label, numbers, entries))
    legend = (
        ["> best of its column"] if any(entry.best for _, entries in table.rows for entry in entries) else []
    )
    return "\n".join([format_table(table.title, table.columns, rows), *legend, *table.notes])


def to_markdown(table: Table) -> str:
    """A Markdown table; the best of a column is bold."""
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)]]
    for label, entries in table.rows:
        numbers = [_number(entry) + r"\*" * entry.significant for entry in entries]
        numbers = [
            f"**{text}**" if entry.best else text for text, entry in zip(numbers, entries, strict=True)
        ]
        lines.append(_row(table, label if entries else f"*{label}*", numbers, entries))
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([f"**{table.title}**", body, *table.notes]) + "\n"


def to_latex(table: Table) -> str:
    r"""A LaTeX table; it needs \usepackage{booktabs}."""
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_escaped(table.title)}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(_escaped, table.columns)) + r" \\", r"\midrule"]
    for place, (label, entries) in enumerate(table.rows):
        if entries:
            numbers = [_escaped(_number(entry)) + "$^*$" * entry.significant for entry in entries]
            numbers = [
                rf"\textbf{{{text}}}" if entry.best else text
                for text, entry in zip(numbers, entries, strict=True)
            ]
            lines.append(" & ".join(_row(table, _escaped(label), numbers, entries)) + r" \\")
        else:
            lines += [r"\midrule"] if place else []
            lines.append(rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\textit{{{_escaped(label)}}}}} \\")
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        *[rf"\par {{\footnotesize {_escaped(x)}}}" for x in table.notes],
    ]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def to_json(table: Table) -> dict[str, Any]:
    """Plain dictionaries; numbers as they were measured."""
    rows = []
    for label, entries in table.rows:
        cells = {
            column: dataclasses.asdict(entry)
            for column, entry in zip(table.columns[1:], entries, strict=bool(entries))
        }
        rows.append({"label": label, "entries": cells})
    return {"title": table.title, "columns": list(table.columns), "rows": rows, "notes": list(table.notes)}


def _row(table: Table, label: str, numbers: Sequence[str], entries: Sequence[Entry]) -> list[str]:
    """The texts of a row, the paper's values behind the numbers; a label alone is followed by empty ones."""
    texts = [
        f"{number} ({_without_zero(entry.paper)})" if entry.paper else number
        for number, entry in zip(numbers, entries, strict=True)
    ]
    return [printable(label), *(texts or [""] * (len(table.columns) - 1))]


def metric_text(value: float) -> str:
    """A metric as tables show it: ".2079"."""
    return _without_zero(f"{value:.4f}")


def _number(entry: Entry) -> str:
    value = entry.value
    if isinstance(value, float):
        return metric_text(value)
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else value


def _without_zero(text: str) -> str:
    """The metric ".2079" of "0.2079"; anything else stays as it is."""
    return text[1:] if re.fullmatch(r"0\.\d{4}", text) else text


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
