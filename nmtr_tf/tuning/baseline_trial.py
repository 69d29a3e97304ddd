"""A trial of a baseline: fitted once, ranked on validation alone."""

import dataclasses
import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.baselines.table import build_baseline
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.monitoring import fixed_sample
from nmtr_tf.evaluation.ranking import HeldOutRanking
from nmtr_tf.reporting.events import write_trial
from nmtr_tf.tuning.study import Claim
from nmtr_tf.tuning.trials import Trial


@dataclasses.dataclass(frozen=True)
class BaselineObjective:
    """What a search of a baseline's options calls for each trial.

    Attributes:
        dataset: The data set.
        view: What all trials learn from.
        name: Name of the baseline.
        fixed: Its options that are not searched.
        config: How to rank, and what for.
        num_users: Validation users at most, the same as of a method's trials; 0: all.
        events_dir: Directory of events for TensorBoard.
    """

    dataset: Dataset
    view: TrainingView
    name: str
    fixed: Mapping[str, Any]
    config: RunConfig
    num_users: int
    events_dir: Path

    @functools.cached_property
    def ranking(self) -> HeldOutRanking:
        """The validation pairs that every trial ranks."""
        sample = fixed_sample(self.view, "validation", self.num_users)
        return HeldOutRanking(self.view, ["validation"], self.config.evaluation, [sample])

    def __call__(self, claim: Claim) -> Trial:
        """Runs a trial; raises InputError where an option is out of its range."""
        started, monitor = time.monotonic(), self.config.training.monitor
        scorer = build_baseline(self.name, self.dataset, self.view, **self.fixed, **claim.options)
        (ranks,) = self.ranking.rank(scorer)
        metrics = mean_metrics(ranks, self.config.evaluation)
        logs = {"epoch": 1, **{f"validation/{name}": value for name, value in metrics.items()}}
        write_trial(self.events_dir, f"trial_{claim.number}", claim.options, [logs], monitor)
        return Trial(
            number=claim.number,
            options=claim.options,
            value=metrics[monitor],
            seed=self.config.training.seed,
            values=[metrics[monitor]],
            curve=[metrics[monitor]],
            metrics=metrics,
            seconds=time.monotonic() - started,
        )
