"""The options of users that are read from their histories, a section of a run's config."""

import dataclasses

from nmtr_tf.options import check_choices, check_types, option, require

AUTO, TABLE, HISTORY, BOTH = "auto", "table", "history", "both"
"""Where the vector of a user comes from."""


@dataclasses.dataclass(frozen=True)
class HistoryConfig:
    """Where the vectors of users come from, see `nmtr_tf.models.pooled`."""

    user_rows: str = option(
        AUTO,
        "Where a user's vector comes from: 'table', a row of his own; 'history', a sum over the items that "
        "he touched, which knows new users at once; 'both', the sum and the row; "
        "'auto', histories for nmtr_linear_gmf and else the table.",
        (AUTO, TABLE, HISTORY, BOTH),
    )
    history_items: str = option(
        "own",
        "Vectors of the items in histories: 'own', a table of their own; 'shared', the item embeddings.",
        ("own", "shared"),
    )
    history_alpha: float = option(
        0.5, "The sum over a history of n entries is times n^-alpha; 1 makes it a mean, 0 a plain sum."
    )
    history_half_life: float = option(
        0.0,
        "Days in which the weight of an item of a history halves, of a log with times: what is older counts "
        "less, in nmtr_linear(_gmf) too; 0: all count alike.",
    )
    history_dropout: float = option(
        0.5,
        "Share of the items of histories that each training step leaves out at random, in [0, 1): so that "
        "with objective=whole_data a user's vector is not learned from the very pair that it predicts; the "
        "other objectives leave that out exactly.",
    )

    def __post_init__(self):
        check_types(self)
        check_choices(self)
        require(self, 0 <= self.history_alpha < float("inf"), "history_alpha", "at least 0")
        require(self, self.history_half_life >= 0, "history_half_life", "at least 0")
        require(self, 0 <= self.history_dropout < 1, "history_dropout", "in [0, 1)")

    @property
    def is_read(self) -> bool:
        """Whether histories are read."""
        return self.user_rows in (HISTORY, BOTH)

    def of_method(self, adds_linear: bool) -> "HistoryConfig":
        """With 'auto' replaced by what it means for a method."""
        own = HISTORY if adds_linear else TABLE
        return dataclasses.replace(self, user_rows=own) if self.user_rows == AUTO else self
