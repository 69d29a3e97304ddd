"""A part of a page that is made of a comparison, as `compare` wrote it below the directory of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.evaluation.baselines import BASELINES
from nmtr_tf.files import read_json
from nmtr_tf.methods.table import METHODS
from nmtr_tf.paper.documents import Entry, Table, metric_text, to_markdown
from nmtr_tf.reporting.comparisons import p_value
from nmtr_tf.schema import checked, reading

_NEEDED = {
    "split": str,
    "protocol": str,
    "mask": str,
    "num_users": int,
    "baseline": str,
    "runs": dict[str, Any],
    "comparisons": dict[str, Any],
}


def comparison_part(results_dir: str | Path, place: str) -> str:
    """A table of <results_dir>/<place>/compare.json: every run, and how it differs from the baseline.

    Raises:
        InputError: If the file is missing or none.
    """
    path = Path(results_dir, place, "compare.json")
    with reading(path, "run compare again"):
        found = checked(path, read_json(path), _NEEDED, others=Any)
        return to_markdown(_table(place.partition("/")[0], found))


def _table(dataset: str, found: Mapping[str, Any]) -> Table:
    metrics, baseline = list(found["comparisons"]), found["baseline"]
    names = {name: _label(name, run, found["runs"]) for name, run in found["runs"].items()}
    columns = [""]
    for metric in metrics:
        columns += [metric, f"from {names[baseline]}", "p"]
    rows = []
    for name in [baseline, *[name for name in names if name != baseline]]:
        entries: list[Entry] = []
        for metric in metrics:
            entries += _entries(found, name, metric)
        rows.append((names[name], entries))
    about = (
        f"{found['split']}, protocol {found['protocol']}, mask {found['mask']}, {found['num_users']:,} users"
    )
    return Table(f"{dataset}, {about}: differences from {names[baseline]}", columns, rows, _notes(found))


def _entries(found: Mapping[str, Any], name: str, metric: str) -> list[Entry]:
    """Mean, difference with its interval, p."""
    own = found["runs"][name]["metrics"][metric]
    stddev = own["seed_stddev"]
    mean = (
        Entry(own["mean"]) if stddev is None else Entry(f"{metric_text(own['mean'])} ({metric_text(stddev)})")
    )
    if name == found["baseline"]:
        return [mean, Entry(""), Entry("")]
    row = found["comparisons"][metric][name]
    difference = f"{_signed(row['difference'])} ({_signed(row['low'])} to {_signed(row['high'])})"
    return [mean, Entry(difference), Entry(p_value(row["t_test_p_holm"]))]


def _notes(found: Mapping[str, Any]) -> Sequence[str]:
    runs = found["runs"].values()
    notes = ["Intervals: 95 %, bootstrap over users; p: paired t-test over users, after Holm's correction."]
    seeds = sorted({seed for run in runs for seed in run["seeds"]})
    if seeds:
        trained = ", ".join(map(str, seeds))
        notes.append(
            f"Seeds {trained}: means and, in brackets, standard deviations; a user's metric is the mean over "
            "seeds. The test asks whether these trained models differ on other users like these."
        )
    return notes


def _label(name: str, run: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """What a method or baseline is called; runs of one and the same by the names of their directories too."""
    rows: Mapping[str, Any] = {**METHODS, **BASELINES}
    label = rows[run["method"]].label if run["method"] else name
    same = [other for other in runs.values() if other["method"] == run["method"]]
    return f"{label}: `{name}`" if len(same) > 1 else label


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("0.", ".", 1)
