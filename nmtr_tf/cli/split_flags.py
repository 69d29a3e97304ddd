"""How `prepare` is told where a log is cut."""

from typing import Any

from absl import flags

FLAGS = ("split", "split_time", "split_share", "validation_share")


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
        "Of --split=time: the cut, such as 2015-08-15 or 2015-08-15T12:00 (UTC), or a number since 1970. "
        "Several between commas: a data set for each in <dataset_dir>/cut_<time>, tested on what comes "
        "before the next.",
        flag_values=at,
    )
    flags.DEFINE_float(
        "split_share", None, "Of --split=time: or the share of the rows that come after it.", flag_values=at
    )
    flags.DEFINE_float(
        "validation_share",
        0.0,
        "Of --split=leave_one_out: share of every user's other purchases that validation gets, rounded, at "
        "least one of two; 0: one purchase.",
        flag_values=at,
    )


def given_split(values: flags.FlagValues) -> dict[str, Any]:
    """What the flags say, by name."""
    return {name: values[name].value for name in FLAGS}
