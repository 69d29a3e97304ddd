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
    """Ranks the same held-out pairs after every epoch; what does not change is made once.

    Called, it gives "validation/HR@K", "validation/NDCG@K" and the same for test.

    Args:
        model: The model that is trained.
        view: Its training view.
        config: `evaluation`, and of `training` the number of users and what curves are of.
        epoch_cost: Arithmetic of an epoch of training, in multiply-adds.

    Attributes:
        num_pairs: Split -> pairs that are ranked.
    """

    def __init__(self, model: keras.Model, view: TrainingView, config: RunConfig, epoch_cost: float):
        self._scorer, self._config = ModelScorer(model), config.evaluation
        splits = ["validation"] if len(view.held_out["validation"]) else []
        if config.training.curve_split == "test":
            splits.append("test")
        # Ranking both splits of a user at once halves the scoring.
        users = [view.held_out[split][:, 0] for split in splits]
        together = len(users) == 2 and np.array_equal(users[0], users[1])
        groups = [splits] if together else [[split] for split in splits]
        # Equal numbers of pairs have equal samples.
        samples = [evaluation_sample(view, group[0], config, self._scorer, epoch_cost) for group in groups]
        self._rankings = [
            HeldOutRanking(view, group, config.evaluation, sample)
            for group, sample in zip(groups, samples, strict=True)
        ]
        self.num_pairs = {split: one.num_pairs for one in self._rankings for split in one.splits}

    def __call__(self) -> dict[str, float]:
        """The metrics of the model as it is now."""
        logs: dict[str, float] = {}
        for ranking in self._rankings:
            for split, ranks in zip(ranking.splits, ranking.rank(self._scorer), strict=True):
                metrics = mean_metrics(ranks, self._config)
                logs |= {f"{split}/{name}": value for name, value in metrics.items()}
        return logs


def evaluation_sample(
    view: TrainingView, split: str, config: RunConfig, scorer: ModelScorer, epoch_cost: float
) -> np.ndarray | None:
    """Positions of the held-out pairs that are ranked after each epoch; None: all.

    All where ranking everyone needs no more arithmetic than an epoch, by a fixed estimate so that equal
    seeds make equal runs; else `eval_users` of them, the same for every seed of a run.
    """
    num_pairs, wanted = len(view.held_out[split]), config.training.eval_users
    ranking_cost = num_pairs * view.num_items * scorer.pair_cost
    if not wanted or wanted >= num_pairs or ranking_cost <= epoch_cost:
        return None
    generator = np.random.default_rng(_SAMPLE_SEED)
    return np.sort(generator.choice(num_pairs, wanted, replace=False))
