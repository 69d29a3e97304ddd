"""Runs: fit a method to a data set, evaluate, compare, and the directory that remembers it all."""

from typing import TYPE_CHECKING

from nmtr_tf.lazy import lazy_names

if TYPE_CHECKING:
    from nmtr_tf.runs.comparison import Comparison, compare
    from nmtr_tf.runs.fitting import fit
    from nmtr_tf.runs.info import RunInfo
    from nmtr_tf.runs.run import Run

__all__ = ["Comparison", "Run", "RunInfo", "compare", "fit"]

__getattr__ = lazy_names(
    __name__,
    {
        "Comparison": "nmtr_tf.runs.comparison",
        "Run": "nmtr_tf.runs.run",
        "RunInfo": "nmtr_tf.runs.info",
        "compare": "nmtr_tf.runs.comparison",
        "fit": "nmtr_tf.runs.fitting",
    },
)
