"""Table III: all methods, with tests against the best of other groups; baselines below; over seeds."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nmtr_tf.evaluation.baselines import BASELINES
from nmtr_tf.evaluation.metrics import find_metric, metric_ks, metric_values
from nmtr_tf.evaluation.significance import holm, t_test_p
from nmtr_tf.evaluation_section import shown_k
from nmtr_tf.paper import printed as paper
from nmtr_tf.paper.baseline_cells import baseline_variant
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.documents import Entry, Table
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.peaks import Results, Rows, peak_notes, title
from nmtr_tf.paper.variants import Variant, label_of_row, method_of_row

LEVEL = 0.05
"""Significance level of the paper."""

_GROUPS = {"NMTR": "Our NMTR model", "Multi-behavior": "Multi-behavior", "Single-behavior": "Single-behavior"}


def methods_table(finished: FinishedCells, variants: Sequence[Variant], selection: str) -> Table:
    """Table III.

    Args:
        finished: The cells; what is not among them is shown as "-".
        variants: One cell of each method.
        selection: "validation": test metrics of the epoch that validation chose; "peak": the best of all
            epochs on test, metric by metric, as the paper reports it, with the paper's values beside them.
    """
    metrics = finished.metrics
    found = {one.row: result for one in variants if (result := finished.find(one))}
    values = {
        name: {metric: measured(result, metric, selection) for metric in metrics}
        for name, result in found.items()
    }
    best = {metric: _highest(values, metric) for metric in metrics}
    tests = _tests({name: [result] for name, result in found.items()}, metrics, selection)

    def entry(name: str, metric: str) -> Entry:
        theirs = paper.table_three(finished.dataset, name, metric) if selection == "peak" else ""
        value = values.get(name, {}).get(metric)
        is_best = value is not None and value == best[metric]
        return Entry(value, theirs, is_best, *tests.get((name, metric), (None, False)))

    # A second kind of embeddings has a row where it was trained.
    shown = [one.row for one in variants if one.share_embeddings is None or one.row in found]
    rows = _method_rows(shown, lambda name: [entry(name, metric) for metric in metrics])
    baselines = {
        name: result for name in BASELINES if (result := finished.find(baseline_variant(variants[0], name)))
    }
    rows += _baseline_rows(baselines, metrics)
    if selection == "peak":
        notes = peak_notes(finished, found, rows) + paper.table_three_notes(finished.dataset)
    else:
        notes = _significance_notes(finished, tests)
    notes += _baseline_notes(baselines, values, metrics)
    return Table(title("III", finished, selection), ["", *metrics], rows, notes)


def repeated_variants(finished: FinishedCells, bases: Sequence[Variant]) -> list[Variant]:
    """The finished cells of those methods that have been trained with several seeds."""
    seeds = sorted({result.seed for result in finished.results.values()})
    repeated: list[Variant] = []
    for base in bases:
        variants = [dataclasses.replace(base, seed=seed) for seed in seeds]
        done = [variant for variant in variants if finished.find(variant)]
        repeated += done if len(done) > 1 else []
    return repeated


def seeds_table(finished: FinishedCells, variants: Sequence[Variant], selection: str) -> Table:
    """Beside Table III: mean and sample standard deviation over the seeds of each method.

    The tests are those of Table III, with the metrics of each user averaged over the seeds.

    Args:
        finished: The cells.
        variants: Those of several seeds of each method, all finished.
        selection: As in `methods_table`.
    """
    k = shown_k(metric_ks(finished.metrics))
    metrics = [f"HR@{k}", f"NDCG@{k}"]
    found: dict[str, list[CellResult]] = {}
    for one in variants:
        found.setdefault(one.row, []).append(finished.results[one.name(finished.behaviors)])
    values = {
        (name, metric): [result.metrics(selection)[metric] for result in results]
        for name, results in found.items()
        for metric in metrics
    }
    means = {place: float(np.mean(row)) for place, row in values.items()}
    tests = _tests(found, metrics, selection)

    def entries(name: str) -> list[Entry]:
        shown = [Entry(len(found[name]))]
        for metric in metrics:
            mean, deviation = means[name, metric], float(np.std(values[name, metric], ddof=1))
            is_best = mean == max(means[other, metric] for other in found)
            shown += [Entry(mean, "", is_best, *tests.get((name, metric), (None, False))), Entry(deviation)]
        return shown

    columns = ["", "seeds", *[head for metric in metrics for head in (metric, f"s.d. of {metric}")]]
    name = title("III", finished, selection).replace("Table", "Beside Table", 1)
    notes = ["Means and standard deviations (s.d.) over the seeds.", *_significance_notes(finished, tests)]
    return Table(name, columns, _method_rows(list(found), entries), notes)


def _method_rows(methods: Sequence[str], entries: Callable[[str], Sequence[Entry]]) -> Rows:
    """The rows of methods (`Variant.row`), in the groups of Table III."""
    rows: Rows = []
    for group, heading in _GROUPS.items():
        members = [name for name in methods if method_of_row(name).group == group]
        rows += [(heading, [])] if members else []
        rows += [(label_of_row(name), entries(name)) for name in members]
    return rows


def _baseline_rows(baselines: Results, metrics: Sequence[str]) -> Rows:
    rows: Rows = [("Baselines", [])] if baselines else []
    return rows + [
        (BASELINES[name].label, [Entry(result.test[metric]) for metric in metrics])
        for name, result in baselines.items()
    ]


def measured(result: CellResult | None, metric: str, selection: str) -> float | None:
    """A test metric of a result under a selection; None without one."""
    return result.metrics(selection).get(metric) if result else None


def _highest(values: Mapping[str, Mapping[str, float | None]], metric: str) -> float | None:
    return max((value for row in values.values() if (value := row[metric]) is not None), default=None)


Tests = Mapping[tuple[str, str], tuple[float, bool]]
"""{(NMTR method, metric): (p-value against the best method of other groups, whether it is above)}

The best one is that of validation, and p-values are after Holm's correction over the methods of a column.
"""


def _tests(found: Mapping[str, Sequence[CellResult]], metrics: Sequence[str], selection: str) -> Tests:
    """The tests between methods, each user's metrics averaged over a method's results; none of peaks.

    Args:
        found: {row: results of its seeds}.
        metrics: What is tested.
        selection: As in `methods_table`.
    """
    others = [name for name in found if method_of_row(name).group != "NMTR"]
    tests: dict[tuple[str, str], tuple[float, bool]] = {}
    of_users = [metric for metric in metrics if not find_metric(metric)[0].is_of_lists]
    for metric in of_users if others and selection == "validation" else []:
        by_user = {
            name: np.mean([metric_values(result.places, metric) for result in results], axis=0)
            for name, results in found.items()
        }
        best = max(others, key=lambda name: on_validation(found[name], metric))
        methods = [name for name in found if name not in others]
        differences = [by_user[name] - by_user[best] for name in methods]
        corrected = holm(np.array([t_test_p(own) for own in differences]))
        for name, own, p_value in zip(methods, differences, corrected, strict=True):
            tests[name, metric] = float(p_value), bool(p_value < LEVEL and own.mean() > 0)
    return tests


def on_validation(results: Sequence[CellResult], metric: str) -> float:
    """A metric on validation at the chosen epochs, the mean over a method's results; on test without one."""
    values = [
        result.history[(result.best_epoch or 0) - 1].get(f"validation/{metric}", result.test[metric])
        for result in results
    ]
    return float(np.mean(values))


def _significance_notes(finished: FinishedCells, tests: Tests) -> list[str]:
    if not tests:
        return []
    users = next(iter(finished.results.values())).num_test_users
    who = (
        "(*) significantly"
        if any(above for _, above in tests.values())
        else "No NMTR method is significantly"
    )
    return [
        f"{who} above the method of the other groups that validation has first in its column: paired t-test "
        f"over {users:,} users, p < {LEVEL} after Holm's correction over the column. It asks whether these "
        "trained models differ on other users like these, not whether other seeds or settings would."
    ]


def _baseline_notes(
    baselines: Results, values: Mapping[str, Mapping[str, float | None]], metrics: Sequence[str]
) -> list[str]:
    metric = f"NDCG@{shown_k(metric_ks(metrics))}"
    highest = _highest(values, metric)
    if highest is None:
        return []
    above = [BASELINES[name].label for name, result in baselines.items() if result.test[metric] > highest]
    return [f"Baselines above every method by {metric}: {', '.join(above)}."] if above else []
