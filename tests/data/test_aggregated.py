"""Logs that were aggregated elsewhere, and held-out rows that are given: the example in data/README.md."""

import re
import shlex
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from nmtr_tf.cli.prepare import main
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.preparation import prepare
from nmtr_tf.errors import InputError

README = Path(__file__).parents[2] / "data" / "README.md"
BEHAVIORS = ("view", "cart", "buy")
START, SPLIT = pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-04")


@pytest.fixture
def raw(tmp_path, monkeypatch) -> pd.DataFrame:
    """Raw events with many repetitions, in two files as a tracker writes them; the working directory."""
    rng = np.random.default_rng(0)
    count = 600
    events = pd.DataFrame(
        {
            "visitor": rng.integers(0, 20, count),
            "sku": [f"item {number}" for number in rng.integers(0, 12, count)],
            "event": rng.choice(["view", "cart", "buy", "scroll"], count),
            "sent_at": START + pd.to_timedelta(rng.permutation(count) * 599.5, unit="s"),  # no two the same
            "price": rng.random(count),
        }
    )
    monkeypatch.chdir(tmp_path)
    Path("events").mkdir()
    for name, part in (("a", events[:250]), ("b", events[250:])):
        part.to_parquet(f"events/{name}.parquet")
    return events


@pytest.fixture
def prepared(raw) -> tuple[Dataset, Dataset]:
    """What the example makes of them: the data sets of both commands."""
    text = README.read_text(encoding="utf-8").split(
        "### Logs that Spark, BigQuery or DuckDB have aggregated"
    )[1]
    with duckdb.connect() as connection:
        connection.execute(re.findall(r"```sql\n(.*?)```", text, re.DOTALL)[0])
    commands = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0].splitlines()
    assert len(commands) == 2
    for command in commands:
        assert shlex.split(command)[:2] == ["nmtr", "prepare"]
        assert main([*shlex.split(command)[1:], "--quiet"]) == 0
    return Dataset.load("out/log"), Dataset.load("out/split")


def test_an_aggregated_log_gives_the_data_set_of_the_raw_one(raw, prepared):
    columns = {"user": "visitor", "item": "sku", "behavior": "event", "timestamp": "sent_at"}
    events = read_log("events", behaviors=BEHAVIORS, columns=columns, ignore_behaviors=["*"])
    expected, found = prepare(events), prepared[0]
    assert found.fingerprint == expected.fingerprint
    np.testing.assert_array_equal(found.events.timestamp, expected.events.timestamp)
    assert found.events.timestamp is not None
    assert found.about["table_one"] == expected.about["table_one"]
    distinct = raw[raw["event"] != "scroll"].drop_duplicates(["visitor", "sku", "event"])
    assert found.about["rows_read"] == len(distinct) < len(events)


def test_held_out_rows_that_are_given(raw, prepared):
    first = raw.sort_values("sent_at").drop_duplicates(["visitor", "sku", "event"])
    known = first[(first["event"] != "scroll") & (first["sent_at"] < SPLIT)]
    since = first[
        (first["event"] == "buy") & (first["sent_at"] >= SPLIT) & first["visitor"].isin(known["visitor"])
    ]
    dataset = prepared[1]
    pairs = dataset.held_out["test"]
    found = set(zip(dataset.user_ids[pairs[:, 0]], dataset.item_ids[pairs[:, 1]], strict=True))
    assert found == set(zip(since["visitor"].astype(str), since["sku"], strict=True))
    assert len(found) == len(pairs) > dataset.num_held_out_users("test") > 5
    assert dataset.protocol == "released"
    assert sum(dataset.about["table_one"][name] for name in BEHAVIORS) == len(known) + len(since)


def test_parts_in_folders(raw, prepared):
    for name in ("before", "since"):
        table = pd.read_parquet(f"{name}.parquet")
        (Path("parts") / name).mkdir(parents=True)
        table[:7].to_parquet(f"parts/{name}/part-00000.snappy.parquet")
        table[7:].to_parquet(f"parts/{name}/part-00001.snappy.parquet")
        (Path("parts") / name / "_SUCCESS").touch()
    events = read_log("parts/before", behaviors=BEHAVIORS, heldout="parts/since")
    assert prepare(events).fingerprint == prepared[1].fingerprint
    Path("log.toml").write_text(
        """
        [[source]]
        file = "parts/before"
        [[source]]
        file = ["parts/since"]
        heldout = true
        """
    )
    events = read_log("log.toml", behaviors=BEHAVIORS)
    assert prepare(events).fingerprint == prepared[1].fingerprint


def test_wide_tables_and_ratings_with_pairs_held_out(tmp_path):
    (tmp_path / "wide.csv").write_text("user,item,views,bought\nann,tea,3,1\nann,pot,1,0\nbob,tea,0,1\n")
    (tmp_path / "stars.csv").write_text("user,item,behavior\nann,tea,5\nann,pot,2\nbob,tea,1\n")
    (tmp_path / "heldout.csv").write_text("user,item\nann,pot\nbob,cup\n")
    expected = [("ann", "pot"), ("bob", "cup")]
    ways: list[dict] = [{"wide": ("views", "bought")}, {"thresholds": {"seen": 0, "liked": 4}}]
    for name, options in zip(("wide", "stars"), ways, strict=True):
        dataset = prepare(read_log(tmp_path / f"{name}.csv", heldout=tmp_path / "heldout.csv", **options))
        pairs = dataset.held_out["test"]
        found = zip(dataset.user_ids[pairs[:, 0]], dataset.item_ids[pairs[:, 1]], strict=True)
        assert list(found) == expected


def test_held_out_tables_that_do_not_fit(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,behavior\nann,tea,view\nann,tea,buy\n")
    (tmp_path / "heldout.csv").write_text("user,item\nann,tea\n")
    text = '[[source]]\nfile = "log.csv"\n[[source]]\nfile = "heldout.csv"\nheldout = true\n'
    (tmp_path / "log.toml").write_text(text)
    events = read_log(tmp_path / "log.toml", behaviors=("view", "buy"))
    with pytest.raises(InputError, match="1 row of the kind 'held-out pairs that are training purchases'"):
        prepare(events)
    (tmp_path / "log.toml").write_text(f'{text}behavior = "buy"\n')
    with pytest.raises(InputError, match=r"line 3: 'behavior' and 'heldout' exclude each other"):
        read_log(tmp_path / "log.toml", behaviors=("view", "buy"))
    (tmp_path / "log.toml").write_text(text.replace("true", "1"))
    with pytest.raises(InputError, match=r"line 5: 'heldout' should be true or false. Received: 1"):
        read_log(tmp_path / "log.toml", behaviors=("view", "buy"))
