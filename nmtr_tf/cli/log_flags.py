"""What the flags of `prepare` say of a log, as `read_log` takes it."""

import re
from pathlib import Path

from nmtr_tf.data.logs.sources import ROLES
from nmtr_tf.errors import InputError


def source_of(text: str) -> list[str] | dict[str, list[str]]:
    """The files of "cart:cart.txt,buy:train.txt" or "a.csv,b.csv", as `read_log` takes them.

    Raises:
        InputError: If some files are behavior:file and others not.
    """
    paths: list[str] = []
    by_behavior: dict[str, list[str]] = {}
    for entry in _entries(text):
        match = re.fullmatch(r"(?:(\w+):)?(.+)", entry.strip(), re.ASCII)
        if not match:
            raise InputError(
                f"`input` should be files, or behavior:file, between commas. Received: {text!r}."
            )
        name, path = match.groups()
        (paths if name is None else by_behavior.setdefault(name, [])).append(path)
    if paths and by_behavior:
        raise InputError(f"`input` should name a behavior for each file or for none. Received: {text!r}.")
    return paths or by_behavior


def _entries(text: str) -> list[str]:
    """The parts between commas; where only several of them together are a path that exists, they are one."""
    parts, entries = text.split(","), []
    while parts:
        ends = range(len(parts), 1, -1)
        joined = ((end, ",".join(parts[:end])) for end in ends)
        end = next((end for end, entry in joined if Path(re.sub(r"^\s*\w+:", "", entry)).exists()), 1)
        entries.append(",".join(parts[:end]))
        parts = parts[end:]
    return entries


def thresholds_of(entries: list[str]) -> dict[str, float]:
    """What behavior:number entries say; raises InputError where one is none."""
    try:
        return {name: float(number) for name, number in (entry.rsplit(":", 1) for entry in entries)}
    except ValueError:
        raise InputError(
            f"`thresholds` should be behavior:number pairs. Received: {','.join(entries)!r}."
        ) from None


def columns_of(entries: list[str]) -> dict[str, str]:
    """What role:column entries say; raises InputError where one is none."""
    columns = {}
    for entry in entries:
        role, colon, name = entry.partition(":")
        if not colon or not name or role.rpartition(".")[2] not in ROLES:
            raise InputError(
                f"`columns` should be role:column pairs with roles {', '.join(ROLES)}. Received: {entry!r}."
            )
        columns[role] = name
    return columns
