"""What to read: the arguments of `read_log` checked, and the behaviors, files and columns they mean."""

import codecs
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.data.events import check_number
from nmtr_tf.data.logs.formats import TIME_UNITS, Format
from nmtr_tf.data.logs.inputs import Input, described, files_of, is_frame
from nmtr_tf.errors import InputError

ROLES = ("user", "item", "behavior", "timestamp")


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

    def of(self, one: Input) -> "ReadOptions":
        """The options of an input, which may have some of its own; those of columns are added."""
        columns = {**self.columns, **one.options.get("columns", {})}
        return dataclasses.replace(self, **{**one.options, "columns": columns})


@dataclasses.dataclass(frozen=True)
class Source:
    """A file or a data frame to read.

    Attributes:
        content: Path or pandas DataFrame.
        behavior: Of all its rows; None where a column tells.
        options: How to read it.
        heldout: Its rows are the held-out ones.
        where: The place of its description, for messages; "": it has none.
    """

    content: Any
    behavior: str | None
    options: ReadOptions
    heldout: bool = False
    where: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """The behaviors that are known of it before it is read; none: a column tells."""
        own = self.options.wide or tuple(self.options.thresholds)
        return own or (() if self.behavior is None else (self.behavior,))


def quoted(names: Iterable[str]) -> str:
    """Names in quotes between commas, for a message."""
    return ", ".join(map(repr, names))


def plan(inputs: Sequence[Input], heldout: Any, options: ReadOptions) -> tuple[tuple[str, ...], list[Source]]:
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
    files = [file for one in inputs for file in files_of(one)]
    held_out = [one for one in files if one.heldout]
    held_out += [] if heldout is None else files_of(Input(heldout))
    inputs = [one for one in files if not one.heldout]
    _check_contents([*inputs, *held_out], options)
    _check_inputs(inputs, options)
    sources = [_source(one, options) for one in inputs]
    behaviors = _behaviors(sources, options)
    if log_format.split and not held_out:
        raise InputError(f"`heldout` is needed: the log format {options.name!r} comes split.")
    sources = [source for source in sources if source.behavior in (None, *behaviors)]
    sources += [_held_out_source(one, options, behaviors[-1]) for one in held_out]
    return behaviors, [_checked(source) for source in sources]


def _source(one: Input, options: ReadOptions) -> Source:
    with described(one.where):
        own = options.of(one)
        _check_choices(own)
        if one.behavior is not None and own.thresholds:
            raise InputError(
                f"`thresholds` tell behaviors by a column, but {one.content} is all of {one.behavior!r}; "
                "give one of the two."
            )
        return Source(one.content, one.behavior, own, where=one.where)


def _held_out_source(one: Input, options: ReadOptions, target: str) -> Source:
    """A source of rows of the target, a row each, whatever tells the behaviors of the others."""
    source = _source(dataclasses.replace(one, behavior=None), options)
    own = dataclasses.replace(source.options, wide=(), thresholds={})
    return dataclasses.replace(source, behavior=target, options=own, heldout=True)


def _behaviors(sources: Sequence[Source], options: ReadOptions) -> tuple[str, ...]:
    """The behaviors: those that are chosen, else those that the sources tell."""
    told = [source.told for source in sources]
    names = tuple(dict.fromkeys(name for some in told for name in some))
    by_column = not all(told)
    known = names or tuple((options.format.behaviors or {}).values())
    behaviors = options.behaviors or (() if by_column else names) or options.format.default_behaviors
    _check_behaviors(behaviors, () if by_column and names else known, options)
    return behaviors


def _checked(source: Source) -> Source:
    """A source of a data frame as it is, that of a path with the `Path` if it is that of a file."""
    if is_frame(source.content):
        return source
    path = Path(source.content)
    if not path.is_file():
        with described(source.where):
            raise InputError(f"{path}: {'is no file' if path.exists() else 'does not exist'}")
    return dataclasses.replace(source, content=path)


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
    inputs: Sequence[Input], heldout: Any, log_format: Format, chosen: bool
) -> tuple[Sequence[Input], Any]:
    """Replaces a single path without a name, a prefix, by the files that it stands for."""
    if len(inputs) != 1 or inputs[0].behavior is not None or is_frame(inputs[0].content):
        return inputs, heldout
    prefix = inputs[0].content
    names = (log_format.behaviors or {}).items()
    files = [
        dataclasses.replace(inputs[0], content=f"{prefix}-{part}.train.rating", behavior=name)
        for part, name in names
    ]
    # Where none exists, the first is reported as missing.
    existing = [one for one in files if Path(one.content).exists()] or files
    return (files if chosen else existing), heldout or f"{prefix}.test.rating"


def _check_contents(inputs: Sequence[Input], options: ReadOptions) -> None:
    for one in inputs:
        content = one.content
        if not isinstance(content, str | os.PathLike) and not is_frame(content):
            kind = type(content).__name__
            raise InputError(f"A log should be a file or files, or a pandas DataFrame. Received: {kind}.")
        if options.format.adjacency and is_frame(content):
            raise InputError(f"The log format {options.name!r} is of files. Received: a data frame.")


def _check_inputs(inputs: Sequence[Input], options: ReadOptions) -> None:
    # Where a format names its behaviors, a file may hold one of them; otherwise a column or the file tells.
    by_column, by_file = options.format.behavior is not None, not options.wide
    all_plain = by_column and all(one.behavior is None for one in inputs)
    all_named = by_file and all(one.behavior is not None for one in inputs)
    all_described = by_column and by_file and all(one.where for one in inputs)
    if not inputs or not (all_plain or all_named or all_described):
        allowed = " or ".join(
            ["plain files"] * by_column + ["a file for each behavior, behavior:file"] * by_file
        )
        shown = [
            ("a data frame" if is_frame(one.content) else str(one.content), one.behavior) for one in inputs
        ]
        received = ", ".join(text if name is None else f"{name}:{text}" for text, name in shown)
        raise InputError(f"The log format {options.name!r} takes {allowed}. Received: {received!r}.")


def _check_behaviors(behaviors: tuple[str, ...], known: tuple[str, ...], options: ReadOptions) -> None:
    if not behaviors or len(set(behaviors)) < len(behaviors):
        expected = "one or more different names, weakest first, the one to recommend for last"
        raise InputError(f"`behaviors` should be {expected}. Received: {quoted(behaviors) or 'none'}.")
    check_number(behaviors)
    for name in behaviors:
        if known and name not in known:
            here = f"the log format {options.name!r} has {quoted(dict.fromkeys(known))} here"
            raise InputError(f"`behaviors`: {here}. Received: {name!r}.")
        if name in options.ignore_behaviors:
            raise InputError(f"`ignore_behaviors`: {name!r} is among the `behaviors` too.")
