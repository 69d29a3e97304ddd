"""Tables and picture of an audit that is written down here."""

import dataclasses

import pytest
from matplotlib.image import imread

from nmtr_tf.evaluation.audit import Audit
from nmtr_tf.reporting.audits import audit_figure, audit_tables, plot_audit

FOUND = Audit(
    protocol="released",
    behaviors=("view", "cart", "buy"),
    num_users=50,
    num_items=20,
    num_pairs={"validation": 4, "test": 3000},
    leaks={"validation": {"view": 1, "cart": 0}, "test": {"view": 1500, "cart": 750}},
    leaks_any={"validation": 1, "test": 1800},
    nesting={"cart": {"view": 1.0}, "buy": {"view": 0.5, "cart": 0.25}},
    unseen={"validation": {"target": 0, "any": 0}, "test": {"target": 300, "any": 30}},
    without_negatives={"view": 1, "cart": 0, "buy": 0},
    newest={"share": 0.4, "by_chance": 0.3},
    drift={"validation": {"ratio": 0.98, "by_chance": 1.5}, "test": {"ratio": 7.812, "by_chance": 1.04}},
    concentration={name: {"gini": 0.125, "top_1": 0.1, "top_10": 0.4} for name in ("view", "cart", "buy")},
    k=10,
    hit_ratios={
        "popularity": {"released": 0.2, "strict": 0.1},
        "recency": {"released": 0.2, "strict": 0.1},
        "touched_first": {"released": 0.6, "strict": 0.05},
    },
)
ALONE = dataclasses.replace(
    FOUND,
    behaviors=("buy",),
    num_pairs={"validation": 0, "test": 3000},
    leaks={"validation": {}, "test": {}},
    leaks_any={"validation": 0, "test": 0},
    nesting={},
)


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_tables():
    rows = cells(audit_tables(FOUND))
    title = "Held-out pairs that auxiliary rows hold (strict takes them out; default here: released)"
    assert rows[0] == [title]
    assert rows[1] == ["rows of", "of 3,000 test pairs", "of 4 validation pairs"]
    assert ["view", "1,500 (50.0 %)", "1 (25.0 %)"] in rows
    assert ["any of them", "1,800 (60.0 %)", "1 (25.0 %)"] in rows
    assert ["HR@10 without learning (test, mask target)"] in rows
    assert ["touched_first", "0.6000", "0.0500"] in rows
    assert ["'buy' rows that are 'cart' rows too", "25.0 %"] in rows
    assert ["test pairs whose item has no 'buy' row in training", "300 (10.0 %)"] in rows
    assert ["test pairs whose item has no row in training", "30 (1.0 %)"] in rows
    assert ["users without a negative for 'view'", "1"] in rows
    assert ["test items with an id above all of the user's 'buy' rows", "40.0 % (by chance 30.0 %)"] in rows
    distance = "items' distance from a random part's (1: none)"
    assert [f"test {distance}", "7.81 (at most 1.04 by chance)"] in rows
    assert [f"validation {distance}", "0.98 (at most 1.50 by chance)"] in rows
    assert ["'view' rows over items: Gini", "0.125"] in rows
    assert ["'view' rows of the top 1 %, 10 % of items", "10.0 %, 40.0 %"] in rows


def test_tables_of_one_behavior_and_without_validation():
    rows = cells(audit_tables(ALONE))
    assert not any("any of them" in row for row in rows)
    assert ["validation pairs whose item has no row in training", "-"] in rows
    assert sum("distance from a random part's" in row[0] for row in rows if row) == 1


def test_the_picture_shows_leaks_and_hit_ratios():
    figure = audit_figure(FOUND, "shop")
    leaks, ratios = figure.axes
    assert figure.get_suptitle() == "shop"
    assert [label.get_text() for label in leaks.get_xticklabels()] == ["view", "cart", "any of them"]
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in leaks.containers}
    assert heights == {"test": [50, 25, 60], "validation": [25, 0, 25]}
    assert [label.get_text() for label in ratios.get_yticklabels()] == list(FOUND.hit_ratios)
    lengths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ratios.containers}
    assert lengths == {"released": [0.2, 0.2, 0.6], "strict": [0.1, 0.1, 0.05]}
    assert ratios.get_xlabel() == "HR@10"


def test_the_picture_of_one_behavior_says_so():
    leaks, _ = audit_figure(ALONE, "shop").axes
    assert not leaks.patches
    assert [text.get_text() for text in leaks.texts] == ["one behavior: no auxiliary rows"]


@pytest.mark.parametrize("found", [FOUND, ALONE], ids=["three", "one"])
def test_the_picture_is_written(tmp_path, found):
    plot_audit(found, tmp_path / "audit.png", "title")
    assert imread(tmp_path / "audit.png").shape[:2] == (504, 1260)
