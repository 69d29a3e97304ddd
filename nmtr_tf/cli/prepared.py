"""What `prepare` says of the data sets it has made."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from absl import flags

from nmtr_tf.cli.console import say
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import leaks
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.tables import format_table


def show_prepared(values: flags.FlagValues, dataset: Dataset, seconds: float) -> None:
    """Says what became of a log: what was removed, what is left, what is held out and leaks."""
    about = dataset.about
    say(values, f"{about['rows_read']:,} rows read from {values.source} in {seconds:.1f} s\n")
    if about.get("times"):
        say(values, InputError(f"{about['times'][0].upper()}{about['times'][1:]}.\n").as_flags(values))
    for row in about.get("first_bad_rows", ()):
        say(values, f"Dropped: {row}")
    removed: list[list] = [[f"bad rows: {why}", "", "", count] for why, count in about["bad_rows"].items()]
    removed += [[f"behavior {name} not used", "", "", count] for name, count in about["ignored_rows"].items()]
    if about["impossible_times"]:
        done = "dropped" if values.impossible_times == "drop" else "kept"
        removed.append([f"impossible times ({done})", "", "", about["impossible_times"]])
    removed += [[row["filter"], row["users"], row["items"], row["rows"]] for row in about["filters"]]
    say(values, format_table("Removed", ["step", "users", "items", "rows"], removed) + "\n")
    row = about["table_one"]
    title = "Data set (Table I; held-out pairs included)"
    say(values, format_table(title, [f"{name}#" for name in row], [list(row.values())]) + "\n")
    if text := _split_table(dataset):
        say(values, text)
    held_out = {name: len(dataset.held_out[name]) for name in ("test", "validation")}
    parts = ", ".join(f"{count:,} for {name}" for name, count in held_out.items())
    written = f"Written to {dataset.directory}/"
    say(values, f"Held out: {parts}. Protocol: {dataset.protocol}. {written}")
    if dataset.protocol == "released":
        _show_leaks(values, dataset)


def _show_leaks(values: flags.FlagValues, dataset: Dataset) -> None:
    """One line on the held-out pairs that auxiliary behaviors still give away."""
    parts = []
    for split, by_behavior in leaks(dataset.held_out, dataset.matrices).items():
        for name, leaked in by_behavior.items():
            if count := int(leaked.sum()):
                share = f"{100 * leaked.mean():.1f} %"
                parts.append(f"{count:,} of {len(leaked):,} {split} pairs ({share}) in {name!r}")
    if parts:
        say(
            values,
            f"Leak: training rows still hold {'; '.join(parts)}: what is selected or measured on them is "
            "not fair. To train without them: --protocol=strict.",
        )


def show_cuts(values: flags.FlagValues, made: Iterable[tuple[str, Dataset]]) -> None:
    """Makes the data sets of several cuts, and says for each what is tested on."""
    rows, buyers = [], list[np.ndarray]()
    for name, dataset in made:
        found, test = dataset.about["time_split"], dataset.held_out["test"]
        buyers.append(dataset.user_ids[np.unique(test[:, 0])])
        rows.append(
            [
                name,
                sum(matrix.nnz for matrix in dataset.matrices.values()),
                found["target_rows"],
                len(test),
                len(buyers[-1]),
                found["unseen_users"],
                found["unseen_items"],
            ]
        )
    test_pairs = sum(row[3] for row in rows)
    users = len(np.unique(np.concatenate(buyers)))
    rows.append(["all", "", sum(row[2] for row in rows), test_pairs, users, "", ""])
    head = ["", "rows before the cut", f"{dataset.target_behavior!r} after it", "test pairs", "their users"]
    head += ["new users", "new items"]
    title = f"{len(rows) - 1} cuts; test pairs are of users and items seen before, up to the next cut"
    say(values, format_table(title, head, rows))
    say(
        values,
        "What was removed before a cut: in its dataset.json. New users and items are left out.",
    )
    say(values, f"\nWritten to {values.dataset_dir}/cut_*/. Protocol: {dataset.protocol}.")


def _split_table(dataset: Dataset) -> str:
    """Where the log was cut, and which purchases after it are test pairs; "": it was not split in time."""
    found: Mapping[str, Any] = dataset.about.get("time_split", {})
    if not found:
        return ""
    pairs = len(dataset.held_out["test"])
    rows = [
        [
            f"{dataset.target_behavior!r} rows after the cut, first ones",
            found["target_rows"],
            found["target_users"],
        ],
        ["of users seen before it", found["of_known_users"], ""],
        ["of items seen before it", found["of_known_items"], ""],
        ["of both and kept: test pairs", pairs, dataset.num_held_out_users("test")],
    ]
    title = f"After the cut at {found['test_from']} (that for validation: {found['validation_from']})"
    new = f"New after it, and left out: {found['unseen_users']:,} users, {found['unseen_items']:,} items."
    return f"{format_table(title, ['', 'rows', 'users'], rows)}\n{new}\n"
