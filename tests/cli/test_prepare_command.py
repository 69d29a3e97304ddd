"""What `prepare` makes of its flags."""

import pytest

from nmtr_tf.cli.prepare import main
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.logs.formats import FORMATS, Format, register_format

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
    assert dataset.user_ids.tolist() == [1, 2, 3]
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
