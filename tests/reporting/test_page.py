"""The page about a run as HTML: well formed, readable by everybody, and safe with any text in it."""

import base64
import dataclasses
import itertools
import re

import pytest
from matplotlib.figure import Figure

from nmtr_tf.reporting.page import Picture, Verdict, percent, render_page, write_page
from nmtr_tf.reporting.page_pictures import curve_pictures, interval_picture, popularity_picture
from reporting.pages import Parsed, made_up_page


@pytest.fixture(scope="module")
def parsed() -> Parsed:
    return Parsed(render_page(made_up_page()))


def test_it_is_well_formed_and_says_everything(parsed):
    assert not parsed.open
    for text in (
        "A method on a shop",
        "It recommends.",
        "No leak. Nothing is held.",
        "The audit says so.",
        "Two epochs.",
        "1 to 3",
        "A note.",
        "Held out for test: pot, ranked 2 of 3",
        "Tea held out , 2 and 3 more",
        "Cup 3 view",
        "Nothing is left to recommend.",
        "nmtr train",
        "nt.fit()",
        "Written now.",
    ):
        assert text in parsed.words
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {link["href"] for link in parsed.all("a")} <= {f"#{one}" for one in ids}


def test_tables_pictures_and_language_are_told_to_screen_readers(parsed):
    assert parsed.all("html") == [{"lang": "en"}]
    assert len(parsed.all("caption")) == len(parsed.all("table")) == 7
    assert {header.get("scope") for header in parsed.all("th")} == {"col", "row"}
    assert [image["alt"] for image in parsed.all("img")] == ["one pixel"] * 3
    headings = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


def test_it_asks_nothing_of_the_network_and_runs_nothing(parsed):
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "iframe", "object", "base", "form"}
    for _, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/svg+xml;base64,"))
    (policy,) = [meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'")
    assert "url(" not in render_page(made_up_page())
    assert "@import" not in render_page(made_up_page())


def test_text_from_a_log_stays_text():
    odd = "<script>alert('&')</script>\"{{ 7 * 7 }}"
    page = made_up_page(title=odd, lead=odd, users_sentence=odd, written=odd)
    (card, *_), table = page.users, dataclasses.replace(page.data.sizes, caption=odd, columns=["", odd])
    item = dataclasses.replace(card.recommended[0], item=odd, title=odd, marks=(odd,))
    card = dataclasses.replace(card, user=odd, held_out=odd, recommended=[item], history={odd: (1, [item])})
    image = Picture("data:image/svg+xml;base64,", odd)
    page = dataclasses.replace(
        page,
        users=[card],
        data=dataclasses.replace(page.data, sizes=table, audit=odd),
        training=dataclasses.replace(page.training, pictures=[image]),
        source=dataclasses.replace(page.source, command=odd, python=odd, facts={odd: odd}),
    )
    parsed = Parsed(render_page(page))
    assert not parsed.all("script")
    assert not parsed.open
    assert parsed.words.count(odd) == 20
    assert parsed.all("img")[0]["alt"] == odd


def test_a_leak_stands_out():
    page = made_up_page()
    leaking = dataclasses.replace(page.data, leak=Verdict("Half of them.", is_good=False))
    parsed = Parsed(render_page(made_up_page(data=leaking)))
    assert "Leak. Half of them." in parsed.words
    assert "No leak" not in parsed.words
    assert [one for one in parsed.all("p") if one.get("class") == "verdict bad"]


def test_it_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "page.html"
    write_page(path, made_up_page(title="茶壶"))
    first = path.read_text(encoding="utf-8")
    assert "茶壶" in first
    assert list(path.parent.iterdir()) == [path]

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_page(path, made_up_page(title="another"))
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == first
    assert list(path.parent.iterdir()) == [path]


def test_pictures_are_the_same_every_time_and_name_no_other_place():
    def drawn() -> Picture:
        figure = Figure(figsize=(2, 2))
        figure.subplots().plot([1, 2], [3, 4])
        return Picture.of(figure, "a line")

    assert drawn() == drawn()
    svg = base64.b64decode(drawn().source.partition(",")[2]).decode()
    assert "<svg" in svg
    assert not re.search(r"""href="(?!#)""", svg)


def test_curves_mark_the_best_epoch_and_intervals_say_their_numbers():
    history = [{"epoch": e, "train/loss": 1 / e, "validation/HR@5": 0.1 * e} for e in (1, 2, 3)]
    loss, hits = curve_pictures(history, "HR@5", 3)
    assert loss.alt.startswith("Curve of training loss over 3 epochs; epoch 3, the best one, is marked")
    assert hits.alt.startswith("Curve of HR@5 over 3 epochs")
    assert "is marked" not in curve_pictures(history, "HR@5", None)[0].alt
    picture = interval_picture("HR@5", {"$mine": (0.5, 0.4, 0.6), "EASE": (0.3, 0.2, 0.4)})
    assert picture.alt == (
        "HR@5 with 95 % intervals: $mine 0.5000 (0.4000 to 0.6000), EASE 0.3000 (0.2000 to 0.4000)."
    )


def test_the_picture_of_popularity_says_the_shares():
    picture = popularity_picture([0.6, 0.4], [0.5, 0.5], "buy$")
    assert picture.alt.endswith(f"the most popular first: {percent(0.6)}, {percent(0.4)}.")
