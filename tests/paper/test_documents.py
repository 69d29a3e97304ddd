"""Tables in their four forms."""

import json

import pytest

from nmtr_tf.paper.documents import Entry, Table, to_json, to_latex, to_markdown, to_text

TABLE = Table(
    "Table III: a_b",
    ["", "HR@50", "users"],
    [
        ("Group", []),
        ("NMTR", [Entry(0.20501, "0.2079", best=True, p_value=0.01, significant=True), Entry(1234)]),
        ("GMF & co", [Entry(0.1), Entry(None)]),
        ("Settings", [Entry("[0,1e-5]", "[0.5e-5]"), Entry("0.01", "0.01")]),
    ],
    ["p < 0.05 in 50 % of cases."],
)


def test_text():
    lines = to_text(TABLE).splitlines()
    assert lines[0] == "Table III: a_b"
    assert lines[1].split() == ["HR@50", "users"]
    assert lines[3].split() == ["Group"]
    assert lines[4].split() == ["NMTR", ">.2050*", "(.2079)", "1,234"]
    assert lines[5].split() == ["GMF", "&", "co", ".1000", "-"]
    assert lines[6].split() == ["Settings", "[0,1e-5]", "([0.5e-5])", "0.01", "(0.01)"]
    assert lines[7:] == ["> best of its column", "p < 0.05 in 50 % of cases."]


def test_text_explains_no_mark_that_is_not_there():
    assert "best" not in to_text(Table("T", ["", "x"], [("row", [Entry(0.5)])]))


def test_markdown():
    assert to_markdown(TABLE).splitlines() == [
        "**Table III: a_b**",
        "",
        "|  | HR@50 | users |",
        "| --- | ---: | ---: |",
        "| *Group* |  |  |",
        r"| NMTR | **.2050\*** (.2079) | 1,234 |",
        "| GMF & co | .1000 | - |",
        "| Settings | [0,1e-5] ([0.5e-5]) | 0.01 (0.01) |",
        "",
        "p < 0.05 in 50 % of cases.",
    ]


def test_latex():
    assert to_latex(TABLE).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Table III: a\_b}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & HR@50 & users \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\textit{Group}} \\",
        r"NMTR & \textbf{.2050$^*$} (.2079) & 1,234 \\",
        r"GMF \& co & .1000 & - \\",
        r"Settings & [0,1e-5] ([0.5e-5]) & 0.01 (0.01) \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par {\footnotesize p $<$ 0.05 in 50 \% of cases.}",
        r"\end{table}",
    ]


def test_json_has_the_numbers_as_measured():
    content = json.loads(json.dumps(to_json(TABLE)))
    heading, nmtr, *_ = content["rows"]
    assert heading == {"label": "Group", "entries": {}}
    assert nmtr["entries"]["HR@50"] == {
        "value": 0.20501,
        "paper": "0.2079",
        "best": True,
        "p_value": 0.01,
        "significant": True,
    }
    assert content["columns"] == ["", "HR@50", "users"]
    assert content["notes"] == TABLE.notes


def test_a_row_of_the_wrong_length_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        to_json(Table("T", ["", "x", "y"], [("row", [Entry(1)])]))
