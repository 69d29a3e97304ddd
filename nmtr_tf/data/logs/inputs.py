"""What `read_log` is given, taken apart: a file or a data frame each, and what is said of it alone."""

import contextlib
import dataclasses
import glob
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nmtr_tf.data.logs.descriptions import read_descriptions
from nmtr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Input:
    """A file or a data frame.

    Attributes:
        content: A path, perhaps of a folder or a pattern, or a data frame; what else is refused later.
        behavior: Of all its rows; None: a column tells.
        where: The place of its description, for messages; "": it has none.
        options: What that says of how to read it: fields of `ReadOptions`.
        heldout: Its rows are held-out rows of the target.
    """

    content: Any
    behavior: str | None = None
    where: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    heldout: bool = False


def is_frame(content: object) -> bool:
    """Whether something is a pandas DataFrame; who has one has imported pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(content, pandas.DataFrame)


def inputs_of(source: Any) -> list[Input]:
    """The source of `read_log`, with what a description stands for in its place.

    Raises:
        InputError: As `read_descriptions` does.
    """
    if isinstance(source, Mapping):
        return [
            Input(content, name)
            for name, contents in source.items()
            for content in (contents if isinstance(contents, list | tuple) else [contents])
        ]
    contents = source if isinstance(source, list | tuple) else [source]
    return [one for content in contents for one in _described(content)]


def _described(content: Any) -> list[Input]:
    if not isinstance(content, str | os.PathLike) or Path(content).suffix.lower() != ".toml":
        return [Input(content)]
    return [
        Input(file, one.behavior, one.where, one.options, one.heldout)
        for one in read_descriptions(Path(content))
        for file in one.files
    ]


@contextlib.contextmanager
def described(where: str) -> Iterator[None]:
    """Says in errors about an input where its description is, and names options as they stand there."""
    try:
        yield
    except InputError as error:
        if not where:
            raise
        raise InputError(f"{where}: {str(error).replace('`', chr(39))}") from error


def files_of(one: Input) -> list[Input]:
    """The files of a folder or of a pattern, in order; a folder behavior=view names the behavior.

    Raises:
        InputError: If there are none.
    """
    content = one.content
    if is_frame(content) or not isinstance(content, str | os.PathLike) or Path(content).is_file():
        return [one]
    path = Path(content)
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if file.is_file()]
        parts = {file: file.relative_to(path).parts for file in found}
        found = [file for file in found if not any(part[0] in "._" for part in parts[file])]
    else:
        found = [
            Path(file) for file in sorted(glob.glob(str(content), recursive=True)) if Path(file).is_file()
        ]
        if not found and not glob.has_magic(str(content)):
            return [one]
    if not found:
        with described(one.where):
            why = "holds no files" if path.is_dir() else "no file is of this name"
            raise InputError(f"{content}: {why}")
    return [dataclasses.replace(one, content=file, behavior=_hive(file) or one.behavior) for file in found]


def _hive(file: Path) -> str | None:
    """The behavior that a folder behavior=view names."""
    return next((part[9:] for part in file.parts if part.startswith("behavior=")), None)
