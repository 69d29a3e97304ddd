"""The data set directory: Parquet tables and dataset.json, written and read; see data/README.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nmtr_tf.data.events import Events
from nmtr_tf.data.interactions import SPLITS, Interactions, fingerprint
from nmtr_tf.errors import InputError
from nmtr_tf.files import new_directory, read_json, write_json

SCHEMA_VERSION = 1


def save(
    dataset_dir: str | Path, events: Events, split: np.ndarray, protocol: str, about: Mapping[str, Any]
) -> None:
    """Writes a data set directory, whole or not at all: see data/README.md for its layout.

    Args:
        dataset_dir: Directory to create or replace.
        events: Prepared events.
        split: int8 [num_events], positions in `SPLITS`.
        protocol: Default protocol, recorded in dataset.json.
        about: Further entries of dataset.json (source, filters, seed, ...).
    """
    table = {
        "user": pa.array(events.user, pa.int32()),
        "item": pa.array(events.item, pa.int32()),
        "behavior": _dictionary(events.behavior, events.behaviors),
        "split": _dictionary(split, SPLITS),
    }
    if events.timestamp is not None:
        table["timestamp"] = pa.array(events.timestamp, pa.timestamp("ms", tz="UTC"))
    counts = {
        name: {part: int(((events.behavior == code) & (split == i)).sum()) for i, part in enumerate(SPLITS)}
        for code, name in enumerate(events.behaviors)
    }
    header = {
        "schema_version": SCHEMA_VERSION,
        "behaviors": list(events.behaviors),
        "target_behavior": events.target_behavior,
        "num_users": len(events.users),
        "num_items": len(events.items),
        "rows": counts,
        "protocol": protocol,
        "fingerprint": fingerprint(events, split),
    }
    with new_directory(dataset_dir) as directory:
        pq.write_table(pa.table(table), directory / "interactions.parquet")
        for kind, ids in (("user", events.users), ("item", events.items)):
            columns = {kind: np.arange(len(ids), dtype=np.int32), f"{kind}_id": pa.array(ids)}
            pq.write_table(pa.table(columns), directory / f"{kind}s.parquet")
        write_json(directory / "dataset.json", {**header, **about})


def _dictionary(codes: np.ndarray, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(list(names)))


def load(dataset_dir: str | Path) -> Interactions:
    """Loads a data set directory written by `save`.

    Raises:
        InputError: If it is not a data set directory, is of another schema version, or is damaged.
    """
    return load_with_events(dataset_dir)[0]


def load_with_events(dataset_dir: str | Path) -> tuple[Interactions, Events]:
    """A data set and its events, which know the times; raises what `load` does."""
    events, split = load_events(dataset_dir)
    protocol = read_json(Path(dataset_dir) / "dataset.json")["protocol"]
    return Interactions.from_events(events, split, protocol), events


def load_events(dataset_dir: str | Path) -> tuple[Events, np.ndarray]:
    """The prepared events (with times, where there are any) and their splits (int8 [num_events]).

    Raises:
        InputError: As `load` does.
    """
    directory = Path(dataset_dir)
    if not (directory / "dataset.json").is_file():
        raise InputError(
            f"--dataset_dir={directory}: no data set here (no dataset.json); write one with "
            "python -m experiments.prepare."
        )
    header = read_json(directory / "dataset.json")
    if header.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{directory}/dataset.json: expected schema_version {SCHEMA_VERSION}, got "
            f"{header.get('schema_version')!r}; run experiments.prepare again."
        )
    table = read_table(directory / "interactions.parquet")
    try:
        behaviors = tuple(header["behaviors"])
        timed = "timestamp" in table.column_names
        events = Events(
            users=_ids(directory, "user"),
            items=_ids(directory, "item"),
            behaviors=behaviors,
            user=table["user"].to_numpy(),
            item=table["item"].to_numpy(),
            behavior=_codes(table["behavior"], behaviors),
            timestamp=table["timestamp"].cast(pa.int64()).to_numpy() if timed else None,
        )
        split = _codes(table["split"], SPLITS)
        intact = fingerprint(events, split) == header["fingerprint"]
    except KeyError as error:
        raise InputError(f"{directory}: damaged, {error.args[0]}; run experiments.prepare again.") from None
    if not intact:
        raise InputError(f"{directory}: tables and dataset.json disagree; run experiments.prepare again.")
    return events, split


def read_table(path: str | Path) -> pa.Table:
    """Reads a Parquet file.

    Raises:
        InputError: If it is missing or cannot be read as Parquet.
    """
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: expected a Parquet file: {str(error).splitlines()[0]}") from None


def _ids(directory: Path, kind: str) -> np.ndarray:
    return read_table(directory / f"{kind}s.parquet")[f"{kind}_id"].to_numpy()


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    codes = pc.index_in(column.cast(pa.string()), pa.array(list(names)))
    return pc.fill_null(codes, -1).to_numpy().astype(np.int8)
