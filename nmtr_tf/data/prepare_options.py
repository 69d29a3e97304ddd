"""What `prepare` is told of filters and splits."""

import dataclasses

from nmtr_tf.errors import InputError
from nmtr_tf.options import check_types, require


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """Filters, split and seed.

    Attributes:
        min_behaviors: Kinds of behavior a user must have shown.
        min_target: Target rows a user must have, the held-out one included.
        k_core: Target rows that every user and every item must have; 0: no such filter.
        seed: Of the choice among equally late purchases and of the validation purchases.
        on_bad_rows: "error", or "skip": drop held-out rows that contradict the training rows.
        split: "leave_one_out", or "time": the filters count what comes before the cut.
        split_time: Of a split in time: the cut, see `nmtr_tf.data.cuts.cuts_of`.
        split_share: Or the share of the rows that come after it.
        validation_share: Of leave-one-out: see `nmtr_tf.data.splits.leave_one_out`.

    Raises:
        InputError: If a number is negative or none, `on_bad_rows` something else, or the options of the split
            do not go together.
    """

    min_behaviors: int = 1
    min_target: int = 0
    k_core: int = 0
    seed: int = 0
    on_bad_rows: str = "error"
    split: str = "leave_one_out"
    split_time: str = ""
    split_share: float | None = None
    validation_share: float = 0.0

    def __post_init__(self):
        check_types(self)
        for name in ("min_behaviors", "min_target", "k_core", "seed"):
            require(self, getattr(self, name) >= 0, name, "at least 0")
        require(self, self.on_bad_rows in ("error", "skip"), "on_bad_rows", "'error' or 'skip'")
        require(self, self.split in ("leave_one_out", "time"), "split", "'leave_one_out' or 'time'")
        given = [name for name in ("split_time", "split_share") if getattr(self, name) not in ("", None)]
        if given and self.split != "time":
            raise InputError(f"`{given[0]}` goes with `split=time`.")
        if self.split == "time" and len(given) != 1:
            raise InputError("`split=time` takes one of `split_time` and `split_share`.")
        share = self.split_share
        require(self, share is None or 0 < share < 1, "split_share", "above 0 and below 1")
        require(self, 0 <= self.validation_share < 1, "validation_share", "at least 0 and below 1")
        if self.validation_share and self.split == "time":
            raise InputError("`validation_share` does not go with `split=time`, whose validation is a cut.")
