"""What is trained until it is as good as the best linear baseline, and the baselines, each with its settings.

The settings were found on Taobao, by hand and on validation alone.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.benchmarks.rows import Target


@dataclasses.dataclass(frozen=True)
class Contender:
    """A way of training.

    Attributes:
        options: Of the run's config; those that are left out have their defaults.
        is_aimed: Whether the target has two thirds of the weight of the loss; false: it is as the method has
            it.
        epoch: What an epoch is to take on data as large as Taobao's.
    """

    options: Mapping[str, Any]
    is_aimed: bool = False
    epoch: Target | None = None

    def options_for(self, num_behaviors: int) -> dict[str, Any]:
        """The options for so many behaviors."""
        others = num_behaviors - 1
        weights = (*(1 / 3 / others,) * others, 2 / 3) if others else (1.0,)
        return {**self.options, "loss_weights": weights} if self.is_aimed else dict(self.options)


_CASCADE = {"method": "nmtr_gmf"}
_WHOLE = {**_CASCADE, "objective": "whole_data"}
_ROWS = {"batch_size": 512, "learning_rate": 0.02, "l2_user": 0.02, "l2_item": 0.02}
_ALS = {**_WHOLE, "learner": "als", "l2_user": 0.3, "l2_item": 0.3, "l2_unit": 100.0}
_HISTORY = {"user_rows": "history", "history_items": "shared"}
_DROPPED = {"batch_size": 1024, "learning_rate": 0.02, "dropout": 0.5, "history_dropout": 0.7}
_SHARED = {"learning_rate": 0.05, "loss_reduction": "mean", "num_negatives": 500}
_LINEAR = {
    "linear_lambda": 10.0,
    "linear_beta": 0.2,
    "linear_dropout": 0.5,
    "linear_theta": 1.0,
    "linear_discount": 0.2,
}
_WIDE = {"embedding_dim": 256}

CONTENDERS = {
    "sampled": Contender({**_CASCADE, "learning_rate": 0.05, "l2_user": 0.02, "l2_item": 0.02}),
    "softmax": Contender({**_CASCADE, "objective": "softmax", **_HISTORY, **_SHARED}),
    "contrastive": Contender({**_CASCADE, "objective": "contrastive", **_SHARED}),
    "whole_data_64": Contender({**_WHOLE, **_ROWS}, epoch=Target("<=", 0.5, "s")),
    "whole_data_256": Contender({**_WHOLE, **_WIDE, **_ROWS}, epoch=Target("<=", 2, "s")),
    "whole_data_history": Contender({**_WHOLE, **_WIDE, **_HISTORY, **_DROPPED}, is_aimed=True),
    "als_64": Contender(_ALS),
    "als_256": Contender({**_ALS, **_WIDE}),
    "nmtr_linear": Contender({"method": "nmtr_linear", **_LINEAR}),
    "nmtr_linear_gmf": Contender(
        {"method": "nmtr_linear_gmf", **_WIDE, "history_items": "shared", **_DROPPED, **_LINEAR},
        is_aimed=True,
    ),
}
BASELINES: Mapping[str, Mapping[str, Any]] = {
    "ease_all": {"ease_lambda": 50.0, "ease_beta": 0.3},
    "ease_aimed": {"ease_lambda": 10.0, "ease_beta": 0.2, "ease_dropout": 0.5},
    "ials_all": {"ials_alpha": 5.0, "ials_factors": 128},
}
