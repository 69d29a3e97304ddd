"""Titles of items, from a table that a shop has of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.ids import as_given
from nmtr_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("id", "title")


def item_titles(dataset: Dataset, items: "str | Path | pd.DataFrame") -> pa.Array:
    """The title of every item: string [num_items], null where the table has none.

    Args:
        dataset: The data set.
        items: A CSV file with a header, or a data frame. Columns id and title are read, others passed over,
            and so are items that the data set does not have.

    Raises:
        InputError: If a column is missing, an id stands twice, or no item is one of the data set.
    """
    if isinstance(items, str | Path):
        where, table = f"`items={items}`", _read(items)
    else:
        where = "`items`"
        for name in set(_COLUMNS) - set(items.columns):
            raise InputError(f"{where}: expected the columns id and title. Missing: {name}.")
        items = items[items["id"].notna()]
        titles = items["title"].astype(str).where(items["title"].notna(), None)
        texts = as_given("items", items["id"]), pa.array(titles, pa.string(), from_pandas=True)
        table = pa.table(texts, list(_COLUMNS))
    ids = table["id"].combine_chunks()
    counts = ids.value_counts()
    if twice := counts.field("values").filter(pc.greater(counts.field("counts"), 1)).to_pylist():
        raise InputError(f"{where}: the id {twice[0]!r} stands there more than once.")
    rows = pc.index_in(pa.array(dataset.item_ids, pa.string()), ids)
    if rows.null_count == len(rows):
        raise InputError(
            f"{where}: none of its {len(ids)} ids is an item of the data set; expected ids such as "
            f"{dataset.item_ids[:1].tolist()[0]!r}."
        )
    return table["title"].combine_chunks().take(rows)


def titles_by_id(dataset: Dataset, items: "str | Path | pd.DataFrame") -> dict[str, str]:
    """Raw id -> title, of the items that have one; raises what `item_titles` does."""
    titles = item_titles(dataset, items).to_pylist()
    return {raw: title for raw, title in zip(dataset.item_ids, titles, strict=True) if title is not None}


def _read(path: str | Path) -> pa.Table:
    """The columns id and title of a CSV file, as text."""
    convert = pyarrow.csv.ConvertOptions(
        include_columns=list(_COLUMNS),
        column_types=dict.fromkeys(_COLUMNS, pa.string()),
        strings_can_be_null=False,
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    try:
        return pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
    except KeyError:
        raise InputError(f"`items={path}`: expected a CSV file with the columns id and title.") from None
    except (pa.ArrowException, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f"`items={path}`: expected a CSV file with the columns id and title: {why}"
        ) from None
