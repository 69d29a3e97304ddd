"""Titles of items, for people: a file of ids and titles."""

import csv
from collections.abc import Mapping
from pathlib import Path

from nmtr_tf.errors import InputError

_COLUMNS = ("id", "title")


def read_titles(path: str | Path) -> Mapping[str, str]:
    """Reads a CSV file with the columns id and title; others are passed over.

    Args:
        path: The file, UTF-8.

    Returns:
        Raw id, as text -> title. Where an id comes again, its last title.

    Raises:
        InputError: If the file is missing, is no such text, or misses a column.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            found = [name for name in rows.fieldnames or [] if name]
            for name in _COLUMNS:
                if name not in found:
                    there = ", ".join(found) or "nothing"
                    raise InputError(f"`items={path}`: expected the columns id and title. Found: {there}.")
            titles = {}
            for row in rows:
                if row["id"] is None or row["title"] is None:
                    raise InputError(f"{path}, line {rows.line_num}: expected an id and a title.")
                titles[row["id"]] = row["title"].strip()
            return titles
    except FileNotFoundError:
        raise InputError(f"`items={path}`: no such file.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected CSV in UTF-8: {error}.") from None
