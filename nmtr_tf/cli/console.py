"""What a command does on the terminal: exit statuses, one-line errors, progress bars."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import Any, TextIO

from absl import flags
from tqdm import tqdm

from nmtr_tf.errors import InputError, Interrupted, as_flags
from nmtr_tf.runs.stopping import terminated
from nmtr_tf.texts import printable


def exit_status(action: Callable[[], int | None], names: Collection[str] = ()) -> int:
    """Calls an action and gives the process's exit status.

    Args:
        action: Gives a status, or None for 0.
        names: The flags, which messages of the library write as options in backticks.

    Returns:
        Its status; 2 after printing one line about bad input or memory that is lacking; 130, 143 and 141
        where the user, whoever sent SIGTERM, or what reads the output, had enough.
    """
    _take_any_text()
    try:
        with warnings.catch_warnings(), terminated():
            # Of matplotlib: a picture shows boxes for letters that its font lacks.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            status = action() or 0
        if not status:
            show("", end="")  # what plugins printed goes out too
    except BrokenPipeError:
        # As with `| head`. Python would complain once more when it closes the output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except (flags.Error, InputError, OSError) as error:
        print("error: " + printable(" ".join(_message(error, names).split())), file=sys.stderr)
        return 2
    except Interrupted as error:
        print(printable(_message(error, names)), file=sys.stderr)
        return 128 + error.number
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        print("error: " + printable(_out_of_memory(error)), file=sys.stderr)
        return 2
    return status


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was lacking: of Python, NumPy and Arrow one class, of TensorFlow one by this name."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _out_of_memory(error: BaseException) -> str:
    """One line of what lacked memory: what the library says, of TensorFlow without where in its graph."""
    said = " ".join(str(error).split())
    said = said[max(0, said.find("OOM when")) :].split(" on /job")[0]
    return (
        f"out of memory{': ' * bool(said)}{said}; choose a smaller model or batch (--embedding_dim, "
        "--batch_size, --num_negatives), or a machine with more."
    )


def _take_any_text() -> None:
    """What the console's encoding lacks is shown as `?`, in what is printed, in errors and on bars.

    Ids, titles and behaviors are whatever the log has; a console need not be UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's takes everything
            stream.reconfigure(errors="replace")


def _message(error: BaseException, names: Collection[str]) -> str:
    """What an error says; of one of the system, where and what."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = as_flags(str(error), names) if isinstance(error, InputError | Interrupted) else str(error)
    # The library's message about a part that nobody registered says how a command gets to know it.
    return text.replace("has to be registered first", "has to be registered first, by a module in --plugins")


def show(text: str, end: str = "\n") -> None:
    """Prints to standard output, at once; control characters, which a log may hold, are written out.

    Raises:
        OSError: If it cannot be written, as when it goes into a file on a full disk.
    """
    try:
        print(printable(text, keep="\n"), end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def say(values: flags.FlagValues, text: str) -> None:
    """Prints to standard output, unless --quiet; raises what `show` does."""
    if not values.quiet:
        show(text)


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
    encoding = getattr(sys.stderr, "encoding", None)
    try:
        with open(saved, "w", 1, encoding, "replace", closefd=False) as file:
            yield file
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
        os.close(null)
