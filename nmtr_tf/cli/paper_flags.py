"""The flags of the commands that reproduce the paper, and what they say of a study."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from typing_extensions import override

from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import SECTIONS, config_from_flags, new_flags, require
from nmtr_tf.cli.method_settings import settings_dir
from nmtr_tf.cli.run_settings import NUM_EPOCHS, OPTIONS, given_options, method_settings
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.models.methods import METHODS, get_method
from nmtr_tf.paper.study import Progress, Study

# They say where the data is and where to compute, which is no setting.
_OWN = ("--dataset_dir=", "--protocol=", "--device=")


def study_flags() -> flags.FlagValues:
    """The flags of a command that trains the cells of a study."""
    values = new_flags(*SECTIONS, only=OPTIONS)
    values.set_default("num_epochs", NUM_EPOCHS)
    at = {"flag_values": values}
    flags.DEFINE_string("workdir", None, "Directory for runs and what is made of them; one data set.", **at)
    flags.DEFINE_string("results_dir", "", "Directory of the cells' results; empty: <workdir>/results.", **at)
    flags.DEFINE_list("methods", [], "Methods to show; empty: all that belong there.", **at)
    flags.DEFINE_string(
        "flags_dir",
        "",
        "Directory with the methods' settings, <data set>/<method>.flags; empty: those of the package.",
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
    if unknown := [name for name in values.methods if name not in METHODS]:
        raise InputError(f"`methods` should be among {', '.join(METHODS)}. Received: {unknown[0]!r}.")
    dataset = Dataset.load(values.dataset_dir)
    folder = Path(values.flags_dir) if values.flags_dir else settings_dir()

    def settings(method: str) -> RunConfig:
        return config_from_flags(method_settings(folder / dataset.name / f"{method}.flags", values))

    given = [flag.removeprefix("--") for flag in given_options(values) if not flag.startswith(_OWN)]
    return Study(
        dataset=dataset,
        workdir=Path(values.workdir),
        config=config_from_flags(values),
        settings=settings,
        given=tuple(given),
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
