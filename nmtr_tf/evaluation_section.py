"""The options of an evaluation, a section of a run's: see `nmtr_tf.sections`."""

import dataclasses
from collections.abc import Iterable

from nmtr_tf.options import check_choices, check_types, option, require

_KS = (50, 80, 100, 200)  # the paper's
_SMALL_KS = (1, 2, 5, 10, 20, 50, 100)


def default_ks(num_items: int) -> tuple[int, ...]:
    """The cut-offs K where none are given: the paper's where there are more items, else smaller ones."""
    small = [k for k in _SMALL_KS if 2 * k <= num_items][-4:]
    return _KS if num_items > max(_KS) else tuple(small) or (1,)


def shown_k(ks: Iterable[int]) -> int:
    """The K of what shows one: 100, the paper's, where it is measured; else the largest."""
    return 100 if 100 in (found := set(ks)) else max(found)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How the held-out items are ranked."""

    ks: tuple[int, ...] = option(
        (),
        "Cut-offs K of the metrics; empty: 50,80,100,200 or, of at most 200 items, the four largest of "
        "1,2,5,10,20,50,100 that are not above half of them.",
    )
    metrics: tuple[str, ...] = option(
        ("HR", "NDCG"), "Metrics at each K: HR, NDCG, Recall, MRR, MAP, coverage or one of your own."
    )
    mask: str = option(
        "auto",
        "Training items left out of the ranking: those of the target behavior, of all behaviors of the data "
        "set, or none; auto: all under protocol strict, where no held-out item was touched, else target.",
        ("auto", "none", "target", "all"),
    )
    groups: tuple[int, ...] = option(
        (5, 9, 13, 17, 21),
        "Least number of training purchases of each group of users that is measured apart, ascending.",
    )
    eval_memory_mb: int = option(256, "Memory for the scores of one chunk of users, in MiB.")

    def __post_init__(self):
        check_types(self)
        check_choices(self)
        require(self, min(self.ks, default=1) >= 1, "ks", "positive numbers")
        ascending = all(a < b for a, b in zip((0, *self.groups), self.groups, strict=False))
        require(self, ascending, "groups", "positive numbers in ascending order")
        require(self, self.eval_memory_mb >= 1, "eval_memory_mb", "at least 1")
        distinct = bool(self.metrics) and len(set(self.metrics)) == len(self.metrics)
        require(self, distinct, "metrics", "different names")

    def mask_under(self, protocol: str) -> str:
        """The mask, "none", "target" or "all": "auto" is what the protocol asks."""
        if self.mask != "auto":
            return self.mask
        return "all" if protocol == "strict" else "target"

    @property
    def metric_names(self) -> list[str]:
        """Every metric that is computed, as it is written: "HR@50", "NDCG@50", "HR@80", ..."""
        return [f"{metric}@{k}" for k in self.ks for metric in self.metrics]

    def of_catalogue(self, num_items: int) -> "EvaluationConfig":
        """The section with cut-offs spelled out for a catalogue of so many items."""
        return dataclasses.replace(self, ks=self.ks or default_ks(num_items))

    @property
    def shown_metric(self) -> str:
        """The one that pictures show and that selects epochs: NDCG, or else the first, at `shown_k`."""
        return f"{'NDCG' if 'NDCG' in self.metrics else self.metrics[0]}@{shown_k(self.ks)}"
