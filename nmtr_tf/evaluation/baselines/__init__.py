"""Baselines: rules that learn nothing, linear models, and anything else that gives scores."""

from typing import TYPE_CHECKING

from nmtr_tf.evaluation.baselines.table import (
    BASELINES,
    Baseline,
    available_baselines,
    build_baseline,
    register_baseline,
)
from nmtr_tf.lazy import lazy_names

if TYPE_CHECKING:  # it imports TensorFlow
    from nmtr_tf.evaluation.baselines.evaluating import evaluate_baseline

__all__ = [
    "BASELINES",
    "Baseline",
    "available_baselines",
    "build_baseline",
    "evaluate_baseline",
    "register_baseline",
]

__getattr__ = lazy_names(__name__, {"evaluate_baseline": "nmtr_tf.evaluation.baselines.evaluating"})
