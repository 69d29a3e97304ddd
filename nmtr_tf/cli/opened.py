"""A run that a command opens, and the flag for one that is not finished."""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from nmtr_tf.cli.console import say

if TYPE_CHECKING:  # it imports TensorFlow, which comes after the flags are checked
    from nmtr_tf.runs import Run


def define_unfinished(values: flags.FlagValues) -> None:
    """Defines --allow_unfinished."""
    flags.DEFINE_bool(
        "allow_unfinished",
        False,
        "Take a run whose training has not come to its end as it is, with its best epoch so far.",
        flag_values=values,
    )


def open_run(values: flags.FlagValues, workdir: str | Path) -> "Run":
    """Opens a run, and says so where it is unfinished.

    Raises:
        InputError: If there is none, or it is unfinished and that was not allowed.
    """
    from nmtr_tf.runs import Run

    found = Run(workdir, allow_unfinished=values.allow_unfinished)
    found.check_usable()
    if found.unfinished:
        say(values, f"{workdir}: an unfinished run ({found.unfinished})\n")
    return found
