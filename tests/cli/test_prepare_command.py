"""What `prepare` makes of its flags."""

import errno
import os
from pathlib import Path

import pytest

from nmtr_tf.cli.prepare import main
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.logs.formats import FORMATS, Format, register_format
from nmtr_tf.data.logs.readers import read_log

LOG = "user,item,behavior\n1,10,view\n1,10,buy\n1,20,buy\n1,30,buy\n2,10,view\n2,10,buy\n2,20,buy\n"


def prepare(folder, *flags: str) -> int:
    return main(["prepare", f"--dataset_dir={folder}/data", *flags])


def refused(capsys, folder, *flags: str) -> str:
    assert prepare(folder, *flags) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert not (folder / "data").exists()
    return printed.err


def test_several_files(tmp_path):
    (tmp_path / "a.csv").write_text(LOG)
    (tmp_path / "b.csv").write_text("user,item,behavior\n3,30,view\n3,30,buy\n3,20,buy\n")
    files = f"{tmp_path}/a.csv, {tmp_path}/b.csv"
    assert prepare(tmp_path, "--source=log", f"--input={files}", "--behaviors=view,buy", "--quiet") == 0
    dataset = Dataset.load(tmp_path / "data")
    assert dataset.user_ids.tolist() == ["1", "2", "3"]
    assert list(dataset.about["checksums"]) == ["a.csv", "b.csv"]


def test_two_files_of_one_behavior(tmp_path):
    for name, text in (("v", "0 1 2\n"), ("b1", "0 1 2\n"), ("b2", "1 2\n"), ("t", "0 3\n1 3\n")):
        (tmp_path / name).write_text(text)
    files = f"--input=view:{tmp_path}/v,buy:{tmp_path}/b1,buy:{tmp_path}/b2"
    assert prepare(tmp_path, "--source=adjacency", files, f"--heldout={tmp_path}/t", "--quiet") == 0
    dataset = Dataset.load(tmp_path / "data")
    assert dataset.behaviors == ("view", "buy")
    assert dataset.about["table_one"] == {"users": 2, "items": 3, "buy": 5, "view": 2}


def test_registered_format(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(FORMATS, "_parts", dict(FORMATS))
    (tmp_path / "log.txt").write_text(LOG.replace(",", "|").replace("user", "who"))
    flags = ["--source=clicks", f"--input={tmp_path}/log.txt", "--behaviors=view,buy"]
    line = refused(capsys, tmp_path, *flags)
    assert "should be one of synthetic, log, adjacency, " in line
    assert "'clicks'" in line
    register_format("clicks", Format(delimiter="|", user="who", item="item", behavior="behavior"))
    assert prepare(tmp_path, *flags) == 0
    assert capsys.readouterr().out.startswith("7 rows read from clicks in ")
    assert Dataset.load(tmp_path / "data").about["source"] == "clicks"


def test_rows_left_out_are_listed(tmp_path, capsys):
    lines = ["1,2,9,pv,1511600000", "1,2,9,buy,1511600001", "1,3,9,buy,1511600002", "1,2,9,fav,1511600003"]
    lines += ["1,2,9,pv,7", "x,2,9,pv,1511600000"]
    (tmp_path / "u.csv").write_text("\n".join(lines))
    flags = ["--source=userbehavior", f"--input={tmp_path}/u.csv", "--behaviors=view,buy"]
    assert prepare(tmp_path, *flags, "--on_bad_rows=skip") == 0
    printed = capsys.readouterr().out.splitlines()
    counts = {line[:-1].strip(): int(line[-1]) for line in printed if line.endswith("1")}
    assert counts["bad rows: expected a non-negative integer"] == 1
    assert counts["behavior fav not used"] == 1
    assert counts["impossible times (dropped)"] == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--source=log", "--input=a.csv,"], "should be files, or behavior:file, between commas"),
        (["--source=ehcf", "--input=v:a.csv,b.csv"], "should name a behavior for each file or for none"),
        (["--source=log", "--input=d/x:y.csv", "--behaviors=a,b"], "d/x:y.csv: does not exist"),
        (["--source=log", "--input=a.csv", "--columns=price:p"], "roles user, item, behavior, timestamp"),
        (["--source=log", "--input=a.csv", "--columns=buy.price:p"], "roles user, item, behavior, timestamp"),
        (
            ["--source=log", "--input=a.csv", "--thresholds=seen"],
            "--thresholds should be behavior:number pairs",
        ),
        (
            ["--source=log", "--input=a.csv", "--wide=v,b", "--thresholds=v:1"],
            "--wide and --thresholds are two",
        ),
        (["--source=log", "--input=no/*.csv", "--behaviors=v,b"], "no/*.csv: no file is of this name"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, tmp_path, *flags)


def test_the_destination_is_looked_at_first(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("precious")
    assert prepare(tmp_path, "--source=log", "--input=no.csv") == 2
    assert "exists and is no data set" in capsys.readouterr().err


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """A folder in which nothing can be made, whoever runs the tests."""
    folder, mkdir = tmp_path / "unwritable", os.mkdir
    folder.mkdir()

    def refuse(path, *args, **options):
        if Path(path).parent == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        mkdir(path, *args, **options)

    monkeypatch.setattr(os, "mkdir", refuse)
    return folder


@pytest.mark.parametrize("below", ["data", "a/b"])
def test_a_place_that_cannot_be_written_is_named_before_anything_is_read(unwritable, capsys, below):
    assert main(["prepare", "--source=log", "--input=no.csv", f"--dataset_dir={unwritable}/{below}"]) == 2
    assert capsys.readouterr().err == f"error: {unwritable}/{below}: Permission denied\n"


def test_a_place_to_spill_that_cannot_be_written_is_named(unwritable):
    (unwritable.parent / "a.csv").write_text(LOG)
    for spill_dir in (unwritable, unwritable / "new"):
        with pytest.raises(PermissionError) as error:
            read_log(unwritable.parent / "a.csv", behaviors=("view", "buy"), spill_dir=spill_dir)
        assert error.value.filename == str(spill_dir)


def test_paths_with_commas(tmp_path):
    (tmp_path / "a,b.csv").write_text(LOG)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "1,2,3.csv").write_text("user,item,behavior\n3,30,view\n3,30,buy\n3,20,buy\n")
    files = f"--input={tmp_path}/a,b.csv,{tmp_path}/c/1,2,3.csv"
    assert prepare(tmp_path, "--source=log", files, "--behaviors=view,buy", "--quiet") == 0
    assert list(Dataset.load(tmp_path / "data").about["checksums"]) == ["a,b.csv", "1,2,3.csv"]


def test_a_file_per_behavior(tmp_path, capsys):
    (tmp_path / "v,1.csv").write_text("user,item,timestamp\n1,10,1714521600\n")
    (tmp_path / "b.csv").write_text("u|i|t\n1|10|1714521600000\n1|20|1714608000000\n")
    flags = [f"--input=view:{tmp_path}/v,1.csv,buy:{tmp_path}/b.csv"]
    flags.append("--columns=buy.user:u,buy.item:i,buy.timestamp:t")
    assert prepare(tmp_path, "--source=log", *flags) == 0
    assert "\nTimes from 2024-05-01 to 2024-05-02 (milliseconds, seconds).\n" in capsys.readouterr().out
    dataset = Dataset.load(tmp_path / "data")
    assert dataset.about["table_one"] == {"users": 1, "items": 2, "buy": 2, "view": 1}


def test_missing_times_are_said_with_flags(tmp_path, capsys):
    (tmp_path / "a.csv").write_text(
        LOG.replace("behavior\n", "behavior,when\n").replace("w\n", "w,1\n").replace("y\n", "y,1\n")
    )
    assert prepare(tmp_path, "--source=log", f"--input={tmp_path}/a.csv", "--behaviors=view,buy") == 0
    printed = capsys.readouterr().out
    assert "No times: held-out rows are a random choice (columns: when; name one with --columns)." in printed


def test_dropped_rows_are_shown(tmp_path, capsys):
    (tmp_path / "a.csv").write_text(LOG + ",10,view\n")
    flags = ["--source=log", f"--input={tmp_path}/a.csv", "--behaviors=view,buy", "--on_bad_rows=skip"]
    assert prepare(tmp_path, *flags) == 0
    assert (
        f"Dropped: {tmp_path}/a.csv, line 9, column 'user': expected an id, got ''\n"
        in capsys.readouterr().out
    )


def test_memory_spills_beside_the_data_set_and_is_removed(tmp_path):
    (tmp_path / "a.csv").write_text(LOG)
    flags = [
        "--source=log",
        f"--input={tmp_path}/a.csv",
        "--behaviors=view,buy",
        "--memory_mb=100",
        "--quiet",
    ]
    assert prepare(tmp_path / "out", *flags) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data"]
    assert prepare(tmp_path / "out", *flags[:-2], "--memory_mb=-1") == 2


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "flags", "fingerprint"),
    [
        (
            "beibei",
            ["--input=cart:{0}/cart.txt,buy:{0}/train.txt", "--heldout={0}/test.txt"],
            "7284e9beecc63766774038a69a449141240f3917bb1e97a482f3bad965e10313",
        ),
        (
            "taobao",
            [
                "--input=view:{0}/view.train.txt,cart:{0}/cart.train.txt,buy:{0}/buy.train.txt",
                "--heldout={0}/buy.test.txt",
            ],
            "e8f6dccfa68a1d12b7e685e88a46095cfaa10db1f2f08eeaba369d63d2c8ee68",
        ),
    ],
)
def test_public_data_sets_are_what_they_were(datasets, tmp_path, name, flags, fingerprint):
    flags = [flag.format(datasets / name) for flag in flags]
    assert prepare(tmp_path, "--source=adjacency", *flags, "--quiet") == 0
    assert Dataset.load(tmp_path / "data").fingerprint == fingerprint


def test_the_shop_of_the_demo_is_what_it_was(tmp_path):
    assert prepare(tmp_path, "--source=synthetic", "--quiet") == 0
    dataset = Dataset.load(tmp_path / "data")
    assert dataset.fingerprint == "56ac6aadd98216efe7eff98d1b2c6773ffe39506dad2a062a0ac43b0ae4d45ab"
