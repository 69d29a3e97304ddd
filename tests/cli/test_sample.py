"""`sample`: the log that it writes."""

import csv

import pytest
from conftest import call, refused

from nmtr_tf.cli import sample
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.synthetic import synthetic_shop, synthetic_titles

SMALL = ("--num_users=30", "--num_items=25")


def written(folder, *flags) -> bytes:
    assert call(sample, folder / "events.csv", *SMALL, "--overwrite", "--quiet", *flags) == 0
    return (folder / "events.csv").read_bytes()


def test_the_log_is_the_synthetic_shop(tmp_path):
    written(tmp_path, "--seed=3")
    events, shop = (
        read_log(tmp_path / "events.csv", behaviors=("view", "cart", "buy")),
        synthetic_shop(30, 25, 3),
    )

    def rows(log):
        seconds = log.timestamp // 1000
        names = log.users[log.user], log.items[log.item], log.behavior, seconds
        return sorted(zip(*(column.tolist() for column in names), strict=True))

    assert rows(events) == rows(shop)
    times = [row["timestamp"] for row in csv.DictReader((tmp_path / "events.csv").read_text().splitlines())]
    assert times == sorted(times)


def test_the_seed_decides(tmp_path):
    first = written(tmp_path)
    assert written(tmp_path) == first
    assert written(tmp_path, "--seed=1") != first


def test_titles_of_the_items(tmp_path):
    written(tmp_path, f"--items={tmp_path}/items.csv")
    rows = list(csv.DictReader((tmp_path / "items.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == synthetic_shop(30, 25).items.tolist()
    titles = [row["title"] for row in rows]
    assert "Plain tea pot" in titles
    assert len(set(titles)) == len(titles)


def test_what_it_says(tmp_path, capsys):
    assert call(sample, tmp_path / "my log.csv", *SMALL) == 0
    events = len(synthetic_shop(30, 25))
    out = capsys.readouterr().out
    assert out.startswith(f"{events:,} events of 30 users written to {tmp_path}/my log.csv. To go on:\n")
    assert f"nmtr prepare --source=log --input='{tmp_path}/my log.csv' --behaviors=view,cart,buy " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "One file to write is needed, such as events.csv. Received: 0."),
        (["{tmp}/a.csv", "{tmp}/b.csv"], "Received: 2."),
        (["{tmp}/there.csv"], "there.csv is there already; --overwrite replaces it."),
        (["{tmp}/a.csv", "--items={tmp}/there.csv"], "there.csv is there already; --overwrite replaces it."),
        (["{tmp}", "--overwrite"], " is a directory."),
        (["{tmp}/a.csv", "--items={tmp}/../{tmp.name}/a.csv"], "is the file of the log; name another."),
        (["{tmp}/a.csv", "--num_items=1"], "--num_items=1"),
    ],
)
def test_bad_input(tmp_path, capsys, arguments, message):
    (tmp_path / "there.csv").write_text("mine")
    assert message in refused(capsys, sample, *(text.format(tmp=tmp_path) for text in arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_titles_beyond_the_words_are_numbered():
    titles = list(synthetic_titles(600).values())
    assert len(set(titles)) == 600
    assert any(title.endswith(" 2") for title in titles)
