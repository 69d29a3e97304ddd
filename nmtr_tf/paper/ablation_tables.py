"""Tables IV and V of Section IV-C: subsets of the auxiliary data, and kinds of training."""

from collections.abc import Mapping, Sequence

from nmtr_tf.evaluation.metrics import metric_ks
from nmtr_tf.evaluation_section import shown_k
from nmtr_tf.methods.table import get_method
from nmtr_tf.paper import printed as paper
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.documents import Entry, Table
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.method_table import measured
from nmtr_tf.paper.peaks import Rows, peak_notes, tables_apart, title
from nmtr_tf.paper.variants import Variant, data_subsets, training_kinds


def subsets_table(finished: FinishedCells, bases: Sequence[Variant], selection: str) -> Table:
    """Table IV: every method with subsets of the auxiliary data.

    Args:
        finished: The cells; what is not among them is shown as "-".
        bases: One variant of each method.
        selection: "validation" or "peak", as in `method_table.methods_table`.
    """
    metrics = _metrics(finished)
    rows: Rows = []
    found: dict[str, CellResult] = {}
    for one_of_each in zip(*[data_subsets(base, finished.behaviors) for base in bases], strict=True):
        rows.append((_subset_label(one_of_each[0], finished.behaviors), []))
        for variant in one_of_each:
            result = finished.find(variant)
            found |= {variant.name(finished.behaviors): result} if result else {}
            theirs = [_table_four(finished, variant, metric, selection) for metric in metrics]
            rows.append((get_method(variant.method).label, _entries(result, metrics, selection, theirs)))
    notes = peak_notes(finished, found, rows, same_behaviors=True) if selection == "peak" else []
    return Table(title("IV", finished, selection), ["", *metrics], rows, notes)


def _metrics(finished: FinishedCells) -> list[str]:
    k = shown_k(metric_ks(finished.metrics))
    return [f"HR@{k}", f"NDCG@{k}"]


def _subset_label(variant: Variant, dataset_behaviors: Sequence[str]) -> str:
    """The paper's notation, target first: "(buy, 50 % cart)"."""
    *auxiliary, target = variant.behaviors or dataset_behaviors
    shares = dict(variant.keep)
    parts = [f"{100 * shares[name]:g} % {name}" if name in shares else name for name in auxiliary]
    return f"({', '.join([target, *parts])})"


def _table_four(finished: FinishedCells, variant: Variant, metric: str, selection: str) -> str:
    if selection == "validation":
        return ""
    whole = variant if variant.behaviors else Variant("", finished.behaviors, variant.keep)
    subset = Variant("", whole.behaviors, whole.keep).name(()).removeprefix("-")
    return paper.table_four(finished.dataset, subset, variant.method, metric)


def _entries(
    result: CellResult | None, metrics: Sequence[str], selection: str, theirs: Sequence[str] = ("", "")
) -> list[Entry]:
    return [
        Entry(measured(result, metric, selection), value)
        for metric, value in zip(metrics, theirs, strict=True)
    ]


_KINDS = {"multitask": "multi-task", "sequential": "sequential", "separate": "separate embeddings"}


def training_tables(
    finished: FinishedCells, bases: Sequence[Variant], selections: Sequence[str]
) -> list[Table]:
    """Table V, the convergence with separate embeddings, and the heads of the other behaviors.

    Args:
        finished: The cells; what is not among them is shown as "-".
        bases: One variant of each method.
        selections: "validation" or "peak", as in `method_table.methods_table`: a Table V for each. The heads
            are always those of the epoch that validation chose.
    """
    results = _all_kinds(finished, bases)
    tables = [
        one for selection in selections for one in tables_apart(_kinds_table, finished, bases, selection)
    ]
    heads = _heads_table(finished, results)
    return [*tables, _convergence_table(finished, results), *([heads] if heads.rows else [])]


AllKinds = Mapping[str, Mapping[str, CellResult | None]]
"""{method: {kind of training: result or None}}"""


def _all_kinds(finished: FinishedCells, bases: Sequence[Variant]) -> AllKinds:
    return {
        base.method: {kind: finished.find(variant) for kind, variant in training_kinds(base).items()}
        for base in bases
    }


def _kinds_table(finished: FinishedCells, bases: Sequence[Variant], selection: str) -> Table:
    metrics, results = _metrics(finished), _all_kinds(finished, bases)
    rows: Rows = []
    for method, kinds in results.items():
        rows.append((get_method(method).label, []))
        for kind, label in _KINDS.items():
            theirs = [
                paper.table_five(finished.dataset, kind, method, metric) if selection == "peak" else ""
                for metric in metrics
            ]
            rows.append((label, _entries(kinds[kind], metrics, selection, theirs)))
    found = {f"{m} {kind}": r for m, kinds in results.items() for kind, r in kinds.items() if r}
    notes = peak_notes(finished, found, rows) if selection == "peak" else []
    return Table(title("V", finished, selection), ["", *metrics], rows, notes)


def _convergence_table(finished: FinishedCells, results: AllKinds) -> Table:
    """Multi-task training with shared and with separate embeddings."""
    columns = ["", "parameters", "best epoch", "epochs", "first loss", "last loss"]
    rows: Rows = []
    for method, kinds in results.items():
        rows.append((get_method(method).label, []))
        for kind, label in {"multitask": "shared", "separate": "separate"}.items():
            rows.append((label, [Entry(value) for value in _convergence(kinds[kind])]))
    notes = ["Losses are those of the training objective per instance, in the first and the last epoch."]
    name = f"Beside Table V: {finished.dataset}, {finished.question}, embeddings of the behaviors"
    return Table(name, columns, rows, notes)


def _convergence(result: CellResult | None) -> list[float | int | None]:
    if result is None:
        return [None] * 5
    losses = [record["train/loss"] for record in result.history]
    return [result.num_parameters, result.best_epoch, result.epochs, losses[0], losses[-1]]


def _heads_table(finished: FinishedCells, results: AllKinds) -> Table:
    """The rankings by the heads of the auxiliary behaviors; no rows where no cell has any."""
    metrics = _metrics(finished)
    rows: Rows = []
    pairs: dict[str, int] = {}
    for method, kinds in results.items():
        found = {kind: result.heads for kind, result in kinds.items() if result and result.heads}
        for behavior in finished.behaviors[:-1]:
            if shown := {kind: heads[behavior] for kind, heads in found.items() if behavior in heads}:
                rows.append((f"{get_method(method).label}, {behavior}", []))
                pairs[behavior] = int(next(iter(shown.values()))["num_pairs"])
                rows += [
                    (_KINDS[kind], [Entry(head[metric]) for metric in metrics])
                    for kind, head in shown.items()
                ]
    counts = ", ".join(f"{name} {count:,}" for name, count in pairs.items())
    where = f"{finished.dataset}, {finished.question}"
    notes = [f"Test pairs that the user had shown the behavior too ({counts}), ranked by its own logit."]
    name = f"Beside Table V: {where}, heads of the auxiliary behaviors"
    return Table(name, ["", *metrics], rows, notes if rows else [])
