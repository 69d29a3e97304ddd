"""The options of the linear method, a section of a run's config beside those of `nmtr_tf.sections`."""

import dataclasses

from nmtr_tf.options import check_types, option, require


@dataclasses.dataclass(frozen=True)
class LinearConfig:
    """The linear method: item-to-item weights in closed form, see `nmtr_tf.methods.closed_form`."""

    linear_lambda: float = option(10.0, "nmtr_linear(_gmf): L2 regularization of the weights.")
    linear_beta: float = option(0.2, "nmtr_linear(_gmf): a user of d items counts as d^-beta.")
    linear_dropout: float = option(
        0.5,
        "nmtr_linear(_gmf): share of a user's items that the weights are denoised of, in [0, 1).",
    )
    linear_theta: float = option(
        1.0,
        "nmtr_linear(_gmf): weight of all behaviors among what is predicted, beside the target's 1.",
    )
    linear_diagonal: float = option(
        0.0,
        "nmtr_linear(_gmf): weight of an item for itself: what a user has touched and not bought gets so "
        "much more, where it may be recommended (a split in time, or mask target).",
    )
    linear_discount: float = option(
        0.0,
        "nmtr_linear(_gmf): what other items add to an item's score is divided by (n / mean n)^"
        "linear_discount, n the users who touched it: above 0, what is rare comes up, below 0, what is "
        "popular.",
    )
    linear_gates: tuple[float, ...] = option(
        (),
        "nmtr_linear(_gmf): weight of an item in a user's row, by the strongest behavior shown: one "
        "for each behavior, weakest first, at least 0 and not all 0; empty: 1 each.",
    )
    linear_rank: int = option(
        0,
        "nmtr_linear(_gmf): rank of the item-to-item weights, which takes less memory and, below the number "
        "of users, knows less; 0: a weight for every two items up to 30,000 items, 1,024 where there are "
        "more, and as many as there are users where these are few.",
    )
    linear_weight: float | None = option(
        None,
        "nmtr_linear_gmf: what the linear part is multiplied with in the sum, at least 0; not given: chosen "
        "by validation.",
    )

    def __post_init__(self):
        check_types(self)
        require(self, 0 < self.linear_lambda < float("inf"), "linear_lambda", "positive")
        require(self, 0 <= self.linear_beta < float("inf"), "linear_beta", "at least 0")
        require(self, 0 <= self.linear_dropout < 1, "linear_dropout", "in [0, 1)")
        require(self, 0 <= self.linear_theta < float("inf"), "linear_theta", "at least 0")
        require(self, 0 <= self.linear_diagonal < float("inf"), "linear_diagonal", "at least 0")
        require(self, abs(self.linear_discount) < float("inf"), "linear_discount", "finite")
        require(self, self.linear_rank >= 0, "linear_rank", "at least 0")
        fits = not self.linear_gates or (min(self.linear_gates) >= 0 and max(self.linear_gates) > 0)
        require(self, fits, "linear_gates", "at least 0 each and not all 0")
        fits = self.linear_weight is None or 0 <= self.linear_weight < float("inf")
        require(self, fits, "linear_weight", "at least 0")
