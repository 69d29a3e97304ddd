"""HTML as tests look at it."""

import dataclasses
import html.parser

from nmtr_tf.reporting.page import (
    Cell,
    DataPart,
    Headline,
    Page,
    PageTable,
    Picture,
    ResultsPart,
    ShownItem,
    SourcePart,
    SpreadPart,
    TrainingPart,
    UserCard,
    Verdict,
)

_VOID = {"meta", "img", "br", "link"}


class Parsed(html.parser.HTMLParser):
    """A page, parsed.

    Attributes:
        tags: (tag, attributes) of every element in order.
        text: All text outside of the style, a piece each.
        open: Elements that are not closed; empty at the end of a page that is well formed.
    """

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if "style" not in self.open and data.strip():
            self.text.append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self) -> str:
        """All text."""
        return " ".join(self.text)


_PIXEL = Picture("data:image/svg+xml;base64,PHN2Zy8+", "one pixel")
_TABLE = PageTable("Sizes", ["", "users"], [["all", "3"], ["some", Cell("2", "1 to 3", strong=True)]])


def made_up_page(**changes) -> Page:
    """A page with something in every part."""
    page = Page(
        title="A method on a shop",
        lead="It recommends.",
        headlines=[Headline("HR@10", "0.5", "of 1")],
        data=DataPart(
            ["A source."], _TABLE, _TABLE, Verdict("Nothing is held."), _TABLE, "The audit says so."
        ),
        training=TrainingPart(["Two epochs."], [_PIXEL], _TABLE),
        results=ResultsPart(["Ranked."], ["A note."], _TABLE, [_PIXEL], _TABLE),
        spread=SpreadPart(["All of it."], _TABLE, [_PIXEL]),
        users=[
            UserCard(
                "ann",
                "Held out for test: pot, ranked 2 of 3",
                {"buy": (5, [ShownItem("1", "Tea", ("held out",)), ShownItem("2")]), "view": (0, [])},
                [ShownItem("3", "Cup", ("view",))],
            ),
            UserCard("bob", "", {}, []),
        ],
        users_sentence="Two users.",
        source=SourcePart(["So."], "nmtr train", "nt.fit()", {"Seed": "0"}),
        written="Written now.",
    )
    return dataclasses.replace(page, **changes)
