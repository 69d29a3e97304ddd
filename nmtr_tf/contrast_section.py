"""The options of the losses with many negatives, a section of a run's config."""

import dataclasses

from nmtr_tf.options import check_types, option, require


@dataclasses.dataclass(frozen=True)
class ContrastConfig:
    """Losses with negatives that a batch shares, see `nmtr_tf.training.shared`."""

    temperature: float = option(
        1.0, "objective=softmax: logits are divided by it; below 1 the hardest negatives count more."
    )
    margin: float = option(
        0.9, "objective=contrastive: a negative counts where its cosine is above it, from -1 to 1."
    )
    negative_weight: float = option(
        150.0, "objective=contrastive: weight of the mean over the negatives beside the positive's 1."
    )

    def __post_init__(self):
        check_types(self)
        require(self, self.temperature > 0, "temperature", "positive")
        require(self, -1 <= self.margin < 1, "margin", "in [-1, 1)")
        require(self, self.negative_weight > 0, "negative_weight", "positive")
