"""The settings of runs: what flagfiles and the command line say, read as absl reads them."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from absl import flags

from experiments import cli
from nmtr_tf.config import DataConfig, EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.training.stages import check_method

NUM_EPOCHS = 60
"""Epochs of a cell at most; early stopping ends most before."""

SECTIONS = (DataConfig, ModelConfig, TrainingConfig, EvaluationConfig)

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
    settings = _parsed([f"--flagfile={path}"])
    return RunConfig(*[cli.section_from_flags(section, settings) for section in SECTIONS])


def check_run(config: RunConfig, interactions: Interactions) -> None:
    """Checks that a run's settings fit its method and its data, before TensorFlow is imported.

    Args:
        config: The run.
        interactions: The data set, or the run's training view of it.

    Raises:
        InputError: If they do not.
    """
    check_method(config.model, config.training, config.data.behaviors or interactions.behaviors)
    if config.data.validation == "random" and not len(interactions.held_out["validation"]):
        raise InputError("The data set has no validation pairs; use --validation=none.")


def _parsed(arguments: Iterable[str]) -> flags.FlagValues:
    settings = cli.new_flags(*SECTIONS)
    settings(["settings", *arguments])
    return settings
