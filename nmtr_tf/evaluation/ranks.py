"""Ranks of held-out items: what metrics are computed from. It needs no TensorFlow."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of held-out items.

    Attributes:
        users: int32 [n], user rows.
        items: int32 [n], held-out item rows.
        ranks: float64 [n], 0-based; the mean over its tie where scores are equal.
        num_candidates: int32 [n], items ranked for the user, the held-out one included.
        num_items: Items of the catalogue.
        top_items: int32 [n, max K], the first candidates of each user, best first, equal scores by item row;
            -1 where there are fewer. None: no metric asked for them.
    """

    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    num_candidates: np.ndarray
    num_items: int
    top_items: np.ndarray | None = None

    def __len__(self) -> int:
        """Number of held-out items."""
        return len(self.ranks)

    def of(self, chosen: np.ndarray) -> "Ranks":
        """Those of some held-out items.

        Args:
            chosen: bool [n] or positions.
        """
        return Ranks(
            self.users[chosen],
            self.items[chosen],
            self.ranks[chosen],
            self.num_candidates[chosen],
            self.num_items,
            None if self.top_items is None else self.top_items[chosen],
        )
