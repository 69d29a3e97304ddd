"""Files of evaluations, written by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.evaluation.metrics import metric_values
from nmtr_tf.evaluation.places import Places
from nmtr_tf.evaluation.result_files import SCHEMA
from nmtr_tf.files import write_json

NUM_USERS = 120


def ranks_of(seed: int) -> np.ndarray:
    """Ranks int64 [NUM_USERS], below 60."""
    return np.random.default_rng(seed).integers(0, 60, NUM_USERS)


def means(ranks: np.ndarray) -> dict[str, float]:
    """The metrics that the files hold."""
    names = ("HR@5", "NDCG@5", "HR@10", "NDCG@10")
    places = Places(np.arange(len(ranks)), ranks, np.ones_like(ranks))
    return {name: float(metric_values(places, name).mean()) for name in names}


def write_run(
    directory: Path,
    ranks: np.ndarray,
    split: str = "test",
    order: Any = None,
    text_ids: bool = False,
    about: Mapping[str, Any] | None = None,
    measured: np.ndarray | None = None,
    **columns: np.ndarray | None,
) -> Path:
    """Writes the files that an evaluation leaves.

    Args:
        directory: Where to write.
        ranks: int64 [NUM_USERS]; none is level with another.
        split: "test" or "validation".
        order: Which rows of the table to write, in which order; None: all.
        text_ids: Whether users have ids of text.
        about: In place of entries of the metrics file.
        measured: What the metrics are of; None: the ranks.
        **columns: In place of columns of the table; None: without it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    users = np.arange(NUM_USERS) + 7
    values = {
        "user": np.array([f"u{user}" for user in users]) if text_ids else users,
        "item": np.arange(NUM_USERS) % 50,
        "rank": ranks,
        "tied": np.ones(NUM_USERS, np.int64),
        "num_candidates": np.full(NUM_USERS, 60, np.int32),
        **columns,
    }
    order = slice(None) if order is None else order
    table = pa.table({name: pa.array(own[order]) for name, own in values.items() if own is not None})
    pq.write_table(table, directory / f"ranks_{split}.parquet")
    header = {"schema": SCHEMA, "split": split, "protocol": "strict", "mask": "target"}
    header["validation"] = "random"
    header["dataset_fingerprint"] = "abc"
    metrics = means(ranks if measured is None else measured)
    write_json(
        directory / f"metrics_{split}.json", {**header, "method": "nmtr_gmf", **metrics, **(about or {})}
    )
    return directory
