"""Which columns of a file or a data frame hold what."""

import re
from collections.abc import Sequence

from nmtr_tf.data.logs.formats import Format
from nmtr_tf.data.logs.sources import ReadOptions, Source, quoted
from nmtr_tf.errors import InputError


def find_columns(header: str, names: Sequence[str], options: ReadOptions, source: Source) -> dict[str, int]:
    """Finds the columns to read.

    Args:
        header: Where the names are, for messages.
        names: Names of the columns of a file, without any where the file is empty. Paths that reach into one
            of them are added where it is a list.
        options: See `ReadOptions`.
        source: What they are of.

    Returns:
        Role (user, item, behavior, timestamp, and those of wide tables) -> position in `names`.

    Raises:
        InputError: A column is missing, or its name occurs twice.
    """
    log_format = options.format
    if log_format.typed_header:
        names = [re.sub(r":\w+$", "", name) for name in names]
    by_column = source.behavior is None and not options.wide
    wanted: dict[str, str | int | None] = {
        "user": log_format.user,
        "item": log_format.item,
        "behavior": log_format.behavior if by_column else None,
        "timestamp": log_format.timestamp,
    }
    if log_format.free_columns and log_format.timestamp not in names:
        wanted["timestamp"] = None
    named = {role: name for role, name in options.columns.items() if "." not in role}
    own = f"{source.behavior}."
    named.update((role[len(own) :], name) for role, name in options.columns.items() if role.startswith(own))
    wanted.update(named)
    if not by_column:
        wanted["behavior"] = None
    wanted.update((f"wide {column}", column) for column in options.wide)
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
        if isinstance(names, Nested) and re.split(r"\[\]|\.", column)[0] in names and column not in names:
            names.append(column)
            return len(names) - 1
        expected = f"{column!r} for the {role}"
    hint = " (`columns` tells which to take)" if log_format.free_columns else ""
    raise InputError(f"{header}: expected one column {expected}, got {quoted(names)}{hint}")


class Nested(list):
    """Names of columns that paths such as a.b and items[].id may reach into."""
