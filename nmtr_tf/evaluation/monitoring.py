"""The evaluation after an epoch, on validation and, for curves only, on test."""

import keras
import numpy as np

from nmtr_tf.config import RunConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import HeldOutRanking
from nmtr_tf.evaluation.scorers import ModelScorer

_SAMPLE_SEED = 0  # runs that differ in their seed are selected on the same users


class EpochEvaluation:
    """Ranks the same held-out items after every epoch; what does not change is made once.

    Called, it gives "validation/HR@K", "validation/NDCG@K" and the same for test; of a head of another
    behavior "validation_<behavior>/HR@K", ..., and nothing of test.

    Args:
        model: The model that is trained.
        view: Its training view.
        config: `evaluation`, and of `training` the number of users and what curves are of.
        epoch_cost: Arithmetic of an epoch of training, in multiply-adds.
        behavior: An auxiliary behavior, whose head ranks the pairs of `validation_of`; None: the target.

    Attributes:
        num_users: Split -> users that are ranked.
    """

    def __init__(
        self,
        model: keras.Model,
        view: TrainingView,
        config: RunConfig,
        epoch_cost: float,
        behavior: str | None = None,
    ):
        self._scorer, self._config = ModelScorer(model, behavior), config.evaluation
        self._strategy = model.distribute_strategy
        self._suffix = f"_{behavior}" if behavior else ""
        view = validation_of(view, behavior)
        splits = ["validation"] if len(view.held_out["validation"]) else []
        if config.training.curve_split == "test" and not behavior:
            splits.append("test")
        samples = [evaluation_sample(view, split, config, self._scorer, epoch_cost) for split in splits]
        self._ranking = HeldOutRanking(view, splits, config.evaluation, samples) if splits else None
        self.num_users = self._ranking.num_ranked if self._ranking else {}

    def __call__(self) -> dict[str, float]:
        """The metrics of the model as it is now."""
        if self._ranking is None:
            return {}
        with self._strategy.scope():  # whose workers each rank some of the users
            found = self._ranking.rank(self._scorer)
        return {
            f"{split}{self._suffix}/{name}": value
            for split, ranks in zip(self._ranking.splits, found, strict=True)
            for name, value in mean_metrics(ranks, self._config).items()
        }


def validation_of(view: TrainingView, behavior: str | None) -> TrainingView:
    """The view whose validation pairs a head is selected on.

    They are those of `TrainingView.head`, or where there are none, the target's.

    Args:
        view: The training view.
        behavior: An auxiliary behavior; None: the target.
    """
    head = view.head(behavior) if behavior else view
    return head if len(head.held_out["validation"]) else view


def evaluation_sample(
    view: TrainingView, split: str, config: RunConfig, scorer: ModelScorer, epoch_cost: float
) -> np.ndarray | None:
    """Rows of the users whose held-out items are ranked after each epoch, int [n]; None: all.

    All where ranking everyone needs no more arithmetic than an epoch, by a fixed estimate so that equal
    seeds make equal runs; else `eval_users` of them, the same for every seed of a run. With
    `eval_sample=always` it is these whatever the cost, so that runs of other settings rank the same.
    """
    num_users = view.num_held_out_users(split)
    ranking_cost = num_users * view.num_items * scorer.pair_cost
    if ranking_cost <= epoch_cost and config.training.eval_sample == "auto":
        return None
    return fixed_sample(view, split, config.training.eval_users)


def fixed_sample(view: TrainingView, split: str, count: int) -> np.ndarray | None:
    """Rows of `count` users with held-out items, the same at every call: int [n]; None: all, as for 0."""
    users = np.unique(view.held_out[split][:, 0])
    if not count or count >= len(users):
        return None
    generator = np.random.default_rng(_SAMPLE_SEED)
    return users[np.sort(generator.choice(len(users), count, replace=False))]
