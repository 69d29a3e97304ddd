"""What a data set, or this machine, must have for a baseline. It needs no TensorFlow.

Each gives what is missing, as the end of a sentence about the baseline; "": nothing is.
"""

import importlib

from nmtr_tf.data.dataset import Dataset

MAX_DENSE_ITEMS = 30_000
"""A dense float32 [num_items, num_items] takes 3.4 GiB at this size."""


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


def few_items(dataset: Dataset) -> str:
    """No more items than a dense items x items matrix allows."""
    if dataset.num_items <= MAX_DENSE_ITEMS:
        return ""
    most = f"{MAX_DENSE_ITEMS:,} items at most"
    return f"holds a dense items x items matrix and takes {most}. Received: {dataset.num_items:,}."
