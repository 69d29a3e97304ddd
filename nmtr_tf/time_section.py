"""The options of time in item biases, a section of a run's config."""

import dataclasses

from nmtr_tf.options import check_choices, check_types, option, require

NONE, BUCKETS, WINDOW = "none", "buckets", "window"
"""What item biases know of time."""


@dataclasses.dataclass(frozen=True)
class TimeConfig:
    """What item biases know of time, see `nmtr_tf.models.timed`."""

    time_bias: str = option(
        NONE,
        "objective=sampled, of a log with times: what is added to an item's bias by the time of a pair. "
        "'buckets': a bias for each of time_buckets equal parts of the training time; 'window': the log of "
        "its rows in the time_window days before, times a weight that is learned; 'none'. All that is ranked "
        "and served has what holds at the end of the training time.",
        (NONE, BUCKETS, WINDOW),
    )
    time_buckets: int = option(10, "time_bias=buckets: parts of the training time, of equal length.")
    time_window: float = option(14.0, "time_bias=window: days, counted back from the last training row.")

    def __post_init__(self):
        check_types(self)
        check_choices(self)
        require(self, 2 <= self.time_buckets <= 1000, "time_buckets", "from 2 to 1000")
        require(self, self.time_window > 0, "time_window", "positive")
