"""Commands that are run for each of several cuts of a log, one after the other."""

from collections.abc import Iterator
from pathlib import Path

from absl import flags

from nmtr_tf.cli.console import say
from nmtr_tf.data.destination import cut_directories
from nmtr_tf.errors import InputError

_DIRECTORIES = ("refit_of", "final_of", "init_from", "dataset_dir", "workdir", "output_dir")


def for_each_cut(values: flags.FlagValues, *about: str) -> Iterator[str]:
    """Names each cut, and has all directories of a command be those of the cut meanwhile.

    Args:
        values: Flags of the command.
        *about: Flags, the first of which that is given says which cuts there are.

    Yields:
        Names such as "cut_2015-08-15"; "" once, with everything as it is, where there are no cuts.

    Raises:
        InputError: If another directory that is to be read has other cuts.
    """
    given = {name: values[name].value for name in _DIRECTORIES if name in values and values[name].value}
    first = next((given[name] for name in about if name in given), "")
    names = [path.name for path in cut_directories(first)] if first else []
    if not names:
        yield ""
        return
    for name, directory in given.items():
        theirs = [path.name for path in cut_directories(directory)]
        if theirs and not set(names) <= set(theirs) and name in about:
            raise InputError(
                f"--{name}={directory} has the cuts {', '.join(theirs)}; expected those of {first}: "
                f"{', '.join(names)}."
            )
    try:
        for cut in names:
            for name, directory in given.items():
                values[name].value = str(Path(directory) / cut)
            say(values, f"\n{cut}")
            yield cut
    finally:
        for name, directory in given.items():
            values[name].value = directory


def take_last_cut(values: flags.FlagValues, *names: str) -> None:
    """Has some directories of a command be those of the last cut, where they hold several.

    Args:
        values: Flags of the command.
        *names: The directories; cuts are named after their times.
    """
    for name in names:
        if cuts := cut_directories(values[name].value) if values[name].value else []:
            values[name].value = str(cuts[-1])
            say(values, f"--{name} has several cuts; this is of the last, {cuts[-1].name}.")
