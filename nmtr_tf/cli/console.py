"""What a command does on the terminal: exit statuses, one-line errors, progress bars."""

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any, TextIO

from absl import flags
from tqdm import tqdm

from nmtr_tf.errors import InputError


def exit_status(action: Callable[[], int | None], names: Collection[str] = ()) -> int:
    """Calls an action and gives the process's exit status.

    Args:
        action: Gives a status, or None for 0.
        names: The flags, which messages of the library write as options in backticks.

    Returns:
        Its status; 2 after printing one line about bad input; 130 and 141 where the user, or what reads the
        output, had enough.
    """
    try:
        status = action() or 0
        sys.stdout.flush()
    except BrokenPipeError:
        # As with `| head`. Python would complain once more when it closes the output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except (flags.Error, InputError, OSError) as error:
        text = error.as_flags(names) if isinstance(error, InputError) else str(error)
        print("error: " + " ".join(_for_commands(text).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def _for_commands(text: str) -> str:
    """The library's message about a part that nobody registered says how a command gets to know it."""
    return text.replace("has to be registered first", "has to be registered first, by a module in --plugins")


def say(values: flags.FlagValues, text: str) -> None:
    """Prints to standard output, unless --quiet."""
    if not values.quiet:
        print(text, flush=True)


def progress_bar(values: flags.FlagValues, total: int | None, unit: str, **options: Any) -> tqdm:
    """A bar on standard error; none with --quiet or where that is no terminal."""
    hidden = True if values.quiet else None  # None: tqdm looks whether it is a terminal
    scale = total is None or total >= 10_000
    return tqdm(total=total, unit=unit, unit_scale=scale, disable=hidden, leave=False, **options)


def import_tensorflow() -> None:
    """Imports TensorFlow without the lines it writes about the machine.

    They come from C++, before its log levels are read, so only the file descriptor can stop them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with silenced(2):
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.get_logger().setLevel("ERROR")  # a command may build many models, which is no reason to warn


@contextlib.contextmanager
def silenced(descriptor: int) -> Iterator[TextIO]:
    """Sends what is written to a file descriptor nowhere; gives a file that still writes there."""
    saved, null = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    try:
        with open(saved, "w", buffering=1, closefd=False) as file:
            yield file
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
        os.close(null)
