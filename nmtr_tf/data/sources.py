"""What to read: the arguments of `read_events` checked, and the behaviors, files and columns they mean."""

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from nmtr_tf.data.formats import FORMATS, TIME_UNITS, Format
from nmtr_tf.errors import InputError

_ROLES = ("user", "item", "behavior", "timestamp")

Inputs = Sequence[tuple[str | None, str | Path]]


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How to read: the source is a key of `FORMATS`, the rest as in the flags of the same names."""

    source: str
    behaviors: tuple[str, ...] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time_unit: str = "s"
    on_bad_rows: str = "error"
    impossible_times: str = "drop"
    ignore_behaviors: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: Where it is.
        behavior: Of all its rows; None where a column tells.
        heldout: Its rows are the held-out ones.
    """

    path: Path
    behavior: str | None
    heldout: bool = False


def quoted(names: Iterable[str]) -> str:
    """Names in quotes between commas, for a message."""
    return ", ".join(map(repr, names))


def plan(
    inputs: Inputs, heldout: str | Path | None, options: ReadOptions
) -> tuple[tuple[str, ...], list[SourceFile]]:
    """Checks the arguments of `read_events`, which see.

    Returns:
        The behaviors, weakest first, and the files to read.

    Raises:
        InputError: An argument is wrong, or a file is missing.
    """
    _check_choices(options)
    log_format = FORMATS[options.source]
    if log_format.behavior is None and log_format.behaviors:
        inputs, heldout = _expand_prefix(inputs, heldout, log_format, bool(options.behaviors))
    _check_inputs(inputs, options.source)
    in_files = tuple(dict.fromkeys(name for name, _ in inputs if name is not None))
    known = in_files or tuple((log_format.behaviors or {}).values())
    behaviors = options.behaviors or in_files or log_format.default_behaviors
    _check_behaviors(behaviors, known, options)
    if log_format.split != (heldout is not None):
        needs = "comes split: it needs the held-out file" if log_format.split else "has no held-out file"
        raise InputError(f"heldout: source {options.source} {needs}, got {heldout and str(heldout)!r}")
    files = [SourceFile(Path(path), name) for name, path in inputs if name is None or name in behaviors]
    if heldout is not None:
        files.append(SourceFile(Path(heldout), behaviors[-1], heldout=True))
    for file in files:
        if not file.path.is_file():
            raise InputError(f"{file.path}: {'is no file' if file.path.exists() else 'does not exist'}")
    return behaviors, files


def _check_choices(options: ReadOptions) -> None:
    choices: list[tuple[str, str, Iterable[str]]] = [
        ("source", options.source, FORMATS),
        ("time_unit", options.time_unit, TIME_UNITS),
        ("on_bad_rows", options.on_bad_rows, ("error", "skip")),
        ("impossible_times", options.impossible_times, ("drop", "keep")),
        *(("columns", role, _ROLES) for role in options.columns),
    ]
    for flag, value, known in choices:
        if value not in known:
            raise InputError(f"{flag}: expected one of {quoted(known)}, got {value!r}")
    if options.columns and not FORMATS[options.source].free_columns:
        raise InputError(f"columns: those of source {options.source} are fixed, got {dict(options.columns)}")


def _expand_prefix(
    inputs: Inputs, heldout: str | Path | None, log_format: Format, chosen: bool
) -> tuple[Inputs, str | Path | None]:
    """Replaces a single input without a name, a prefix, by the files that it stands for."""
    if len(inputs) != 1 or inputs[0][0] is not None:
        return inputs, heldout
    prefix = inputs[0][1]
    files = [(name, f"{prefix}-{part}.train.rating") for part, name in (log_format.behaviors or {}).items()]
    # Where none exists, the first is reported as missing.
    existing = [(name, path) for name, path in files if Path(path).exists()] or files
    return (files if chosen else existing), heldout or f"{prefix}.test.rating"


def _check_inputs(inputs: Inputs, source: str) -> None:
    by_column, by_file = FORMATS[source].behavior is not None, FORMATS[source].split
    all_paths = by_column and all(name is None for name, _ in inputs)
    all_named = by_file and all(name is not None for name, _ in inputs)
    if not inputs or not (all_paths or all_named):
        allowed = " or all as ".join(["path"] * by_column + ["behavior:path"] * by_file)
        got = ", ".join(str(path) if name is None else f"{name}:{path}" for name, path in inputs)
        raise InputError(f"inputs of source {source}: expected all as {allowed}, got {got!r}")


def _check_behaviors(behaviors: tuple[str, ...], known: tuple[str, ...], options: ReadOptions) -> None:
    if len(behaviors) < 2 or len(set(behaviors)) < len(behaviors):
        expected = "two or more different names, weakest first"
        raise InputError(f"behaviors: expected {expected}, got {quoted(behaviors) or 'none'}")
    for name in behaviors:
        if known and name not in known:
            raise InputError(
                f"behaviors: source {options.source} has {quoted(dict.fromkeys(known))} here, got {name!r}"
            )
        if name in options.ignore_behaviors:
            raise InputError(f"ignore_behaviors: {name!r} is among the behaviors too")


def find_columns(
    header: str, names: Sequence[str], options: ReadOptions, behavior: str | None
) -> dict[str, int]:
    """Finds the columns to read.

    Args:
        header: Where the names are, for messages.
        names: Names of the columns of a file, without any where the file is empty.
        options: See `ReadOptions`.
        behavior: Of all rows of the file; None where a column tells.

    Returns:
        Role (user, item, behavior, timestamp) -> position in `names`, for the roles that there are.

    Raises:
        InputError: A column is missing, or its name occurs twice.
    """
    log_format = FORMATS[options.source]
    if log_format.typed_header:
        names = [re.sub(r":\w+$", "", name) for name in names]
    wanted: dict[str, str | int | None] = {
        "user": log_format.user,
        "item": log_format.item,
        "behavior": log_format.behavior if behavior is None else None,
        "timestamp": log_format.timestamp,
    }
    if log_format.free_columns and log_format.timestamp not in names:
        wanted["timestamp"] = None
    wanted.update(options.columns)
    return {
        role: _position(header, names, role, column, log_format)
        for role, column in wanted.items()
        if column is not None and names
    }


def _position(header: str, names: Sequence[str], role: str, column: str | int, log_format: Format) -> int:
    if isinstance(column, int):
        if column < len(names):
            return column
        expected = f"{column + 1} with the {role}"
    else:
        if names.count(column) == 1:
            return names.index(column)
        expected = f"{column!r} for the {role}"
    hint = " (--columns tells which to take)" if log_format.free_columns else ""
    raise InputError(f"{header}: expected one column {expected}, got {quoted(names)}{hint}")


def checksums(paths: Sequence[Path]) -> dict[str, str]:
    """Computes the sha256 of every file.

    Returns:
        Shortest ends of the paths that are all different -> hexadecimal digest.
    """
    resolved = list(dict.fromkeys(path.resolve() for path in paths))
    depth = 1
    while len({path.parts[-depth:] for path in resolved}) < len(resolved):
        depth += 1
    digests = {}
    for path in resolved:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        digests["/".join(path.parts[-depth:])] = digest.hexdigest()
    return digests


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns failures to read `path` into `InputError`."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
