"""Commands as the user types them, for messages and examples."""

import re
import sys
from pathlib import Path

_EXAMPLE = re.compile(r"\bnmtr ([a-z]+)\b")


def command(name: str) -> str:
    """How another command is called by whoever called this one.

    Returns:
        `python -m experiments.<name>` where this process was started so, else `nmtr <name>`.
    """
    in_repository = Path(sys.argv[0]).parent.name == "experiments"
    return f"python -m experiments.{name}" if in_repository else f"nmtr {name}"


def as_typed(text: str) -> str:
    """A text whose `nmtr <name>` are replaced by what `command` gives."""
    return _EXAMPLE.sub(lambda found: command(found[1]), text)
