"""Parts of a page that are made of what `audit`, `evaluate` and the benchmark wrote."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import BASELINES
from nmtr_tf.evaluation.metrics import metric_ks
from nmtr_tf.evaluation.result_files import metrics_path, read_entries
from nmtr_tf.evaluation_section import shown_k
from nmtr_tf.files import read_json
from nmtr_tf.methods.table import METHODS
from nmtr_tf.options import option_text
from nmtr_tf.paper.documents import Entry, Table, metric_text, to_markdown
from nmtr_tf.reporting.benchmarks import benchmark_page
from nmtr_tf.schema import checked, reading

Audits = Mapping[str, Mapping[str, Any]]
"""Data set -> the entries of its audit.json."""


def audits_part(results_dir: str | Path) -> str:
    """A table of all audits, <results_dir>/<data set>/audit.json.

    Raises:
        InputError: If there are none.
    """
    audits = _audits(results_dir)
    with reading(f"{results_dir}/*/audit.json", "run audit again"):
        rows = list(_leak_rows(audits)) + list(_fact_rows(audits)) + list(_rule_rows(audits))
    return to_markdown(
        Table("Audits", ["", *audits], [(label, list(map(Entry, row))) for label, row in rows])
    )


def verdicts_part(results_dir: str | Path) -> str:
    """The sentence of each audit, a quotation each; raises what `audits_part` does."""
    quotes = [f"> {name}: {audit['verdict']}\n" for name, audit in _audits(results_dir).items()]
    return "\n".join(quotes)


def _audits(results_dir: str | Path) -> Audits:
    paths = sorted(Path(results_dir).glob("*/audit.json"))
    if not paths:
        raise InputError(
            f"`results_dir={results_dir}`: expected <data set>/audit.json, of audit. Found none."
        )
    needed = {"verdict": str, "behaviors": list[str], "num_pairs": dict[str, int], "k": int}
    return {path.parent.name: checked(path, read_json(path), needed, others=Any) for path in paths}


def _leak_rows(audits: Audits) -> list[tuple[str, list[str]]]:
    rows = [
        (f"{split} pairs", [f"{audit['num_pairs'][split]:,}" for audit in audits.values()])
        for split in ("test", "validation")
    ]
    auxiliary = dict.fromkeys(name for audit in audits.values() for name in audit["behaviors"][:-1])
    for name in auxiliary:
        counts = [(audit["leaks"]["test"].get(name), audit["num_pairs"]["test"]) for audit in audits.values()]
        rows.append((f"test pairs still in training rows of {name!r}", [_share(*own) for own in counts]))
    for split in ("test", "validation"):
        counts = [(audit["leaks_any"][split], audit["num_pairs"][split]) for audit in audits.values()]
        label = f"{split} pairs still in any auxiliary behavior"
        rows.append((label, [_share(*own) for own in counts]))
    return rows


def _fact_rows(audits: Audits) -> list[tuple[str, list[str]]]:
    own = audits.values()
    pairs = dict.fromkeys(
        (name, earlier)
        for audit in own
        for name, row in audit["nesting"].items()
        for earlier in row
        if name == audit["behaviors"][-1]
    )
    rows = [
        (
            f"{name!r} rows that are {earlier!r} rows too",
            [_percent(audit["nesting"].get(name, {}).get(earlier)) for audit in own],
        )
        for name, earlier in pairs
    ]
    unseen = [_share(audit["unseen"]["test"]["target"], audit["num_pairs"]["test"]) for audit in own]
    rows.append(("test pairs whose item nobody bought in training", unseen))
    newest = [
        f"{_percent(audit['newest']['share'])} ({_percent(audit['newest']['by_chance'])})" for audit in own
    ]
    rows.append(("test item's id above all ids that the user bought (by chance)", newest))
    drifts = [
        " / ".join(f"{audit['drift'][split]['ratio']:.2f}" for split in ("test", "validation"))
        for audit in own
    ]
    rows.append(("items' distance from those of a random part (1: none), test / validation", drifts))
    tops = [audit["concentration"][audit["behaviors"][-1]] for audit in own]
    shares = [f"{_percent(one['top_1'])} / {_percent(one['top_10'])}" for one in tops]
    return [*rows, ("purchases of the top 1 % / 10 % of items", shares)]


def _rule_rows(audits: Audits) -> list[tuple[str, list[str]]]:
    rules = dict.fromkeys((name, a["k"]) for a in audits.values() for name in a["hit_ratios"])
    return [
        (
            f"HR@{k}, {BASELINES[name].label}, released / strict",
            [_ratios(audit["hit_ratios"].get(name)) for audit in audits.values()],
        )
        for name, k in rules
        if all(audit["k"] == k for audit in audits.values())
    ]


def _ratios(row: Mapping[str, float] | None) -> str:
    return " / ".join(metric_text(row[name]) for name in ("released", "strict")) if row else "-"


def _share(count: int | None, total: int) -> str:
    return "-" if count is None else f"{_percent(count / total)} ({count:,})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def evaluations_part(results_dir: str | Path, place: str) -> str:
    """A table of what `evaluate` wrote on test: <results_dir>/<place>/<any name>/metrics_test.json.

    Raises:
        InputError: If there are none, or they do not belong into one table.
    """
    paths = sorted(metrics_path(path, "test") for path in Path(results_dir, place).glob("[!.]*"))
    found = {path.parent.name: read_entries(path, "test") for path in paths if path.is_file()}
    if not found:
        raise InputError(
            f"`results_dir={results_dir}`: expected {place}/<name>/metrics_test.json. Found none."
        )
    about = {name: _asked(entries) for name, (entries, _) in found.items()}
    (first, asked), *others = about.items()
    if different := [name for name, own in others if own != asked]:
        raise InputError(
            f"{results_dir}/{place}: {different[0]} answers another question than {first}: expected the same "
            f"data, protocol, mask, validation and metrics. Received: {about[different[0]]} and {asked}."
        )
    entries, metrics = next(iter(found.values()))
    k = shown_k(metric_ks(metrics))
    shown = [name for name in metrics if metric_ks([name]) == {k}]
    rows = [(_label(own), [Entry(values[name]) for name in shown]) for own, values in _in_order(found)]
    question = f"protocol {asked[1]}, mask {asked[2]}"
    title = f"{place.partition('/')[0]}, test, {question}, {entries['num_users']:,} users"
    notes = [f"Validation purchases: {'held out' if asked[3] == 'random' else 'learned from'}."]
    return to_markdown(Table(title, ["", *shown], rows, notes))


def benchmark_part(results_dir: str | Path, place: str) -> str:
    """The tables of <results_dir>/<place>/benchmark.json, as `experiments.benchmark` wrote it.

    Raises:
        InputError: If the file is missing or none.
    """
    path = Path(results_dir, place, "benchmark.json")
    with reading(path, "run experiments.benchmark again"):
        found = checked(path, read_json(path), {"machine": dict[str, Any], "rows": list[dict[str, Any]]})
        return benchmark_page(found["machine"]["line"], found["rows"])


Found = tuple[Mapping[str, Any], Mapping[str, float]]
"""Entries of a metrics file, and the metrics among them."""


def _asked(entries: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("dataset_fingerprint", "protocol", "mask", "validation", "num_users")
    return tuple(entries.get(name) for name in names)


def _in_order(found: Mapping[str, Found]) -> Sequence[Found]:
    """Methods, then baselines as their table has them; those of one by the names of their directories."""
    order = [*METHODS, *BASELINES]
    for directory, (entries, _) in found.items():
        if entries.get("method") not in order:
            raise InputError(
                f"{directory}/metrics_test.json: the entry 'method' should name a method or a baseline. "
                f"Received: {entries.get('method')!r}."
            )
    names = sorted(found, key=lambda name: (order.index(found[name][0]["method"]), name))
    return [found[name] for name in names]


def _label(entries: Mapping[str, Any]) -> str:
    """The name of a baseline with the options that are not its defaults, or of a method."""
    name = entries["method"]
    if name not in BASELINES:
        return METHODS[name].label
    row = BASELINES[name]
    changed = [
        f"--{option}={option_text(entries[option])}"
        for option, one in row.options.items()
        if option in entries and entries[option] != one.default
    ]
    return f"{row.label}: `{' '.join([name, *changed])}`" if changed else row.label
