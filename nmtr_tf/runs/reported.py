"""What the page about a run asks of it; `nmtr_tf.runs.run.Run` has it all."""

from pathlib import Path
from typing import Any, Protocol

import keras
import pandas as pd

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.methods.plan import Plan
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo


class ReportedRun(Protocol):
    """A trained run; `Run` imports the page, so the page cannot import `Run`."""

    config: RunConfig
    info: RunInfo
    directory: RunDirectory | None

    @property
    def workdir(self) -> Path | None:
        """Its directory; None: it is in memory only."""

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""

    @property
    def plan(self) -> Plan:
        """What its method means for its behaviors."""

    @property
    def model(self) -> keras.Model:
        """What was trained."""

    @property
    def history(self) -> list[dict[str, Any]]:
        """A record of every epoch."""

    @property
    def dataset(self) -> Dataset:
        """The data set that it trained on."""

    @property
    def view(self) -> TrainingView:
        """Its training view of the data set."""

    def evaluate(self, split: str = "test") -> pd.DataFrame:
        """Ranks the held-out items of a split."""

    def evaluation(self, split: str = "test") -> Evaluation:
        """The last evaluation on a split."""

    def is_evaluated(self, split: str = "test") -> bool:
        """Whether there is an evaluation on a split."""

    def recommend(self, user_ids: Any = None, k: int = 10) -> pd.DataFrame:
        """The best items for some users."""
