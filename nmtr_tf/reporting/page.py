"""The page about a run: one HTML file that needs nothing else, neither network nor scripts."""

import base64
import dataclasses
import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import matplotlib as mpl
from matplotlib.figure import Figure

from nmtr_tf.files import new_file

_TEMPLATES = Path(__file__).parent / "templates"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says.
        note: A smaller line below, such as an interval.
        strong: Whether it stands out.
    """

    text: str
    note: str = ""
    strong: bool = False


@dataclasses.dataclass(frozen=True)
class PageTable:
    """A table; the first cell of each row is its header.

    Attributes:
        caption: What it shows.
        columns: Headers; that of the first column may be empty.
        rows: As many cells each.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]

    @property
    def cells(self) -> list[list[Cell]]:
        """Every cell as a `Cell`."""
        return [[Cell(one) if isinstance(one, str) else one for one in row] for row in self.rows]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        source: A data URI.
        alt: What it shows, in words.
    """

    source: str
    alt: str

    @classmethod
    def of(cls, figure: Figure, alt: str) -> "Picture":
        """The picture of a figure, as SVG; letters are outlines, so that it looks the same everywhere."""
        drawn = io.BytesIO()
        with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "page"}):
            figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
        coded = base64.b64encode(drawn.getvalue()).decode("ascii")
        return cls(f"data:image/svg+xml;base64,{coded}", alt)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A sentence in a box.

    Attributes:
        text: The sentence.
        is_good: Whether all is as it should be.
    """

    text: str
    is_good: bool = True


@dataclasses.dataclass(frozen=True)
class Headline:
    """A number that is seen first.

    Attributes:
        label: What it is.
        value: The number.
        note: What to hold it against.
    """

    label: str
    value: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class DataPart:
    """What the data is, and whether it leaks."""

    sentences: Sequence[str]
    sizes: PageTable
    filters: PageTable | None
    leak: Verdict
    leaks: PageTable | None
    audit: str


@dataclasses.dataclass(frozen=True)
class TrainingPart:
    """How the training went."""

    sentences: Sequence[str]
    pictures: Sequence[Picture]
    epochs: PageTable


@dataclasses.dataclass(frozen=True)
class ResultsPart:
    """How the held-out items were ranked."""

    sentences: Sequence[str]
    notes: Sequence[str]
    metrics: PageTable
    pictures: Sequence[Picture]
    groups: PageTable | None


@dataclasses.dataclass(frozen=True)
class SpreadPart:
    """What the recommendations of all users are like."""

    sentences: Sequence[str]
    coverage: PageTable
    pictures: Sequence[Picture]


@dataclasses.dataclass(frozen=True)
class ShownItem:
    """An item as a user's card shows it.

    Attributes:
        item: Its raw id.
        title: Its title; "": not known.
        marks: What is to be said of it, such as "held out".
        why: What made it be recommended; "": not known.
    """

    item: str
    title: str = ""
    marks: Sequence[str] = ()
    why: str = ""


@dataclasses.dataclass(frozen=True)
class UserCard:
    """A user with what he did and what he is recommended.

    Attributes:
        user: Raw id.
        held_out: What became of the held-out item; "": there is none.
        history: Behavior, strongest first -> (number of items, the first of them).
        recommended: Best first.
    """

    user: str
    held_out: str
    history: Mapping[str, tuple[int, Sequence[ShownItem]]]
    recommended: Sequence[ShownItem]


@dataclasses.dataclass(frozen=True)
class SourcePart:
    """How to get the run again."""

    sentences: Sequence[str]
    command: str
    python: str
    facts: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Page:
    """All that the page says; ids and titles are escaped when it is rendered.

    Attributes:
        title: Of the whole.
        lead: A sentence below it.
        headlines: The numbers that are seen first.
        data: Data and leaks.
        training: Curves.
        results: Metrics, baselines and groups.
        spread: Recommendations of all users.
        users: Some users.
        users_sentence: Which users they are.
        source: How to reproduce.
        written: When and with what the page was written.
    """

    title: str
    lead: str
    headlines: Sequence[Headline]
    data: DataPart
    training: TrainingPart
    results: ResultsPart
    spread: SpreadPart
    users: Sequence[UserCard]
    users_sentence: str
    source: SourcePart
    written: str


def percent(share: float) -> str:
    """A share as the page writes it."""
    return f"{100 * share:.1f}\u00a0%"


def render_page(page: Page) -> str:
    """The HTML of a page."""
    return _environment().get_template("report.html.jinja").render(page=page)


def write_page(path: str | Path, page: Page) -> None:
    """Writes the HTML of a page, whole or not at all."""
    text = render_page(page)
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,  # ids and titles come from logs
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
