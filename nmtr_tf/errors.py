"""The one exception for input that a user can mend, and the one for a process that was asked to stop."""

import re
from collections.abc import Collection

_OPTION = re.compile(r"`(\w+)(=[^`]*)?`")


class InputError(ValueError):
    """Bad input: an option, a file, a row. The message says what, where, what was expected and what came.

    Messages name options as Python does, in backticks: `num_layers`, or `num_layers=9` with a value. The
    commands write them as flags. A command prints the message as one line and exits with status 2; any
    other exception is a defect of this project and keeps its traceback.
    """

    @property
    def option(self) -> str | None:
        """The option that the message is about: the first that it names; None: it names none."""
        found = _OPTION.search(str(self))
        return found[1] if found else None

    def as_flags(self, names: Collection[str]) -> str:
        """The message with options written as flags; see the function `as_flags`."""
        return as_flags(str(self), names)


class Interrupted(KeyboardInterrupt):
    """The process was asked by a signal to stop, and has come to a place to go on from.

    Args:
        number: Number of the signal; the exit status is 128 more.
        message: Where it stopped, and how to go on.
    """

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.number = number


def as_flags(text: str, names: Collection[str]) -> str:
    """A message with options written as flags, `num_layers` as --num_layers.

    Args:
        text: The message.
        names: The flags that there are; other names stay as they are.
    """
    return _OPTION.sub(lambda found: f"--{found[1]}{found[2] or ''}" if found[1] in names else found[0], text)
