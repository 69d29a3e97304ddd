"""What is asked of a recommender."""

import dataclasses
import numbers
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.serving.left_out import items_by_id
from nmtr_tf.serving.titles import item_titles

if TYPE_CHECKING:
    import pandas as pd


RECOMMENDED, EXPORTED = 10, 100
"""Items for each user of recommendations and of an exported model, where it is not said how many."""


def resolve_k(k: int | None, num_items: int, default: int) -> int:
    """The number of items that a list has at most.

    Args:
        k: What is asked for; None: the default, or all of a smaller catalogue.
        num_items: Items of the catalogue.
        default: The default.

    Raises:
        InputError: If k is less than 1 or more than the number of items.
    """
    if k is None:
        return min(default, num_items)
    if isinstance(k, bool) or not isinstance(k, numbers.Integral):
        raise InputError(f"`k` should be a whole number. Received: {k!r}.")
    if k < 1:
        raise InputError(f"`k` should be at least 1. Received: {k}.")
    if k > num_items:
        raise InputError(f"`k={k}` is more than the {num_items} items of the data set.")
    return int(k)


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a recommender, for whichever users.

    Attributes:
        k: Items for each user, fewer where fewer are left; None: 10, or all of a smaller catalogue.
        exclude: Items left out of their user's: see `nmtr_tf.serving.left_out.excluded_items`.
        mask: Of the run's evaluation, which `exclude="auto"` looks at.
        exclude_items: Ids of items that are recommended to nobody; others than the data set's are passed
            over.
        among: Ids of the only items that are recommended, those in stock, say; None: all.
        items: A CSV file or a data frame with the columns id and title, whose titles are added; None: none.
        probabilities: Whether to add the probability of every predicted behavior.
        memory_mb: Memory for the scores of one chunk of users, in MiB.
        candidates: Items that are found first, and alone ranked by a model with towers; 0: it ranks all.
    """

    k: int | None = None
    exclude: str = "auto"
    mask: str = "target"
    exclude_items: Collection[Any] = ()
    among: Collection[Any] | None = None
    items: "str | Path | pd.DataFrame | None" = None
    probabilities: bool = False
    memory_mb: int = 256
    candidates: int = 0

    def length(self, num_items: int) -> int:
        """Items for each user, of so many; raises what `resolve_k` does."""
        return resolve_k(self.k, num_items, RECOMMENDED)

    def offered(self, dataset: Dataset) -> np.ndarray:
        """Which items may be recommended to anybody: bool [num_items].

        Raises:
            InputError: If ids are given, but none is an item of the data set, or `among` is empty.
        """
        offered = ~items_by_id(dataset, "exclude_items", self.exclude_items)
        if self.among is None:
            return offered
        among = items_by_id(dataset, "among", self.among)
        if not among.any():
            raise InputError("`among` should name the items that may be recommended, but it is empty.")
        return offered & among

    def titles(self, dataset: Dataset) -> pa.Array | None:
        """The titles of all items, string [num_items], or None; raises what `item_titles` does."""
        return None if self.items is None else item_titles(dataset, self.items)
