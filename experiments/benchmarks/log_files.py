"""A log in the layout of Tmall's UserBehavior.csv, drawn at random, of any size."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

_NAMES = ("user", "item", "category", "behavior", "timestamp")
_KINDS = (pa.int64(), pa.int64(), pa.int64(), pa.string(), pa.int64())
_BATCH, _FILE = 1_000_000, 20_000_000
_FIRST, _LAST = 1511539200, 1512316800  # the nine days


def write_log(directory: Path, num_rows: int) -> None:
    """Writes the rows into files of 20 million: items by a Pareto law, four behaviors.

    Users are one for every twenty rows, and a million at most.

    Args:
        directory: Where log_<n>.csv go.
        num_rows: Rows in all.
    """
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    schema = pa.schema(zip(_NAMES, _KINDS, strict=True))
    num_users = min(1_000_000, max(2, num_rows // 20))
    for number, first in enumerate(range(0, num_rows, _FILE)):
        rng, count = np.random.default_rng(number), min(_FILE, num_rows - first)
        with csv.CSVWriter(directory / f"log_{number:03d}.csv", schema, write_options=options) as file:
            for begin in range(0, count, _BATCH):
                file.write_batch(_batch(rng, num_users, min(_BATCH, count - begin)))


def _batch(rng: np.random.Generator, num_users: int, count: int) -> pa.RecordBatch:
    user = rng.integers(1, num_users, count)
    item = np.minimum((rng.pareto(0.8, count) * 2000).astype(np.int64), 5_000_000)
    behavior = np.array(["pv", "cart", "fav", "buy"])[rng.choice(4, count, p=[0.895, 0.055, 0.03, 0.02])]
    time = rng.integers(_FIRST, _LAST, count)
    time[rng.random(count) < 5e-4] = rng.integers(0, 2**31, 1)[0]  # impossible ones
    columns = (user, item, item % 9000, behavior, time)
    return pa.record_batch([pa.array(column) for column in columns], names=list(_NAMES))
