"""What is asked of a recommender."""

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.serving.left_out import items_by_id


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a recommender, for whichever users.

    Attributes:
        k: Items for each user; fewer where fewer are left.
        exclude: Items left out of their user's: see `nmtr_tf.serving.left_out.excluded_items`.
        mask: Of the run's evaluation, which `exclude="auto"` looks at.
        exclude_items: Ids of items that are recommended to nobody; others than the data set's are passed
            over.
        probabilities: Whether to add the probability of every predicted behavior.
        memory_mb: Memory for the scores of one chunk of users, in MiB.
    """

    k: int = 10
    exclude: str = "auto"
    mask: str = "target"
    exclude_items: Collection[Any] = ()
    probabilities: bool = False
    memory_mb: int = 256

    def offered(self, dataset: Dataset) -> np.ndarray:
        """Which items may be recommended to anybody: bool [num_items]; raises what `items_by_id` does."""
        return ~items_by_id(dataset, "exclude_items", self.exclude_items)
