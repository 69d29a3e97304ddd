"""What to read: the arguments of `read_log` checked, and the behaviors, files and columns they mean."""

import codecs
import dataclasses
import glob
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.data.logs.formats import TIME_UNITS, Format
from nmtr_tf.errors import InputError

ROLES = ("user", "item", "behavior", "timestamp")

Inputs = Sequence[tuple[str | None, Any]]
"""Pairs of a behavior, or None where a column tells, and a path or a data frame."""


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How to read: the name of a format and what it says, the rest as in `read_log`."""

    name: str
    format: Format
    behaviors: tuple[str, ...] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time_unit: str = "auto"
    time_format: str = ""
    on_bad_rows: str = "error"
    max_bad_share: float = 0.1
    impossible_times: str = "drop"
    ignore_behaviors: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    delimiter: str = ""
    encoding: str = "utf-8"
    wide: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Source:
    """A file or a data frame to read.

    Attributes:
        content: Path or pandas DataFrame.
        behavior: Of all its rows; None where a column tells.
        heldout: Its rows are the held-out ones.
    """

    content: Any
    behavior: str | None
    heldout: bool = False


def quoted(names: Iterable[str]) -> str:
    """Names in quotes between commas, for a message."""
    return ", ".join(map(repr, names))


def is_frame(content: object) -> bool:
    """Whether something is a pandas DataFrame; who has one has imported pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(content, pandas.DataFrame)


def inputs_of(source: Any) -> Inputs:
    """The source of `read_log` as pairs."""
    if isinstance(source, Mapping):
        return [
            (name, content)
            for name, contents in source.items()
            for content in (contents if isinstance(contents, list | tuple) else [contents])
        ]
    return [(None, content) for content in (source if isinstance(source, list | tuple) else [source])]


def _files(name: str | None, content: Any) -> Inputs:
    """The files of a folder or of a pattern, in order; a folder behavior=view names the behavior."""
    if is_frame(content) or not isinstance(content, str | os.PathLike) or Path(content).is_file():
        return [(name, content)]
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
            return [(name, content)]
    if not found:
        raise InputError(
            f"{content}: holds no files" if path.is_dir() else f"{content}: no file is of this name"
        )
    hive = [next((part[9:] for part in file.parts if part.startswith("behavior=")), name) for file in found]
    return list(zip(hive, found, strict=True))


def plan(
    inputs: Inputs, heldout: str | Path | None, options: ReadOptions
) -> tuple[tuple[str, ...], list[Source]]:
    """Checks the arguments of `read_log`, which see.

    Returns:
        The behaviors, weakest first, and what to read.

    Raises:
        InputError: An argument is wrong, or a file is missing.
    """
    _check_choices(options)
    log_format = options.format
    if log_format.behavior is None and log_format.behaviors:
        inputs, heldout = _expand_prefix(inputs, heldout, log_format, bool(options.behaviors))
    inputs = [file for name, content in inputs for file in _files(name, content)]
    _check_inputs(inputs, options)
    in_files = tuple(dict.fromkeys(name for name, _ in inputs if name is not None))
    known = in_files or tuple((log_format.behaviors or {}).values())
    tall = options.wide or tuple(options.thresholds)
    known = tall or known
    behaviors = options.behaviors or tall or in_files or log_format.default_behaviors
    _check_behaviors(behaviors, known, options)
    if log_format.split and heldout is None:
        raise InputError(f"`heldout` is needed: the log format {options.name!r} comes split.")
    if heldout is not None and not log_format.split:
        has_none = f"`heldout`: the log format {options.name!r} has no held-out file."
        raise InputError(f"{has_none} Received: {str(heldout)!r}.")
    sources = [Source(_checked(content), name) for name, content in inputs if name in (None, *behaviors)]
    if heldout is not None:
        sources.append(Source(_checked(heldout), behaviors[-1], heldout=True))
    return behaviors, sources


def _checked(content: Any) -> Any:
    """A data frame as it is, a path as `Path` if it is that of a file."""
    if is_frame(content):
        return content
    path = Path(content)
    if not path.is_file():
        raise InputError(f"{path}: {'is no file' if path.exists() else 'does not exist'}")
    return path


def _check_choices(options: ReadOptions) -> None:
    choices: list[tuple[str, str, Iterable[str]]] = [
        ("time_unit", options.time_unit, TIME_UNITS),
        ("on_bad_rows", options.on_bad_rows, ("error", "skip")),
        ("impossible_times", options.impossible_times, ("drop", "keep")),
    ]
    for name, value, known in choices:
        if value not in known:
            raise InputError(f"`{name}` should be one of {quoted(known)}. Received: {value!r}.")
    for role in options.columns:
        if role.rpartition(".")[2] not in ROLES:
            raise InputError(f"`columns` should name columns for {quoted(ROLES)}. Received: {role!r}.")
    if not 0 <= options.max_bad_share <= 1:
        raise InputError(f"`max_bad_share` should be from 0 to 1. Received: {options.max_bad_share}.")
    try:
        codecs.lookup(options.encoding)
    except LookupError:
        raise InputError(
            f"`encoding` should be one that Python knows. Received: {options.encoding!r}."
        ) from None
    if options.wide and options.thresholds:
        raise InputError("`wide` and `thresholds` are two ways to tell behaviors; give one of them.")
    if options.columns and not options.format.free_columns:
        received = f"Received: {dict(options.columns)}."
        raise InputError(f"`columns` of the log format {options.name!r} are fixed. {received}")


def _expand_prefix(
    inputs: Inputs, heldout: str | Path | None, log_format: Format, chosen: bool
) -> tuple[Inputs, str | Path | None]:
    """Replaces a single path without a name, a prefix, by the files that it stands for."""
    if len(inputs) != 1 or inputs[0][0] is not None or is_frame(inputs[0][1]):
        return inputs, heldout
    prefix = inputs[0][1]
    files = [(name, f"{prefix}-{part}.train.rating") for part, name in (log_format.behaviors or {}).items()]
    # Where none exists, the first is reported as missing.
    existing = [(name, path) for name, path in files if Path(path).exists()] or files
    return (files if chosen else existing), heldout or f"{prefix}.test.rating"


def _check_inputs(inputs: Inputs, options: ReadOptions) -> None:
    for _, content in inputs:
        if not isinstance(content, str | os.PathLike) and not is_frame(content):
            kind = type(content).__name__
            raise InputError(f"A log should be a file or files, or a pandas DataFrame. Received: {kind}.")
        if options.format.adjacency and is_frame(content):
            raise InputError(f"The log format {options.name!r} is of files. Received: a data frame.")
    # Where a format names its behaviors, a file may hold one of them; otherwise a column or the file tells.
    by_column, by_file = options.format.behavior is not None, not options.wide
    all_plain = by_column and all(name is None for name, _ in inputs)
    all_named = by_file and all(name is not None for name, _ in inputs)
    if not inputs or not (all_plain or all_named):
        allowed = " or ".join(
            ["plain files"] * by_column + ["a file for each behavior, behavior:file"] * by_file
        )
        shown = [("a data frame" if is_frame(content) else str(content), name) for name, content in inputs]
        received = ", ".join(text if name is None else f"{name}:{text}" for text, name in shown)
        raise InputError(f"The log format {options.name!r} takes {allowed}. Received: {received!r}.")


def _check_behaviors(behaviors: tuple[str, ...], known: tuple[str, ...], options: ReadOptions) -> None:
    if not behaviors or len(set(behaviors)) < len(behaviors):
        expected = "one or more different names, weakest first, the one to recommend for last"
        raise InputError(f"`behaviors` should be {expected}. Received: {quoted(behaviors) or 'none'}.")
    for name in behaviors:
        if known and name not in known:
            here = f"the log format {options.name!r} has {quoted(dict.fromkeys(known))} here"
            raise InputError(f"`behaviors`: {here}. Received: {name!r}.")
        if name in options.ignore_behaviors:
            raise InputError(f"`ignore_behaviors`: {name!r} is among the `behaviors` too.")
