"""The flags of the commands that reproduce the paper, and what they say of a study."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from typing_extensions import override

from nmtr_tf.cli.baseline_flags import read_baseline_options
from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import SECTIONS, config_from_flags, new_flags, require
from nmtr_tf.cli.method_settings import settings_dir
from nmtr_tf.cli.run_settings import read_settings
from nmtr_tf.config import ContrastConfig, HistoryConfig, LinearConfig, RunConfig, TimeConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.methods.table import PAPER_METHODS, get_method
from nmtr_tf.paper.study import Progress, Study

_NUM_EPOCHS = 60  # at most; early stopping ends most cells before

# The table or figure decides these, and a cell is trained on one device.
_FIXED = ("method", "units", "share_embeddings", "train_mode", "stage_epochs", "curve_split")
_ONE_DEVICE = ("strategy", "num_replicas")
_OPTIONS = [
    field.name
    for section in SECTIONS
    if section not in (LinearConfig, HistoryConfig, ContrastConfig, TimeConfig)  # they are not the paper's
    for field in dataclasses.fields(section)
    if field.name not in (*_FIXED, *_ONE_DEVICE)
]

# They say where the data is and where to compute, which is no setting.
_OWN = ("--dataset_dir=", "--protocol=", "--device=")


def study_flags() -> flags.FlagValues:
    """The flags of a command that trains the cells of a study."""
    values = new_flags(*SECTIONS, only=_OPTIONS)
    values.set_default("num_epochs", _NUM_EPOCHS)
    at = {"flag_values": values}
    flags.DEFINE_string("workdir", None, "Directory for runs and what is made of them; one data set.", **at)
    flags.DEFINE_string("results_dir", "", "Directory of the cells' results; empty: <workdir>/results.", **at)
    flags.DEFINE_list("methods", [], "Methods to show; empty: all that belong there.", **at)
    flags.DEFINE_string(
        "flags_dir",
        "",
        "Directory with settings, <data set>/<method>.flags and <data set>/baselines/<baseline>.flags; "
        "empty: those of the package.",
        **at,
    )
    flags.DEFINE_bool("overwrite", False, "Train cells again that have a result.", **at)
    flags.DEFINE_bool("dry_run", False, "List the cells and what is to be trained, and train nothing.", **at)
    return values


def open_study(values: flags.FlagValues) -> Study:
    """The study that the flags name, checked; nothing is written.

    Raises:
        InputError: If a flag is missing or a value is not allowed.
    """
    require(values, "dataset_dir", "workdir")
    if unknown := [name for name in values.methods if name not in PAPER_METHODS]:
        raise InputError(f"`methods` should be among {', '.join(PAPER_METHODS)}. Received: {unknown[0]!r}.")
    dataset = Dataset.load(values.dataset_dir)
    folder = Path(values.flags_dir) if values.flags_dir else settings_dir()
    given = [values[name].serialize() for name in _OPTIONS if values[name].present]

    def settings(method: str) -> RunConfig:
        """What the method's flagfile says, where there is one, then what the command line gives."""
        path = folder / dataset.name / f"{method}.flags"
        own = [f"--flagfile={path}"] if path.is_file() else []
        return read_settings([f"--num_epochs={_NUM_EPOCHS}", *own, *given])

    return Study(
        dataset=dataset,
        workdir=Path(values.workdir),
        config=config_from_flags(values),
        settings=settings,
        baseline_options=lambda name: read_baseline_options(
            folder / dataset.name / "baselines" / f"{name}.flags", name
        ),
        given=tuple(flag.removeprefix("--") for flag in given if not flag.startswith(_OWN)),
        results_dir=Path(values.results_dir) if values.results_dir else None,
        overwrite=values.overwrite,
        progress=CommandProgress(values),
    )


class CommandProgress(Progress):
    """What a command shows of a study while it works.

    Args:
        values: The command's flags, for --quiet.
    """

    def __init__(self, values: flags.FlagValues):
        self._values = values

    @override
    def say(self, text: str) -> None:
        say(self._values, text)

    @override
    def before_tensorflow(self) -> None:
        import_tensorflow()

    @override
    def callbacks(self, config: RunConfig) -> Sequence[Any]:
        from nmtr_tf.cli.progress import EpochProgress

        label, seed = get_method(config.model.method).label, config.training.seed
        return [EpochProgress(self._values, config, f"{label}, {config.data.protocol}, seed {seed}")]

    @override
    @contextlib.contextmanager
    def ranking(self, name: str, num_users: int) -> Iterator[Callable[[int], object]]:
        with progress_bar(self._values, num_users, " users", desc=name) as bar:
            yield bar.update
