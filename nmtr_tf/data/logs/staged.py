"""What a source is after it was put into a table of texts."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence


@dataclasses.dataclass
class Staged:
    """The table `raw`: "row", int64, and a text for each role; null: it is not what is expected.

    Texts that are all whole numbers, as `cells.whole_numbers` has them, are numbers there, of the same text.

    Attributes:
        name: What was read, for messages.
        columns: Role -> name of its column.
        expected: What a null is not.
        time_unit: Of times that were typed; "": they are texts.
        invalid_rows: Rows with another number of fields, which are not in the table.
        num_fields: How many it should be.
        other_columns: Names of the columns that are not read.
        rows: Rows of the table, before several are made of one.
        whole: Roles whose texts are numbers there.
        locate: Row, or None, -> where it is, and what is wrong with its number of fields.
        raw_cell: Row and role -> what is there for a null.
    """

    name: str
    columns: Mapping[str, str]
    locate: Callable[[int | None], tuple[str, str]]
    raw_cell: Callable[[int, str], bytes | str]
    expected: str = "UTF-8 text"
    time_unit: str = ""
    invalid_rows: int = 0
    num_fields: int = 0
    other_columns: Sequence[str] = ()
    rows: int = 0
    whole: Collection[str] = ()
