"""Table III: all methods, the tests against the best baseline, and the references below the line."""

from collections.abc import Mapping, Sequence
from typing import Any

from nmtr_tf.evaluation.cell_results import Finished
from nmtr_tf.evaluation.metrics import metric_ks, metric_values, shown_k
from nmtr_tf.evaluation.significance import t_test_p
from nmtr_tf.evaluation.variants import Variant
from nmtr_tf.models.methods import METHODS
from nmtr_tf.reporting import paper
from nmtr_tf.reporting.documents import Entry, Table

LEVEL = 0.05
"""Significance level of the paper."""

_GROUPS = {"NMTR": "Our NMTR model", "Multi-behavior": "Multi-behavior", "Single-behavior": "Single-behavior"}
REFERENCES = {
    "random": "random",
    "popularity": "popularity",
    "popularity_all": "popularity (all)",
    "recency": "recency",
    "recency_time": "recency (time)",
    "weaker_first": "weaker first",
    "ials": "iALS",
    "ials_all": "iALS (all)",
    "ease": "EASE",
    "ease_all": "EASE (all)",
}
"""References and linear peers -> their short labels; "all": of all behaviors, not of the target alone."""

Rows = list[tuple[str, Sequence[Entry]]]
Results = Mapping[str, Mapping[str, Any]]
"""{method: the result of its cell}"""


def reference_variant(base: Variant, name: str) -> Variant:
    """The cell of a reference beside the methods of `base`."""
    return Variant(f"reference_{name}", base.behaviors, base.keep, seed=base.seed)


def methods_table(finished: Finished, variants: Sequence[Variant], selection: str) -> Table:
    """Table III.

    Args:
        finished: The cells; what is not among them is shown as "-".
        variants: One cell of each method.
        selection: "validation": test metrics of the epoch that validation chose; "peak": the best of all
            epochs on test, metric by metric, as the paper reports it, with the paper's values beside them.
    """
    metrics = finished.metrics
    found = {one.method: result for one in variants if (result := finished.find(one))}
    values = {
        name: {metric: measured(result, metric, selection) for metric in metrics}
        for name, result in found.items()
    }
    best = {metric: _highest(values, metric) for metric in metrics}
    tests = _tests(found, metrics) if selection == "validation" else {}

    def entry(name: str, metric: str) -> Entry:
        theirs = paper.table_three(finished.dataset, name, metric) if selection == "peak" else ""
        p_value, above = tests.get((name, metric), (None, False))
        value = values.get(name, {}).get(metric)
        return Entry(value, theirs, value is not None and value == best[metric], p_value, above)

    rows: Rows = []
    for group, heading in _GROUPS.items():
        members = [one.method for one in variants if METHODS[one.method].group == group]
        rows += [(heading, [])] if members else []
        rows += [(METHODS[name].label, [entry(name, metric) for metric in metrics]) for name in members]
    references = {
        name: result for name in REFERENCES if (result := finished.find(reference_variant(variants[0], name)))
    }
    rows += _reference_rows(references, metrics)
    if selection == "peak":
        notes = peak_notes(finished, found, rows) + paper.table_three_notes(finished.dataset)
    else:
        notes = _significance_notes(found, tests) if tests else []
    notes += _reference_notes(references, values, metrics)
    return Table(title("III", finished, selection), ["", *metrics], rows, notes)


def _reference_rows(references: Results, metrics: Sequence[str]) -> Rows:
    rows: Rows = [("References", [])] if references else []
    return rows + [
        (REFERENCES[name], [Entry(result["test"][metric]) for metric in metrics])
        for name, result in references.items()
    ]


def title(number: str, finished: Finished, selection: str) -> str:
    """The title of a table of results."""
    which = "the epoch that validation chose" if selection == "validation" else "the peak over epochs on test"
    return f"Table {number}: {finished.dataset}, protocol {finished.protocol}, {which}"


def measured(result: Mapping[str, Any] | None, metric: str, selection: str) -> float | None:
    """A test metric of a result under a selection; None without one."""
    entry = "test" if selection == "validation" else "peak"
    return result[entry].get(metric) if result else None


def _highest(values: Mapping[str, Mapping[str, float | None]], metric: str) -> float | None:
    return max((value for row in values.values() if (value := row[metric]) is not None), default=None)


def _tests(found: Results, metrics: Sequence[str]) -> dict[tuple[str, str], tuple[float, bool]]:
    """(NMTR method, metric) -> p-value against the best baseline, and whether it is significantly above."""
    baselines = {name: result for name, result in found.items() if METHODS[name].group != "NMTR"}
    tests = {}
    for metric in metrics if baselines else []:
        best = max(baselines.values(), key=lambda result: result["test"][metric])
        for name in found.keys() - baselines.keys():
            differences = metric_values(found[name]["ranks"], metric) - metric_values(best["ranks"], metric)
            p_value = t_test_p(differences)
            tests[name, metric] = p_value, bool(p_value < LEVEL and differences.mean() > 0)
    return tests


def _significance_notes(found: Results, tests: Mapping[tuple[str, str], tuple[float, bool]]) -> list[str]:
    users = next(iter(found.values()))["num_test_users"]
    who = "(*)" if any(above for _, above in tests.values()) else "No NMTR method is"
    return [f"{who} above the best baseline of its column: paired t-test over {users:,} users, p < {LEVEL}."]


def peak_notes(finished: Finished, found: Results, rows: Rows, same_behaviors: bool = False) -> list[str]:
    """What is to be known about peaks, and about the paper's values beside them.

    Args:
        finished: All finished cells.
        found: Those of the table.
        rows: The table's.
        same_behaviors: Whether the paper's values are of the behaviors that the rows name; else of all.
    """
    notes = ["Peaks select on test: they are optimistic, as the paper's are."]
    sampled = {(result["curve_users"], result["num_test_users"]) for result in found.values()}
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


def _reference_notes(references: Results, values: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    metric = f"NDCG@{shown_k(metric_ks(metrics))}"
    highest = _highest(values, metric)
    if highest is None:
        return []
    above = [REFERENCES[name] for name, result in references.items() if result["test"][metric] > highest]
    return [f"References above every method by {metric}: {', '.join(above)}."] if above else []
