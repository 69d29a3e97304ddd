"""The data set directory on disk."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.dropped import DroppedUsers
from nmtr_tf.data.events import Events, fingerprint
from nmtr_tf.errors import InputError

TABLES = ["interactions.parquet", "items.parquet", "users.parquet"]
FILES = ["dataset.json", *TABLES]
INTS = np.array([-5, 7, 2**62])
TEXTS = np.array(["a,b", "é", "中"], object)
EVENTS = Events(
    users=TEXTS,
    items=INTS,
    behaviors=("view", "buy"),
    user=np.array([0, 0, 0, 0, 1, 1, 2], np.int32),
    item=np.array([0, 0, 1, 2, 1, 2, 0], np.int32),
    behavior=np.array([0, 1, 1, 1, 0, 1, 0], np.int8),
    timestamp=np.array([-1, 1500000000123, 0, 7, 8, 9, 253402300799999]),
)
SPLIT = np.array([0, 0, 1, 2, 0, 0, 0], np.int8)


@pytest.fixture
def directory(tmp_path):
    Dataset(EVENTS, SPLIT, "strict", {"source": "log"}).save(tmp_path / "sets" / "mine")
    return tmp_path / "sets" / "mine"


def listing(path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize("ids", [TEXTS, INTS])
def test_dropped_users_are_remembered(directory, tmp_path, ids):
    dropped = DroppedUsers(ids, np.array([1, 0, 1], np.int32), ("few kinds", "few rows"))
    dataset = dataclasses.replace(Dataset.load(directory), dropped=dropped)
    assert len(Dataset.load(directory).dropped) == 0  # and there is no file
    dataset.save(tmp_path / "d")
    assert listing(tmp_path / "d") == sorted([*FILES, "dropped_users.parquet"])
    table = pd.read_parquet(tmp_path / "d" / "dropped_users.parquet")
    assert table["user_id"].tolist() == ids.tolist()
    assert table["filter"].tolist() == ["few rows", "few kinds", "few rows"]
    loaded = Dataset.load(tmp_path / "d")
    assert loaded.fingerprint == dataset.fingerprint
    names = [*map(str, ids), "nobody"]
    assert loaded.dropped.user_ids.tolist() == ids.tolist()
    assert loaded.dropped.steps_of(pa.array(names)) == ["few rows", "few kinds", "few rows", None]
    for content, message in (
        (b"damaged", "expected a whole Parquet file"),
        (None, r"expected a column 'user_id'. Found: user; run prepare again"),
    ):
        path = tmp_path / "d" / "dropped_users.parquet"
        if content:
            path.write_bytes(content)
        else:
            pq.write_table(pa.table({"user": [1]}), path)
        with pytest.raises(InputError, match=message):
            Dataset.load(tmp_path / "d")


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize(("users", "items"), [(TEXTS, INTS), (INTS, TEXTS)])
def test_round_trip(tmp_path, users, items, timed):
    events = dataclasses.replace(
        EVENTS, users=users, items=items, timestamp=EVENTS.timestamp if timed else None
    )
    dataset = Dataset(events, SPLIT, "released", {"seed": 7})
    saved = dataset.save(tmp_path / "d")
    assert (dataset.directory, dataset.name) == (None, "data")
    assert (saved.directory, saved.name) == (tmp_path / "d", "d")
    loaded = Dataset.load(str(tmp_path / "d"))
    assert (loaded.directory, loaded.name) == (tmp_path / "d", "d")
    found = loaded.events
    assert found.behaviors == ("view", "buy")
    for name in ("users", "items", "user", "item", "behavior", *(["timestamp"] if timed else [])):
        expected = getattr(events, name)
        assert getattr(found, name).dtype == expected.dtype, name
        assert getattr(found, name).tolist() == expected.tolist(), name
    assert timed or found.timestamp is None
    assert found.heldout is None
    assert (loaded.split.dtype, loaded.split.tolist()) == (np.int8, SPLIT.tolist())
    assert loaded.behaviors == ("view", "buy")
    for name in loaded.behaviors:
        np.testing.assert_array_equal(loaded.matrices[name].toarray(), dataset.matrices[name].toarray())
    assert {name: found.tolist() for name, found in loaded.held_out.items()} == {
        "validation": [[0, 1]],
        "test": [[0, 2]],
    }
    assert loaded.user_ids.tolist() == list(map(str, users))
    assert loaded.item_ids.tolist() == list(map(str, items))
    assert (loaded.protocol, loaded.fingerprint) == ("released", fingerprint(events, SPLIT))
    assert loaded.about == {"seed": 7}
    assert loaded.header == dataset.header


def test_tables_in_pandas(directory):
    table = pd.read_parquet(directory / "interactions.parquet")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "user": "int32",
        "item": "int32",
        "behavior": "category",
        "split": "category",
        "timestamp": "datetime64[ms, UTC]",
    }
    assert table.user.tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert table["item"].tolist() == [0, 0, 1, 2, 1, 2, 0]
    assert table.behavior.tolist() == ["view", "buy", "buy", "buy", "view", "buy", "view"]
    assert table.split.tolist() == ["train", "train", "validation", "test", "train", "train", "train"]
    assert table.timestamp[0] == pd.Timestamp("1969-12-31 23:59:59.999", tz="UTC")
    assert table.timestamp[1] == pd.Timestamp("2017-07-14 02:40:00.123", tz="UTC")
    for kind, ids in (("user", TEXTS), ("item", INTS)):
        table = pd.read_parquet(directory / f"{kind}s.parquet")
        assert list(table.columns) == [kind, f"{kind}_id"]
        assert table[kind].dtype == np.int32
        assert table[kind].tolist() == [0, 1, 2]
        assert table[f"{kind}_id"].tolist() == ids.tolist()
    assert pd.read_parquet(directory / "items.parquet").item_id.dtype == np.int64


def test_fingerprint_of_data_without_times_is_that_of_earlier_versions():
    untimed = dataclasses.replace(EVENTS, timestamp=None)
    earlier = "b1ca2541e5f9c39deca31bc2b1fa62f10a596e328dda5b8fac35e274d71f6927"
    assert fingerprint(untimed, SPLIT) == earlier
    assert fingerprint(EVENTS, SPLIT) != earlier


def test_header(directory):
    header = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
    assert header == {
        "schema_version": 1,
        "behaviors": ["view", "buy"],
        "target_behavior": "buy",
        "num_users": 3,
        "num_items": 3,
        "rows": {
            "view": {"train": 3, "validation": 0, "test": 0},
            "buy": {"train": 2, "validation": 1, "test": 1},
        },
        "protocol": "strict",
        "fingerprint": fingerprint(EVENTS, SPLIT),
        "source": "log",
    }
    assert header == Dataset.load(directory).header
    assert listing(directory) == FILES


def test_save_replaces_a_data_set(directory):
    other = Dataset(dataclasses.replace(EVENTS, timestamp=None), SPLIT, "released")
    with pytest.raises(InputError) as caught:
        other.save(directory)
    assert str(caught.value) == (
        f"`dataset_dir={directory}` holds a data set; name another one, or replace it with `overwrite`."
    )
    assert Dataset.load(directory).protocol == "strict"
    for name in ("dropped_users.parquet", "audit.json", "audit.png", ".nmtr-1.audit.json"):
        (directory / name).write_text("x")  # of the one before, and of the audit
    other.save(directory, overwrite=True)
    assert listing(directory) == FILES
    assert listing(directory.parent) == ["mine"]
    assert Dataset.load(directory).protocol == "released"
    assert Dataset.load(directory).events.timestamp is None


@pytest.mark.parametrize("name", ["raw.csv", "runs/one/run.json", "cut_2024-05-01/a.txt", "audit.json/a.txt"])
def test_overwrite_takes_nothing_else_away(directory, name):
    own = directory / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("precious")
    before = Dataset.load(directory).header
    with pytest.raises(InputError) as caught:
        Dataset(EVENTS, SPLIT, "released").save(directory, overwrite=True)
    found = directory / name.partition("/")[0]
    assert str(caught.value) == (
        f"`dataset_dir={directory}` holds more than a data set: {found}; move it, or name another directory."
    )
    assert own.read_text() == "precious"
    assert Dataset.load(directory).header == before


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("make", ["file", "directory"])
def test_save_replaces_nothing_else(tmp_path, make, overwrite):
    path = tmp_path / "mine"
    if make == "directory":
        path.mkdir()
    precious = path / "notes.txt" if make == "directory" else path
    precious.write_text("precious")
    with pytest.raises(InputError) as caught:
        Dataset(EVENTS, SPLIT, "strict").save(path, overwrite)
    assert str(caught.value) == f"`dataset_dir={path}` exists and is no data set; name another directory."
    assert precious.read_text() == "precious"


def test_save_into_an_empty_directory(tmp_path):
    Dataset(EVENTS, SPLIT, "strict").save(str(tmp_path))
    assert listing(tmp_path) == FILES


def test_changed_data_set_is_saved_with_its_own_header(directory, tmp_path):
    loaded = Dataset.load(directory)
    changed = dataclasses.replace(loaded, protocol="released", about={**loaded.about, "rows": "stale"})
    changed.save(tmp_path / "copy")
    header = json.loads((tmp_path / "copy" / "dataset.json").read_text())
    assert header["protocol"] == "released"
    assert header["rows"] == loaded.header["rows"]


@pytest.mark.parametrize("make", [None, "empty", "file"])
def test_no_data_set(tmp_path, make):
    path = tmp_path / "d"
    if make == "empty":
        path.mkdir()
    elif make == "file":
        path.write_text("x")
    with pytest.raises(InputError) as caught:
        Dataset.load(path)
    assert str(caught.value).startswith(f"`dataset_dir={path}`: no data set here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "expected schema_version 1, got 2"),
        ({"schema_version": None}, "expected schema_version 1, got None"),
        ({"fingerprint": "0" * 64}, "tables and dataset.json disagree"),
        ({"behaviors": ["click", "buy"]}, "tables and dataset.json disagree"),
        ({"behaviors": ["buy", "view"]}, "tables and dataset.json disagree"),
    ],
)
def test_changed_header_is_refused(directory, change, message):
    path = directory / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        Dataset.load(directory)


@pytest.mark.parametrize("entry", ["behaviors", "fingerprint", "protocol"])
def test_header_without_an_entry_is_refused(directory, entry):
    path = directory / "dataset.json"
    header = json.loads(path.read_text())
    del header[entry]
    path.write_text(json.dumps(header))
    with pytest.raises(InputError, match=rf"dataset\.json: the entry '{entry}' is missing; expected "):
        Dataset.load(directory)


@pytest.mark.parametrize("how", ["missing", "truncated", "empty"])
@pytest.mark.parametrize("table", TABLES)
def test_broken_table_is_refused(directory, table, how):
    path = directory / table
    content = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(content[: len(content) // 2] if how == "truncated" else b"")
    with pytest.raises(InputError) as caught:
        Dataset.load(directory)
    assert str(caught.value).startswith(f"{path}: expected a whole Parquet file")
    assert "\n" not in str(caught.value)


CHANGES = {
    "row removed": ("interactions", lambda table: table[:-1]),
    "rows in another order": ("interactions", lambda table: table[::-1]),
    "user of a row": ("interactions", lambda table: table.assign(user=table.user.replace(2, 1))),
    "user that does not exist": ("interactions", lambda table: table.assign(user=table.user.replace(2, 3))),
    "split": ("interactions", lambda table: table.assign(split="train")),
    "time of a row": (
        "interactions",
        lambda table: table.assign(timestamp=table.timestamp.where(table.user < 2, table.timestamp[0])),
    ),
    "no times": ("interactions", lambda table: table.drop(columns="timestamp")),
    "name of a behavior": (
        "interactions",
        lambda table: table.assign(behavior=table.behavior.astype(str).replace("view", "click")),
    ),
    "user left out": ("users", lambda table: table[:-1]),
    "name of a user": ("users", lambda table: table.assign(user_id=["a,b", "e", "中"])),
    "item added": ("items", lambda table: pd.concat([table, table[:1]])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_table_is_refused(directory, change):
    name, edit = CHANGES[change]
    path = directory / f"{name}.parquet"
    table = pd.read_parquet(path)
    table.to_parquet(path, index=False)
    Dataset.load(directory)  # Written by pandas with the same content, it is fine.
    edit(table).to_parquet(path, index=False)
    with pytest.raises(InputError, match=r"tables and dataset\.json disagree"):
        Dataset.load(directory)


def test_table_without_a_column_is_refused(directory):
    path = directory / "interactions.parquet"
    pd.read_parquet(path).drop(columns="split").to_parquet(path, index=False)
    with pytest.raises(
        InputError, match=r"interactions\.parquet: expected a column 'split'\. Found: user, item"
    ):
        Dataset.load(directory)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda table: table.assign(user=table.user.astype("Int32").where(table.user < 2)), "empty places"),
        (lambda table: table.assign(user=table.user + 0.5), "double"),
        (lambda table: table.assign(user=table.user.astype(str)), "(large_)?string"),
    ],
)
def test_a_column_of_another_kind_is_refused(directory, change, found):
    path = directory / "interactions.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    expected = rf"the column 'user' should be whole numbers\. Found: {found}; run prepare again"
    with pytest.raises(InputError, match=expected):
        Dataset.load(directory)


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("failing", TABLES)
def test_failed_save_leaves_everything_as_it_was(directory, monkeypatch, failing, existing):
    if not existing:
        shutil.rmtree(directory)
    before = {name: (directory / name).read_bytes() for name in FILES} if existing else {}
    write = pq.write_table

    def fail(table: pa.Table, path, **options) -> None:
        if path.name.endswith(f".{failing}"):
            path.write_bytes(b"PAR1")
            raise OSError("disk full")
        write(table, path, **options)

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        Dataset(EVENTS, np.zeros_like(SPLIT), "released").save(directory, overwrite=True)
    assert listing(directory.parent) == (["mine"] if existing else [])
    if existing:
        assert {name: (directory / name).read_bytes() for name in listing(directory)} == before


def test_failed_header_leaves_everything_as_it_was(directory):
    with pytest.raises(ValueError, match="JSON"):
        Dataset(EVENTS, SPLIT * 0, "released", {"rate": float("nan")}).save(directory, overwrite=True)
    assert listing(directory.parent) == ["mine"]
    assert Dataset.load(directory).fingerprint == fingerprint(EVENTS, SPLIT)
