"""The settings of runs: what flagfiles and the command line say, read as absl reads them."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from absl import flags

from nmtr_tf.cli.flags import SECTIONS, config_from_flags, new_flags
from nmtr_tf.config import RunConfig

NUM_EPOCHS = 60
"""Epochs of a cell at most; early stopping ends most before."""

# The table or figure decides these.
_FIXED = ("method", "units", "share_embeddings", "train_mode", "stage_epochs", "curve_split")
OPTIONS = [
    field.name for section in SECTIONS for field in dataclasses.fields(section) if field.name not in _FIXED
]
"""The options of a run that commands for tables and figures have as flags."""


def given_options(values: flags.FlagValues) -> list[str]:
    """The `OPTIONS` that were given on the command line, as flags."""
    return [values[name].serialize() for name in OPTIONS if values[name].present]


def method_settings(flagfile: Path, values: flags.FlagValues) -> flags.FlagValues:
    """The flagfile, where there is one, and what the command line gives, which comes last.

    Raises:
        flags.Error: If the flagfile holds a flag that is no option of a run.
    """
    own = [f"--flagfile={flagfile}"] if flagfile.is_file() else []
    return _parsed([f"--num_epochs={NUM_EPOCHS}", *own, *given_options(values)])


def read_flagfile(path: Path) -> RunConfig:
    """The config that a flagfile spells out, defaults elsewhere; raises what `method_settings` does."""
    return config_from_flags(_parsed([f"--flagfile={path}"]))


def _parsed(arguments: Iterable[str]) -> flags.FlagValues:
    settings = new_flags(*SECTIONS)
    settings(["settings", *arguments])
    return settings
