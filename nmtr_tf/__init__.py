"""NMTR: recommend from several kinds of user behavior, in TensorFlow 2 / Keras 3.

    import nmtr_tf as nt

    dataset = nt.prepare(nt.read_log("events.csv", behaviors=("view", "buy")))
    run = nt.fit(dataset, method="nmtr_gmf", workdir="out/run")
    run.evaluate("test"), run.recommend(["ann"], k=2), run.export("out/models/nmtr")

Importing this package is cheap: TensorFlow is loaded with the first name that needs it.
"""

from typing import TYPE_CHECKING

from nmtr_tf.errors import InputError
from nmtr_tf.lazy import lazy_names

if TYPE_CHECKING:
    from nmtr_tf.config import (
        ContrastConfig,
        DataConfig,
        EvaluationConfig,
        HistoryConfig,
        LinearConfig,
        ModelConfig,
        RunConfig,
        TimeConfig,
        TrainingConfig,
    )
    from nmtr_tf.data.dataset import Dataset
    from nmtr_tf.data.events import Events
    from nmtr_tf.data.logs.formats import Format, register_format
    from nmtr_tf.data.logs.readers import read_log
    from nmtr_tf.data.preparation import prepare
    from nmtr_tf.data.synthetic import synthetic_shop
    from nmtr_tf.evaluation.baselines import evaluate_baseline, register_baseline
    from nmtr_tf.evaluation.metrics import register_metric
    from nmtr_tf.methods.unit_kinds import register_unit
    from nmtr_tf.models.units import Unit
    from nmtr_tf.runs.comparison import Comparison, compare
    from nmtr_tf.runs.fitting import fit
    from nmtr_tf.runs.run import Run
    from nmtr_tf.training.objective import Objective
    from nmtr_tf.training.objectives import register_loss, register_objective
    from nmtr_tf.training.optimizers import register_optimizer
    from nmtr_tf.tuning.baseline_search import tune_baseline
    from nmtr_tf.tuning.search import tune

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "ContrastConfig",
    "DataConfig",
    "Dataset",
    "EvaluationConfig",
    "Events",
    "Format",
    "HistoryConfig",
    "InputError",
    "LinearConfig",
    "ModelConfig",
    "Objective",
    "Run",
    "RunConfig",
    "TimeConfig",
    "TrainingConfig",
    "Unit",
    "compare",
    "evaluate_baseline",
    "fit",
    "prepare",
    "read_log",
    "register_baseline",
    "register_format",
    "register_loss",
    "register_metric",
    "register_objective",
    "register_optimizer",
    "register_unit",
    "synthetic_shop",
    "tune",
    "tune_baseline",
]

_PLACES = {
    "Comparison": "nmtr_tf.runs.comparison",
    "ContrastConfig": "nmtr_tf.config",
    "DataConfig": "nmtr_tf.config",
    "Dataset": "nmtr_tf.data.dataset",
    "EvaluationConfig": "nmtr_tf.config",
    "Events": "nmtr_tf.data.events",
    "Format": "nmtr_tf.data.logs.formats",
    "HistoryConfig": "nmtr_tf.config",
    "LinearConfig": "nmtr_tf.config",
    "ModelConfig": "nmtr_tf.config",
    "Objective": "nmtr_tf.training.objective",
    "Run": "nmtr_tf.runs.run",
    "RunConfig": "nmtr_tf.config",
    "TimeConfig": "nmtr_tf.config",
    "TrainingConfig": "nmtr_tf.config",
    "Unit": "nmtr_tf.models.units",
    "compare": "nmtr_tf.runs.comparison",
    "evaluate_baseline": "nmtr_tf.evaluation.baselines",
    "fit": "nmtr_tf.runs.fitting",
    "prepare": "nmtr_tf.data.preparation",
    "read_log": "nmtr_tf.data.logs.readers",
    "register_baseline": "nmtr_tf.evaluation.baselines",
    "register_format": "nmtr_tf.data.logs.formats",
    "register_loss": "nmtr_tf.training.objectives",
    "register_metric": "nmtr_tf.evaluation.metrics",
    "register_objective": "nmtr_tf.training.objectives",
    "register_optimizer": "nmtr_tf.training.optimizers",
    "register_unit": "nmtr_tf.methods.unit_kinds",
    "synthetic_shop": "nmtr_tf.data.synthetic",
    "tune": "nmtr_tf.tuning.search",
    "tune_baseline": "nmtr_tf.tuning.baseline_search",
}

__getattr__ = lazy_names(__name__, _PLACES)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
