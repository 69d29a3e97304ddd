"""A TOML file that describes the sources of a log."""

import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from nmtr_tf.cli.prepare import main
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.errors import InputError

README = Path(__file__).parents[2] / "data" / "README.md"


def rows(events: Events) -> list[tuple]:
    names = [events.behaviors[code] for code in events.behavior]
    assert events.timestamp is not None
    days = pd.to_datetime(events.timestamp, unit="ms").strftime("%m-%d %H").tolist()
    users, items = events.users[events.user].tolist(), events.items[events.item].tolist()
    return list(zip(users, items, names, days, strict=True))


@pytest.fixture
def shop(tmp_path) -> Path:
    """The sources of the example in data/README.md, and its description: in a folder that is not the own."""
    folder = tmp_path / "shop"
    (folder / "events").mkdir(parents=True)
    for day, events in (
        ("1", [("ann", "tea", "view"), ("bob", "tea", "scroll")]),
        ("2", [("ann", "pot", "view")]),
    ):
        lines = [
            {
                "visitor": user,
                "properties": {"sku": item},
                "event": event,
                "sent_at": f"2024-05-0{day}T08:00:00Z",
            }
            for user, item, event in events
        ]
        (folder / "events" / f"{day}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "orders-2023.csv").write_bytes("Customer;Article;Date\nann;café;03/05/2024\n".encode("latin-1"))
    (folder / "orders.csv").write_text("1,ann,tea,1714809600000\n2,bob,pot,1714809600000\n")
    text = README.read_text(encoding="utf-8")
    (folder / "shop.toml").write_text(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0], encoding="utf-8")
    return folder


EXPECTED = [
    ("ann", "tea", "view", "05-01 08"),
    ("ann", "pot", "view", "05-02 08"),
    ("ann", "café", "buy", "05-03 00"),
    ("ann", "tea", "buy", "05-04 08"),
    ("bob", "pot", "buy", "05-04 08"),
]


def test_the_example_of_the_readme(shop, monkeypatch):
    events = read_log(shop / "shop.toml", behaviors=("view", "buy"), ignore_behaviors=["*"])
    assert rows(events) == EXPECTED
    assert events.origin["ignored_rows"] == {"scroll": 1}
    assert list(events.origin["checksums"]) == ["1.jsonl", "2.jsonl", "orders-2023.csv", "orders.csv"]
    monkeypatch.chdir(shop)
    text = README.read_text(encoding="utf-8").split("### Sources that a file describes")[1]
    command = shlex.split(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0])
    assert command[:2] == ["nmtr", "prepare"]
    assert main([*command[1:], "--quiet"]) == 0
    assert Dataset.load("out/shop").about["table_one"] == {"users": 1, "items": 3, "buy": 2, "view": 2}


def described(folder: Path, text: str) -> Path:
    (folder / "log.toml").write_text(text, encoding="utf-8")
    return folder / "log.toml"


def test_behaviors_are_those_of_the_tables_in_their_order(tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "1.csv").write_text("user,item\nann,tea\n")
    (tmp_path / "b.csv").write_text("user,item\nann,tea\n")
    path = described(
        tmp_path, '[[source]]\nfile = "v"\nbehavior = "view"\n[[source]]\nfile = "b.csv"\nbehavior = "buy"\n'
    )
    assert read_log([path]).behaviors == ("view", "buy")
    events = read_log(str(path), behaviors=("buy",))
    assert (events.behaviors, len(events)) == (("buy",), 1)


def test_wide_tables_ratings_and_lists_of_files(tmp_path):
    (tmp_path / "w.csv").write_text("user,item,views,bought\nann,tea,3,1\nann,pot,1,0\n")
    for name in ("r1", "r2"):
        (tmp_path / f"{name}.csv").write_text(f"user,item,stars\n{name},tea,5\n{name},pot,2\n")
    text = """
        source = [
            {file = "w.csv", wide = ["views", "bought"]},
            {file = ["r1.csv", "r2.csv"], thresholds = {bought = 4}, columns = {behavior = "stars"}},
        ]"""
    events = read_log(described(tmp_path, text))
    assert events.behaviors == ("views", "bought")
    found = zip(events.users[events.user], events.items[events.item], events.behavior.tolist(), strict=True)
    assert set(found) == {
        ("ann", "tea", 0),
        ("ann", "tea", 1),
        ("ann", "pot", 0),
        ("r1", "tea", 1),
        ("r2", "tea", 1),
    }


def test_flags_are_for_the_tables_that_say_nothing_else(tmp_path):
    (tmp_path / "a.csv").write_text("who;item;t\nann;tea;1\n")
    (tmp_path / "b.csv").write_text("who|item|t\nann|tea|2\n")
    text = '[[source]]\nfile = "a.csv"\nbehavior = "view"\n[[source]]\nfile = "b.csv"\nbehavior = "buy"\n'
    columns = {"user": "who", "timestamp": "t"}
    path = described(tmp_path, f'{text}delimiter = "|"\n')
    events = read_log(path, columns=columns, delimiter=";", time_unit="order")
    assert events.timestamp is not None
    assert (events.timestamp.tolist(), events.time_unit) == ([1, 2], "order")
    path = described(tmp_path, f'{text}delimiter = "|"\ntime_unit = "s"\n')
    with pytest.raises(InputError, match="`time_unit=order` should be that of all files"):
        read_log(path, columns=columns, delimiter=";", time_unit="order")


SOURCE = '[[source]]\nfile = "a.csv"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[source]\n", "log.toml: expected TOML that describes the sources of a log: .*line 1"),
        (b"\xff", "log.toml: expected TOML that describes the sources of a log: .*byte 0xff"),
        ("", r"log.toml: expected a table \[\[source\]\] for each source, with a `file`"),
        ("source = 3", r"log.toml: expected a table \[\[source\]\] for each source, with a `file`"),
        ('[source]\nfile = "a.csv"', r"log.toml: expected a table \[\[source\]\] for each source"),
        (
            '# log\nfile = "a.csv"',
            r"log.toml, line 2: expected a table \[\[source\]\] for each .*, got 'file'",
        ),
        (f'{SOURCE}[[sources]]\nfile = "b"', "log.toml, line 3: expected a table .*, got 'sources'"),
        ('[[source]]\nbehavior = "buy"', "log.toml, line 1: expected a `file` of the source"),
        (
            f'{SOURCE}\n{SOURCE}colums = {{user = "u"}}',
            "log.toml, line 6: 'colums' says nothing of a source; expected 'columns', perhaps",
        ),
        (f"{SOURCE}price = 3", "log.toml, line 3: 'price' says nothing .*; expected one of file, behavior, "),
        ("source = [{price = 3}]", "log.toml: 'price' says nothing of a source"),
        (f"{SOURCE}behavior = 3", "log.toml, line 3: 'behavior' should be a text. Received: 3"),
        (f"{SOURCE}columns.user = 3", "log.toml, line 3: 'columns' should be a table such as .*'user': 3"),
        (f"{SOURCE}[source.columns]\nuser = 3", "log.toml, line 3: 'columns' should be a table such as"),
        (f'{SOURCE}header = "a,b"', "log.toml, line 3: 'header' should be a list of texts. Received: 'a,b'"),
        ("[[source]]\nfile = []", r"log.toml, line 2: 'file' should be a path or a list of paths"),
        (f"{SOURCE}thresholds = {{seen = true}}", "'thresholds' should be a table such as {liked = 4}"),
        (
            f'{SOURCE}behavior = "buy"\nwide = ["buy"]',
            "log.toml, line 1: 'behavior' and 'wide' exclude each other; give one of them",
        ),
        (f'{SOURCE}[[source]]\nfile = "none.csv"', "log.toml, line 3: .*none.csv: does not exist"),
        ('[[source]]\nfile = "no-*.csv"', "log.toml, line 1: .*no-.*: no file is of this name"),
        (
            f'{SOURCE}encoding = "lattin"',
            "log.toml, line 1: 'encoding' should be one that Python knows. Received: 'lattin'",
        ),
        (
            f'{SOURCE}time_unit = "h"',
            "log.toml, line 1: 'time_unit' should be one of 'auto', .* Received: 'h'",
        ),
        (f'{SOURCE}columns = {{price = "p"}}', "log.toml, line 1: 'columns' should name columns for 'user'"),
        (
            f'{SOURCE}[[source]]\nfile = "a.csv"\nbehavior = "view"',
            r"a.csv, line 1: expected one column 'behavior' for the behavior",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, text, message):
    (tmp_path / "a.csv").write_text("user,item\nann,tea\n")
    (tmp_path / "log.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    flags = ["--source=log", f"--input={tmp_path}/log.toml", "--behaviors=view,buy"]
    assert main(["prepare", *flags, f"--dataset_dir={tmp_path}/data"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.search(message, printed.err)
    assert not (tmp_path / "data").exists()


def test_a_description_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"^none\.toml: does not exist$"):
        read_log("none.toml")
    path = described(tmp_path, SOURCE)
    with pytest.raises(InputError, match=r"should be one or more different names, .* Received: none"):
        read_log(path)
    with pytest.raises(InputError, match=r"^.*log.toml: expected a file name that ends with one of"):
        read_log({"view": path})


def test_thresholds_are_of_a_column(tmp_path):
    (tmp_path / "a.csv").write_text("user,item,stars\nann,tea,4\n")
    with pytest.raises(
        InputError, match=r"`thresholds` tell behaviors by a column, but .*a.csv is all of 'seen'"
    ):
        read_log({"seen": tmp_path / "a.csv"}, thresholds={"seen": 0})
