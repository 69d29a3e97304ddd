"""A log whose names are commands: for the terminal, the file system, pictures and spreadsheets."""

import csv
import io

import numpy as np
import pytest
from conftest import call

from cli.conftest import TINY
from nmtr_tf.cli import audit, evaluate, export, prepare, recommend, report, train

ESCAPE = "\x1b[31m"
BEHAVIORS = ("view", "../../../pwn", f"$x^${ESCAPE}buy")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run on such a log, with titles of its items."""
    folder = tmp_path_factory.mktemp("a$_$b")
    draw, rows = np.random.default_rng(0), [["user", "item", "behavior", "time"]]
    for user in range(40):
        for time, item in enumerate(draw.choice(30, size=9, replace=False)):
            rows += [
                [f"={user}{ESCAPE}", f"@{item}\x07x", name, f"{time + 9}"]
                for name in BEHAVIORS[: 1 + time % 3]
            ]
    with (folder / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with (folder / "items.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "title"], *[[f"@{i}\x07x", f"+{i}{ESCAPE}\n"] for i in range(30)]])
    source = [f"--input={folder}/log.csv", "--columns=user:user,item:item,behavior:behavior,timestamp:time"]
    flags = ["--source=log", *source, f"--behaviors={','.join(BEHAVIORS)}", f"--dataset_dir={folder}/data"]
    assert call(prepare, *flags, "--time_unit=order") == 0
    flags = [f"--dataset_dir={folder}/data", f"--workdir={folder}/run", "--method=nmtr_gmf", *TINY]
    assert call(train, *flags) == 0
    return folder


def test_a_table_has_a_line_for_each_item_whatever_it_is_called(hostile, capfd):
    flags = [f"--workdir={hostile}/run", f"--user_ids==3{ESCAPE}", "--k=3", f"--items={hostile}/items.csv"]
    assert call(recommend, *flags) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith(r"For =3\x1b[31m, who did ")
    assert [r"\x07x" in line and r"\x1b[31m" in line for line in lines] == [False] * 3 + [True] * 3 + [False]


@pytest.mark.slow
def test_nothing_but_text_reaches_the_terminal(hostile, capfd, tmp_path):
    run, log = f"--workdir={hostile}/run", f"--input={hostile}/log.csv"
    for command, *flags in (
        (evaluate, run),
        (recommend, run, f"--user_ids==3{ESCAPE}", "--probabilities"),
        (report, run, f"--output={tmp_path}/report.html"),
        (audit, f"--dataset_dir={hostile}/data", f"--output_dir={tmp_path}/audit"),
        (export, run, f"--export_dir={tmp_path}/models"),
        (prepare, "--source=log", log, f"--dataset_dir={ESCAPE}", "--behaviors=view"),
    ):
        status = call(command, *flags)
        printed = capfd.readouterr()
        assert status == (2 if command is prepare else 0), printed.err
        assert not set(printed.out + printed.err) & set("\x1b\r\x00\x07")


@pytest.mark.slow
def test_the_card_of_an_export_has_no_escapes(hostile, tmp_path):
    flags = [f"--workdir={hostile}/run", f"--export_dir={tmp_path}/models", f"--items={hostile}/items.csv"]
    assert call(export, *flags, "--quiet") == 0
    assert ESCAPE not in (tmp_path / "models" / "1" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("csv_safe", [False, True])
def test_ids_of_a_csv_are_those_of_the_log_unless_a_spreadsheet_is_to_read_it(hostile, tmp_path, csv_safe):
    path = tmp_path / "recs.csv"
    flags = [f"--workdir={hostile}/run", "--all_users", f"--output={path}", f"--items={hostile}/items.csv"]
    assert call(recommend, *flags, f"--csv_safe={str(csv_safe).lower()}", "--quiet") == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    mark = "'" if csv_safe else ""
    for row in rows:
        assert row["user"].startswith(f"{mark}=")
        assert row["item"].startswith(f"{mark}@")
        assert row["title"].startswith(f"{mark}+")
