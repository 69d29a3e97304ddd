"""Tables in files of every format."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.serving.table_files import write_table
from serving.conftest import ODD_IDS, read


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".CSV"])
def test_every_format_reads_back(tmp_path, suffix):
    users = [2**62 + 1, -5, 0, 1, 2, 3]
    scores = np.array([0.1, -2e-20, 3e7, 1 / 3, -0.7, 12.5], np.float32)
    table = pa.table({"user": users, "item": ODD_IDS, "score": scores})
    parts = [table[:4], table[4:4], table[4:]]
    path = tmp_path / "new" / f"recs{suffix}"
    assert write_table(path, parts) == 6
    path = path.rename(path.with_suffix(suffix.lower()))
    found = read(path)
    assert [int(user) for user in found["user"]] == users
    assert found["item"].tolist() == ODD_IDS
    np.testing.assert_array_equal(found["score"].to_numpy().astype(np.float32), scores)
    if path.suffix == ".csv":
        assert path.read_text("utf-8").startswith("user,item,score\n")
        rows = list(csv.reader(path.read_text("utf-8").split("\n")))
        assert rows[:2] == [["user", "item", "score"], [str(users[0]), ODD_IDS[0], "0.1"]]
    if suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
        assert [(line["user"], line["item"]) for line in lines] == list(zip(users, ODD_IDS, strict=True))


@pytest.mark.parametrize("parts", [1, 3])
def test_no_rows_are_a_file_without_rows(tmp_path, parts):
    table = pa.table({"user": pa.array([], pa.string()), "score": pa.array([], pa.float32())})
    for suffix in (".csv", ".parquet", ".jsonl"):
        assert write_table(tmp_path / f"recs{suffix}", [table] * parts) == 0
    assert (tmp_path / "recs.csv").read_bytes() == b"user,score\n"
    assert (tmp_path / "recs.jsonl").read_bytes() == b""
    assert pq.read_table(tmp_path / "recs.parquet").equals(table)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr("nmtr_tf.serving.table_files._ROWS_AT_ONCE", 1)
    (tmp_path / "recs.csv").write_text("before")

    def parts():
        yield pa.table({"user": [1]})
        raise InputError("no more")

    for suffix in (".csv", ".parquet", ".jsonl"):
        with pytest.raises(InputError, match="no more"):
            write_table(tmp_path / f"recs{suffix}", parts())
    assert [path.name for path in tmp_path.iterdir()] == ["recs.csv"]
    assert (tmp_path / "recs.csv").read_text() == "before"


COMMANDS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"]
HARMLESS = ["1+1", "a=b", "'=1", "", " =1", None]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_spreadsheet_shows_texts_of_a_csv_as_they_are_where_that_is_asked(tmp_path, suffix):
    texts = [*COMMANDS, *HARMLESS]
    table = pa.table({"item": texts, "score": np.linspace(-1, 1, len(texts), dtype=np.float32)})
    for csv_safe in (False, True):
        path = tmp_path / f"{csv_safe}{suffix}"
        write_table(path, [table], csv_safe)
    expected = [f"'{text}" for text in COMMANDS] if suffix == ".csv" else COMMANDS
    if suffix != ".csv":
        assert (tmp_path / f"True{suffix}").read_bytes() == (tmp_path / f"False{suffix}").read_bytes()
        return
    for name, first in (("False", COMMANDS), ("True", expected)):
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        assert [row[0] for row in rows] == [*first, *[text or "" for text in HARMLESS]]
        assert rows[0][1] == "-1"  # a number, which is none
