"""The parts of a page that are made of files below the directory of results, and how they get there.

A part stands between two marks, which name it; around it people write what they like:

    <!-- results of NAME: begin -->
    <!-- results of NAME: end -->
"""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file
from nmtr_tf.schema import reading

Part = Callable[[str], str]
"""The name of a part -> what belongs there, as Markdown."""

_MARK = re.compile(r"<!-- results of ([^:>]+): (begin|end) -->")


def begin(name: str) -> str:
    """The mark before a part."""
    return f"<!-- results of {name}: begin -->"


def end(name: str) -> str:
    """The mark behind a part."""
    return f"<!-- results of {name}: end -->"


def replace_parts(path: str | Path, part: Part) -> None:
    """Makes the parts of a page anew.

    Raises:
        InputError: If the page is missing, has no part, or its marks do not pair; or what `part` raises.
    """
    pieces = [text if name is None else f"\n\n{part(name)}\n" for name, text in _pieces(path, "write")]
    with new_file(Path(path)) as temporary:
        temporary.write_text("".join(pieces), encoding="utf-8")


def check_parts(path: str | Path, part: Part) -> None:
    """Refuses a page that has something else in a part.

    Raises:
        InputError: If it does, naming the first line that differs; or as for `replace_parts`.
    """
    first = 1
    for name, found in _pieces(path, "check"):
        made = found if name is None else f"\n\n{part(name)}\n"
        pairs = itertools.zip_longest(found.splitlines(), made.splitlines(), fillvalue="nothing")
        for number, (is_there, expected) in enumerate(pairs, first):
            if is_there != expected:
                raise InputError(
                    f"`check={path}`: line {number} is not what the results give: expected {expected!r}. "
                    f"Received: {is_there!r}. `write={path}` makes it anew."
                )
        first += found.count("\n")


def _pieces(path: str | Path, option: str) -> Iterator[tuple[str | None, str]]:
    """The pieces of a page, in order: (name of the part, or None between parts; its text)."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"`{option}={path}`: no such file.")
    with reading(path, "name a page of text"):
        text = path.read_text(encoding="utf-8")
    place, open_part = 0, ""
    marks = list(_MARK.finditer(text))
    names = [mark[1] for mark in marks if mark[2] == "begin"]
    if not marks or len(set(names)) < len(names):
        raise _unpaired(path, option)
    pieces: list[tuple[str | None, str]] = []
    for mark in marks:
        name, is_begin = mark[1], mark[2] == "begin"
        if is_begin == bool(open_part) or (open_part and open_part != name):
            raise _unpaired(path, option)
        edge = mark.end() if is_begin else mark.start()
        pieces.append((None if is_begin else name, text[place:edge]))
        place, open_part = edge, name if is_begin else ""
    if open_part:
        raise _unpaired(path, option)
    yield from [*pieces, (None, text[place:])]


def _unpaired(path: Path, option: str) -> InputError:
    return InputError(
        f"`{option}={path}`: expected parts, each between a line {begin('NAME')!r} and a line "
        f"{end('NAME')!r}, each once, in this order."
    )
