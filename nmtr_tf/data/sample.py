"""The synthetic shop as the files that a shop would have: a log of events, and titles of its items."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nmtr_tf.data.synthetic import synthetic_shop, synthetic_titles
from nmtr_tf.files import new_file


def write_sample(
    log: str | Path,
    items: str | Path | None = None,
    num_users: int = 500,
    num_items: int = 150,
    seed: int = 0,
) -> int:
    """Writes a log, and titles.

    Args:
        log: CSV file to write: user,item,behavior,timestamp, an event a line, oldest first, times in UTC.
        items: CSV file to write: id,title, an item of the log a line; None: none.
        num_users: Users of the shop.
        num_items: Items of the shop at most: those that nobody viewed are not in the log.
        seed: The same seed gives the same files.

    Returns:
        The number of events.
    """
    events = synthetic_shop(num_users, num_items, seed)
    assert events.timestamp is not None
    order = np.argsort(events.timestamp, kind="stable")
    times = np.datetime_as_string(events.timestamp[order].astype("datetime64[ms]"), unit="s")
    columns = (
        events.users[events.user[order]],
        events.items[events.item[order]],
        np.array(events.behaviors)[events.behavior[order]],
        times,
    )
    _write(log, ("user", "item", "behavior", "timestamp"), zip(*columns, strict=True))
    if items is not None:
        titles = synthetic_titles(num_items, seed)
        _write(items, ("id", "title"), ((item, titles[item]) for item in events.items))
    return len(events)


def _write(path: str | Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with new_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
