"""What a source is after it was put into a table of texts."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

from nmtr_tf.data import sql


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


def of_json(json_column: str, name: str, names: Sequence[str], is_good: str) -> str:
    """The text at a path such as a.b or items[].id in JSON, one row for each of a list's."""
    parts = name.split(".") if "[]" in name or "." in name else [name]
    path = "$" + "".join(f'."{part.removesuffix("[]")}"{"[*]" * part.endswith("[]")}' for part in parts)
    found = f"json_extract_string({json_column}, {sql.literal(path)})"
    if "[]" not in name:
        return f"CASE WHEN {is_good} THEN coalesce({found}, '') END"
    # An empty list is a missing value, not a missing row.
    some = f"CASE WHEN {is_good} THEN {found} END"
    return f"unnest(CASE WHEN len({some}) > 0 THEN {some} WHEN {is_good} THEN [''] ELSE [NULL] END)"
