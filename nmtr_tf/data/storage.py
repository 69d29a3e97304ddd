"""The data set directory: Parquet tables and dataset.json, written and read; see data/README.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.config import PROTOCOLS
from nmtr_tf.data.destination import DROPPED, check_destination, cut_directories
from nmtr_tf.data.dropped import NOBODY, DroppedUsers
from nmtr_tf.data.events import SPLITS, Events, fingerprint
from nmtr_tf.data.parquet import INTEGER, TEXT, read_table, write_table
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json, write_json
from nmtr_tf.folders import finish, new_directory
from nmtr_tf.schema import checked, one_of, reading

SCHEMA_VERSION = 1

_MEND = "run prepare again"

_COLUMNS = {"user": (INTEGER,), "item": (INTEGER,), "behavior": (TEXT,), "split": (TEXT,)}
_HEADER: dict[str, Any] = {
    "schema_version": int,
    "behaviors": tuple[str, ...],
    "target_behavior": str,
    "num_users": int,
    "num_items": int,
    "rows": dict[str, dict[str, int]],
    "protocol": one_of(PROTOCOLS),
    "fingerprint": str,
}
_ABOUT: dict[str, Any] = {
    "source": str,
    "checksums": dict[str, Any],
    "rows_read": int,
    "bad_rows": dict[str, int],
    "ignored_rows": dict[str, int],
    "impossible_times": int,
    "filters": list[dict[str, str | int]],
    "seed": int,
    "table_one": dict[str, int],
    "time_split": dict[str, Any],
}
"""Entries that data sets of other makers need not have."""


def header_of(events: Events, split: np.ndarray, protocol: str) -> dict[str, Any]:
    """What dataset.json says of the tables themselves: names, counts, protocol and fingerprint."""
    rows = {
        name: {part: int(((events.behavior == code) & (split == i)).sum()) for i, part in enumerate(SPLITS)}
        for code, name in enumerate(events.behaviors)
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "behaviors": list(events.behaviors),
        "target_behavior": events.target_behavior,
        "num_users": len(events.users),
        "num_items": len(events.items),
        "rows": rows,
        "protocol": protocol,
        "fingerprint": fingerprint(events, split),
    }


def write_tables(
    dataset_dir: str | Path,
    events: Events,
    split: np.ndarray,
    header: Mapping[str, Any],
    overwrite: bool = False,
    dropped: DroppedUsers = NOBODY,
) -> None:
    """Writes a data set directory, whole or not at all.

    Args:
        dataset_dir: Directory to create or replace.
        events: Prepared events.
        split: int8 [num_events], positions in `SPLITS`.
        header: Content of dataset.json: what `header_of` gives, and further entries.
        overwrite: Whether a data set that stands there is replaced.
        dropped: Users that preparation dropped.

    Raises:
        InputError: If something stands there that may not be replaced.
    """
    check_destination(dataset_dir, overwrite)
    table = {
        "user": pa.array(events.user, pa.int32()),
        "item": pa.array(events.item, pa.int32()),
        "behavior": _dictionary(events.behavior, events.behaviors),
        "split": _dictionary(split, SPLITS),
    }
    if events.timestamp is not None:
        ordinal = events.time_unit == "order"
        kind = pa.int64() if ordinal else pa.timestamp(events.time_unit, tz="UTC")
        table["timestamp"] = pa.array(events.timestamp, kind)
    with new_directory(dataset_dir) as directory:
        check_destination(dataset_dir, overwrite)  # again, as nobody can change it now
        write_table(pa.table(table), directory / "interactions.parquet")
        for kind, ids in (("user", events.users), ("item", events.items)):
            columns = {kind: np.arange(len(ids), dtype=np.int32), f"{kind}_id": pa.array(ids)}
            write_table(pa.table(columns), directory / f"{kind}s.parquet")
        if len(dropped):
            write_table(dropped.table(), directory / DROPPED)
        write_json(directory / "dataset.json", header)


def _dictionary(codes: np.ndarray, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(list(names)))


def read_tables(dataset_dir: str | Path) -> tuple[Events, np.ndarray, str, dict[str, Any]]:
    """Reads what `write_tables` wrote.

    Returns:
        The events (with times, where there are any), their splits (int8 [num_events]), the protocol and
        the entries of dataset.json that `header_of` does not give.

    Raises:
        InputError: If it is not a data set directory, is of another schema version, or is damaged.
    """
    directory = Path(dataset_dir)
    finish(directory)
    if not (directory / "dataset.json").is_file():
        if cuts := cut_directories(directory):
            raise InputError(
                f"`dataset_dir={directory}` has a data set for each cut; name one of them, such as "
                f"{cuts[-1]}."
            )
        raise InputError(
            f"`dataset_dir={directory}`: no data set here (no dataset.json); prepare writes one."
        )
    header = _read_header(directory / "dataset.json")
    path = directory / "interactions.parquet"
    table = read_table(path, _COLUMNS)
    behaviors, times = header["behaviors"], _times(table, path)
    with reading(directory, _MEND):
        events = Events(
            users=_ids(directory, "user"),
            items=_ids(directory, "item"),
            behaviors=behaviors,
            user=table["user"].to_numpy(),
            item=table["item"].to_numpy(),
            behavior=_codes(table["behavior"], behaviors),
            timestamp=times,
            time_unit="ms" if times is None else _time_unit(table.schema.field("timestamp").type),
        )
        split = _codes(table["split"], SPLITS)
        own = header_of(events, split, header["protocol"])
    for name in ("fingerprint", *own):  # the first says that there are other rows
        if own[name] != (list(header[name]) if name == "behaviors" else header[name]):
            raise InputError(
                f"{directory}: tables and dataset.json disagree on {name!r}: {own[name]!r} in the tables, "
                f"{header[name]!r} in dataset.json; {_MEND}."
            )
    about = {name: value for name, value in header.items() if name not in own}
    return events, split, header["protocol"], about


def _read_header(path: Path) -> dict[str, Any]:
    """The entries of dataset.json; raises InputError where they are none."""
    header = read_json(path)
    if isinstance(header, dict) and header.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: expected schema_version {SCHEMA_VERSION}, got "
            f"{header.get('schema_version')!r}; {_MEND}."
        )
    header = checked(path, header, {**_HEADER, **_ABOUT}, _ABOUT, others=Any)
    if not header["behaviors"] or len(set(header["behaviors"])) < len(header["behaviors"]):
        raise InputError(f"{path}: the entry 'behaviors' should be different names, at least one.")
    return header


def read_dropped(dataset_dir: str | Path) -> DroppedUsers:
    """The users that preparation dropped; nobody in data sets of the version before, which do not know.

    Raises:
        InputError: If the file is damaged.
    """
    path = Path(dataset_dir) / DROPPED
    if not path.is_file():
        return NOBODY
    return DroppedUsers.of_table(read_table(path, {"user_id": (INTEGER, TEXT), "filter": (TEXT,)}))


def _times(table: pa.Table, path: Path) -> np.ndarray | None:
    if "timestamp" not in table.column_names:
        return None
    with reading(path, _MEND):
        return table["timestamp"].cast(pa.int64()).to_numpy()


def _time_unit(kind: pa.DataType) -> str:
    return kind.unit if pa.types.is_timestamp(kind) else "order"


def _ids(directory: Path, kind: str) -> np.ndarray:
    columns = {kind: (INTEGER,), f"{kind}_id": (INTEGER, TEXT)}
    return read_table(directory / f"{kind}s.parquet", columns)[f"{kind}_id"].to_numpy()


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    codes = pc.index_in(column.cast(pa.string()), pa.array(list(names)))
    return pc.fill_null(codes, -1).to_numpy().astype(np.int8)
