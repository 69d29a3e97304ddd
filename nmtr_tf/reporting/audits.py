"""Tables and picture of a leak audit."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nmtr_tf.data.held_out import protocols_of
from nmtr_tf.evaluation.audit import Audit
from nmtr_tf.reporting.plots import COLORS
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.texts import in_picture

_ANY = "any of them"


def audit_tables(found: Audit) -> str:
    """What leaks, what rules that learn nothing make of it, and the facts around it."""
    splits = _splits(found)
    leaks = [
        [name, *[_count(counts[split], found.num_pairs[split]) for split in splits]]
        for name, counts in _leaks(found).items()
    ]
    columns = [f"of {found.num_pairs[split]:,} {split} pairs" for split in splits]
    protocols = protocols_of(found.protocol)
    what = f"strict takes them out; default here: {found.protocol}"
    what = "touched before they were bought: no leak" if found.protocol == "time" else what
    ratios = [[name, *[row[protocol] for protocol in protocols]] for name, row in found.hit_ratios.items()]
    return "\n\n".join(
        [
            format_table(f"Held-out pairs that auxiliary rows hold ({what})", ["rows of", *columns], leaks),
            format_table(f"HR@{found.k} without learning (test, mask target)", ["", *protocols], ratios),
            format_table("Further facts", ["", "value"], _facts(found)),
        ]
    )


def _splits(found: Audit) -> list[str]:
    return sorted(found.num_pairs)  # test, then validation


def _leaks(found: Audit) -> dict[str, dict[str, int]]:
    """Row name -> split -> count; a last row for any behavior where there are several."""
    names = found.behaviors[:-1]
    rows = {name: {split: counts[name] for split, counts in found.leaks.items()} for name in names}
    return rows | ({_ANY: found.leaks_any} if len(names) > 1 else {})


def _facts(found: Audit) -> list[list[str]]:
    *_, target = found.behaviors
    rows = [
        [f"{name!r} rows that are {earlier!r} rows too", _percent(share)]
        for name, shares in found.nesting.items()
        for earlier, share in shares.items()
    ]
    for split in _splits(found):
        counts, pairs = found.unseen[split], found.num_pairs[split]
        rows.append(
            [f"{split} pairs whose item has no {target!r} row in training", _count(counts["target"], pairs)]
        )
        rows.append([f"{split} pairs whose item has no row in training", _count(counts["any"], pairs)])
    rows += [
        [f"users without a negative for {name!r}", f"{count:,}"]
        for name, count in found.without_negatives.items()
    ]
    newest = f"{_percent(found.newest['share'])} (by chance {_percent(found.newest['by_chance'])})"
    rows.append([f"test items with an id above all of the user's {target!r} rows", newest])
    rows += [
        [f"{split} items' distance from a random part's (1: none)", _drift(found.drift[split])]
        for split in _splits(found)
        if found.num_pairs[split]
    ]
    for name, values in found.concentration.items():
        rows.append([f"{name!r} rows over items: Gini", f"{values['gini']:.3f}"])
        tops = f"{_percent(values['top_1'])}, {_percent(values['top_10'])}"
        rows.append([f"{name!r} rows of the top 1 %, 10 % of items", tops])
    return rows


def _count(count: int, total: int) -> str:
    return f"{count:,} ({_percent(count / total)})" if total else "-"


def _drift(values: dict[str, float]) -> str:
    return f"{values['ratio']:.2f} (at most {values['by_chance']:.2f} by chance)"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def plot_audit(found: Audit, path: str | Path, title: str) -> None:
    """Writes the picture that `audit_figure` draws; the suffix of the file chooses the format."""
    audit_figure(found, title).savefig(path, dpi=120)


def audit_figure(found: Audit, title: str) -> Figure:
    """Leaked pairs per behavior beside HR@K of the rules under the protocols.

    Args:
        found: The audit.
        title: Title of the whole.
    """
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.35])
    _plot_leaks(left, found)
    _plot_ratios(right, found)
    figure.suptitle(in_picture(title))
    return figure


def _plot_leaks(axes: Any, found: Audit) -> None:
    rows = _leaks(found)
    splits = [split for split in _splits(found) if found.num_pairs[split]]
    width = 0.8 / len(splits)
    for i, split in enumerate(splits):
        shares = [100 * counts[split] / found.num_pairs[split] for counts in rows.values()]
        places = [place + (i - (len(splits) - 1) / 2) * width for place in range(len(rows))]
        bars = axes.bar(places, shares, 0.92 * width, color=COLORS[i], label=split)
        axes.bar_label(bars, [f"{share:.1f}" for share in shares], padding=2, fontsize=9)
    if not rows:
        axes.text(0.5, 0.5, "one behavior: no auxiliary rows", ha="center", transform=axes.transAxes)
    axes.set_xticks(range(len(rows)), list(map(in_picture, rows)))
    axes.set_xlim(-0.7, max(len(rows), 1) - 0.3)
    axes.set_ylim(0, 118)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("% of held-out pairs")
    axes.set_title("Held-out pairs that auxiliary rows hold")
    if rows:
        axes.legend(frameon=False, ncols=2, loc="upper left", fontsize=9)
    _clean(axes, "y")


def _plot_ratios(axes: Any, found: Audit) -> None:
    protocols = protocols_of(found.protocol)
    height = 0.8 / len(protocols)
    for i, (protocol, color) in enumerate(zip(protocols, (COLORS[4], COLORS[2]), strict=False)):
        values = [row[protocol] for row in found.hit_ratios.values()]
        places = [place + (i - (len(protocols) - 1) / 2) * height for place in range(len(values))]
        bars = axes.barh(places, values, 0.92 * height, color=color, label=protocol)
        axes.bar_label(bars, [f"{value:.3f}" for value in values], padding=3, fontsize=9)
    highest = max(max(row.values()) for row in found.hit_ratios.values())
    axes.set_yticks(range(len(found.hit_ratios)), list(found.hit_ratios))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * (highest or 1))
    axes.set_xlabel(f"HR@{found.k}")
    axes.set_title("Rules that learn nothing")
    axes.legend(frameon=False, title="protocol", loc="best", fontsize=9)
    _clean(axes, "x")


def _clean(axes: Any, grid: str) -> None:
    axes.grid(axis=grid, alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
