"""What a data set, or this machine, must have for a baseline. It needs no TensorFlow.

Each gives what is missing, as the end of a sentence about the baseline; "": nothing is.
"""

import importlib

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.methods.closed_form import MAX_DENSE


def times(dataset: Dataset) -> str:
    """Times of the events."""
    return "needs times; this data set has none." if dataset.events.timestamp is None else ""


def implicit(dataset: Dataset) -> str:
    """The package implicit, which fits iALS."""
    try:
        importlib.import_module("implicit.cpu.als")
        importlib.import_module("threadpoolctl")
    except ImportError:
        return "needs the package implicit: pip install implicit"
    return ""


def dense(dataset: Dataset) -> str:
    """Few enough users or items for a dense matrix of the fewer of them."""
    fewer = min(dataset.num_users, dataset.num_items)
    if fewer <= MAX_DENSE:
        return ""
    most = f"{MAX_DENSE:,} at most"
    return f"holds a dense matrix of the fewer, users or items, and takes {most}. Received: {fewer:,}."
