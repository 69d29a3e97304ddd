"""How `prepare` is told where a log is cut, and what it says of a split in time."""

from collections.abc import Mapping
from typing import Any

from absl import flags

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.reporting.tables import format_table

FLAGS = ("split", "split_time", "split_share")


def define_split_flags(at: flags.FlagValues) -> None:
    """Adds the flags of `FLAGS`, which `nmtr_tf.prepare` takes by these names."""
    flags.DEFINE_enum(
        "split",
        "leave_one_out",
        ["leave_one_out", "time"],
        "'leave_one_out' holds the last purchase of every user out, 'time' all that comes after a cut, and "
        "after an earlier one, at the same share, for validation: protocol time.",
        flag_values=at,
    )
    flags.DEFINE_string(
        "split_time",
        "",
        "Of --split=time: the cut, such as 2015-08-15 or 2015-08-15T12:00 (UTC), or a number since 1970.",
        flag_values=at,
    )
    flags.DEFINE_float(
        "split_share", None, "Of --split=time: or the share of the rows that come after it.", flag_values=at
    )


def given_split(values: flags.FlagValues) -> dict[str, Any]:
    """What the flags say, by name."""
    return {name: values[name].value for name in FLAGS}


def split_table(dataset: Dataset) -> str:
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
