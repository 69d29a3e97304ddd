"""Titles of items, and recommendations among some items only."""

import numpy as np
import pandas as pd
import pytest
from conftest import call, make_dataset, refused

from nmtr_tf.cli import export, recommend
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json
from nmtr_tf.runs import Run
from nmtr_tf.serving.recommendation import recommend_table
from nmtr_tf.serving.request import Request
from nmtr_tf.serving.titles import item_titles
from serving.conftest import read
from serving.exports import GMF, random_model

ITEMS = 'id,price,title\n106,3,"Pot, ""big""\nand blue"\n101,4,茶壶\n999,5,Gone\n100,7,\n'


@pytest.fixture
def items(tmp_path):
    (tmp_path / "items.csv").write_text(ITEMS, encoding="utf-8")
    return tmp_path / "items.csv"


def test_titles_of_a_file_and_of_a_data_frame(number_run, items):
    dataset = Run(number_run).dataset
    expected = ["", "茶壶", None, None, None, None, 'Pot, "big"\nand blue']
    assert item_titles(dataset, items).to_pylist() == expected
    frame = pd.DataFrame(
        {"id": [106, 101, 999, 100, None], "title": [expected[6], "茶壶", "Gone", None, "?"]}
    )
    assert item_titles(dataset, frame).to_pylist() == [None, *expected[1:]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item,title\n100,a\n", "expected a CSV file with the columns id and title"),
        ("id,name\n100,a\n", "expected a CSV file with the columns id and title"),
        ("", "expected a CSV file with the columns id and title: "),
        ("id,title\n100,a,b\n", "expected a CSV file with the columns id and title: "),
        ("id,title\n100,a\n100,b\n", "the id '100' stands there more than once"),
        ("id,title\ntea,a\n", "none of its 1 ids is an item of the data set; expected ids such as '100'"),
    ],
)
def test_tables_of_items_that_do_not_fit(number_run, tmp_path, capsys, content, message):
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(InputError, match=r"^`items=.*bad.csv`: ") as error:
        item_titles(Run(number_run).dataset, tmp_path / "bad.csv")
    assert message in str(error.value)
    flags = [f"--workdir={number_run}", f"--items={tmp_path}/bad.csv", "--k=2"]
    assert message in refused(capsys, recommend, *flags)
    assert message in refused(capsys, export, *flags, f"--export_dir={tmp_path}/m")
    assert not (tmp_path / "m").exists()
    with pytest.raises(InputError, match=r"`items`: expected the columns id and title\. Missing: title"):
        item_titles(Run(number_run).dataset, pd.DataFrame({"id": [1]}))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_titles_in_files(number_run, items, tmp_path, suffix):
    path = tmp_path / f"recs.{suffix}"
    flags = [
        f"--workdir={number_run}",
        "--all_users",
        "--k=7",
        "--exclude=none",
        f"--items={items}",
        "--quiet",
    ]
    assert call(recommend, *flags, f"--output={path}") == 0
    table = read(path)
    assert table.columns.tolist() == ["user", "rank", "item", "title", "score", "known_user"]
    titles = dict(zip(table["item"], table["title"], strict=True))
    assert (titles["101"], titles["106"]) == ("茶壶", 'Pot, "big"\nand blue')
    assert not titles["102"] or pd.isna(titles["102"])


def test_titles_on_the_terminal(number_run, items, capsys):
    flags = [f"--workdir={number_run}", "--k=7", "--exclude=none", f"--items={items}", "--user_ids=9,8"]
    assert call(recommend, *flags) == 0
    known, unknown = capsys.readouterr().out.split("For 8 ")
    assert known.splitlines()[1].split()[:3] == ["rank", "item", "title"]
    for shown in (known, unknown):
        lines = [line.split() for line in shown.splitlines()]
        assert ["101", "茶壶"] in [line[1:3] for line in lines]
        assert ["106", "Pot,", '"big"', "and", "blue"] in [line[1:6] for line in lines]
        assert "nan" not in shown


@pytest.mark.slow
def test_examples_of_the_card(number_run, items, tmp_path):
    assert call(export, f"--workdir={number_run}", f"--export_dir={tmp_path}/m", f"--items={items}") == 0
    run, found = Run(number_run), read_json(tmp_path / "m" / "1" / "model.json")["examples"]
    titles = {"101": "茶壶", "106": 'Pot, "big"\nand blue'}
    table = run.recommend(k=5)
    assert [one["user"] for one in found] == ["9", "10", str(2**60)]
    for row, one in enumerate(found):
        own = table.loc[table["user"] == one["user"], "item"]
        assert one["recommended"] == [titles.get(item, item) for item in own]
        bought = run.dataset.item_ids[run.dataset.whole["buy"][[row]].indices]
        assert one["buy"] == [titles.get(item, item) for item in bought]
    card = (tmp_path / "m" / "1" / "MODEL_CARD.md").read_text(encoding="utf-8")
    rows = [
        line.split("|")[1:-1]
        for line in card.split("## Examples")[1].split("##")[0].splitlines()
        if "|" in line
    ]
    assert [row[0].strip() for row in rows] == ["user", "-" * len(rows[1][0]), "9", "10", str(2**60)]
    for cells, one in zip(rows[2:], found, strict=True):
        assert cells[2].split("; ")[0].split() == one["recommended"][0].split()
    without = run.export(tmp_path / "without", k=2)
    assert "## Examples" not in (without / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_only_some_items_are_recommended(number_run, tmp_path, capsys):
    (tmp_path / "stock.txt").write_text("106\n105\n999\n100\n")
    (tmp_path / "blocked.txt").write_text("105\n")
    flags = [f"--workdir={number_run}", "--user_ids=9,10,8", "--k=7", "--exclude=none", "--quiet"]
    flags += [f"--among={tmp_path}/stock.txt", f"--output={tmp_path}/recs.parquet"]
    assert call(recommend, *flags) == 0
    listed = pd.read_parquet(tmp_path / "recs.parquet").groupby("user")["item"].apply(set)
    assert listed.to_dict() == {user: {"100", "105", "106"} for user in ("8", "9", "10")}
    assert call(recommend, *flags, f"--exclude_items={tmp_path}/blocked.txt") == 0
    assert set(pd.read_parquet(tmp_path / "recs.parquet")["item"]) == {"100", "106"}
    (tmp_path / "stock.txt").write_text("\n")
    assert "--among should name the items" in refused(capsys, recommend, *flags)
    (tmp_path / "stock.txt").write_text("tea\n")
    assert f"--among={tmp_path}/stock.txt: none of the 1 ids" in refused(capsys, recommend, *flags)


def test_scores_do_not_depend_on_what_is_offered():
    dataset = make_dataset({"view": np.eye(3, 6, dtype=int), "buy": np.eye(3, 6, dtype=int)})
    view = dataset.training_view()
    model = random_model(GMF, view)
    everything = recommend_table(model, dataset, view, None, Request(k=6))
    some = recommend_table(model, dataset, view, None, Request(k=6, among=[1, "5"], exclude_items=[2]))
    expected = everything[everything["item"].isin(["1", "5"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some.drop(columns="rank"), expected.drop(columns="rank"))
