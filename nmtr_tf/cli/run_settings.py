"""The settings of a run as flagfiles and command lines spell them out, read as absl reads them."""

from collections.abc import Iterable
from pathlib import Path

from nmtr_tf.cli.flags import SECTIONS, config_from_flags, new_flags
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError


def read_settings(arguments: Iterable[str]) -> RunConfig:
    """The config that arguments such as "--num_epochs=3" spell out, defaults elsewhere; the last one counts.

    Raises:
        flags.Error: If one is no option of a run.
        InputError: If a value is not allowed.
    """
    values = new_flags(*SECTIONS)
    values(["settings", *arguments])
    return config_from_flags(values)


def read_flagfile(path: Path) -> RunConfig:
    """The config that a flagfile spells out; raises what `read_settings` does."""
    try:
        return read_settings([f"--flagfile={path}"])
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected a file of flags, in UTF-8.") from None
