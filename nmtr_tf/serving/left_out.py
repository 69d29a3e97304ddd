"""Which items are left out of recommendations: of one user's, and of everybody's."""

import functools
import operator
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.ids import as_given
from nmtr_tf.errors import InputError
from nmtr_tf.serving.id_files import read_ids

EXCLUDES = ("auto", "bought", "touched", "none")


def resolved_exclude(exclude: str, mask: str) -> str:
    """What "auto" means: everything bought, and what the run's own mask left out.

    A model that was judged on untouched items alone is not asked to rank touched ones.

    Args:
        exclude: One of `EXCLUDES`.
        mask: Of the run's evaluation: "none", "target" or "all".

    Returns:
        "bought", "touched" or "none".

    Raises:
        InputError: If `exclude` is another word.
    """
    if exclude not in EXCLUDES:
        known = ", ".join(map(repr, EXCLUDES))
        raise InputError(f"`exclude` should be one of {known}. Received: {exclude!r}.")
    if exclude == "auto":
        return "touched" if mask == "all" else "bought"
    return exclude


def excluded_items(dataset: Dataset, exclude: str, mask: str = "target") -> sparse.csr_array:
    """Binary matrix [num_users, num_items] of the items that a user is not to be recommended.

    They are read from the whole data set, held-out rows included: who asks for recommendations asks for
    tomorrow's.

    Args:
        dataset: The data set.
        exclude: "bought": all items with a row of the target; "touched": of any behavior; "none": no item;
            "auto": see `resolved_exclude`.
        mask: Of the run's evaluation, for "auto".

    Raises:
        InputError: If `exclude` is another word.
    """
    kind = resolved_exclude(exclude, mask)
    if kind == "none":
        return sparse.csr_array(dataset.target.shape, dtype=bool)
    if kind == "bought":
        return dataset.whole[dataset.target_behavior]
    return functools.reduce(operator.add, dataset.whole.values())  # of booleans: either


def items_by_id(dataset: Dataset, name: str, item_ids: Iterable[Any]) -> np.ndarray:
    """Which items of the catalogue are named: bool [num_items].

    A list of what is blocked or in stock may well hold items that no log has; they are passed over.

    Args:
        dataset: The data set.
        name: The option that holds the ids, for messages.
        item_ids: Ids of the log, as `nmtr_tf.data.ids.as_given` takes them.

    Raises:
        InputError: If it is no list of ids, or ids are given, but none is an item of the data set.
    """
    return _named(dataset, f"`{name}`", as_given(name, item_ids))


def items_of_file(dataset: Dataset, name: str, path: str | Path) -> list[str]:
    """The items of the catalogue that a file names, an id a line, UTF-8: their raw ids.

    Raises:
        InputError: If the file is no such text, or it holds ids, but none of the data set's items.
    """
    ids = read_ids(path)
    return dataset.item_ids[_named(dataset, f"`{name}={path}`", ids)].tolist()


def _named(dataset: Dataset, where: str, ids: pa.Array) -> np.ndarray:
    rows = pc.drop_null(pc.index_in(ids, pa.array(dataset.item_ids, pa.string()))).to_numpy()
    if len(ids) and not len(rows):
        raise InputError(
            f"{where}: none of the {len(ids)} ids is an item of the data set, the first: "
            f"{ids[0].as_py()!r}; expected ids such as {dataset.item_ids[:1].tolist()[0]!r}."
        )
    named = np.zeros(dataset.num_items, bool)
    named[rows] = True
    return named
