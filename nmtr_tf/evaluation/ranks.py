"""Ranks of held-out items: what metrics are computed from. It needs no TensorFlow."""

import dataclasses

import numpy as np

from nmtr_tf.evaluation.places import Places


@dataclasses.dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of held-out items, by user.

    Attributes:
        users: int32 [n], user rows, ascending; once for each held-out item of a user.
        items: int32 [n], held-out item rows.
        ranks: int64 [n], 0-based: candidates with a higher score.
        tied: int64 [n], candidates with the same score, the item itself included.
        num_candidates: int32 [n], items ranked for the user, the held-out one included.
        num_items: Items of the catalogue.
        top_items: int32 [n, max K], the first candidates of each user, best first, equal scores by item row;
            -1 where there are fewer. None: no metric asked for them.
    """

    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    tied: np.ndarray
    num_candidates: np.ndarray
    num_items: int
    top_items: np.ndarray | None = None

    def __len__(self) -> int:
        """Number of held-out items."""
        return len(self.ranks)

    @property
    def places(self) -> Places:
        """What metrics of ranks are computed from."""
        return Places(self.users, self.ranks, self.tied)

    def of(self, chosen: np.ndarray) -> "Ranks":
        """Those of some held-out items.

        Args:
            chosen: bool [n], or positions, ascending.
        """
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Ranks(
            **{name: value[chosen] if isinstance(value, np.ndarray) else value for name, value in own.items()}
        )
