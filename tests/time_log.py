"""A small log with times, and what a cut at 11 makes of it."""

import pandas as pd

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.preparation import prepare

BEHAVIORS = ("view", "buy")
# The test cut is at 11 and leaves 10 of 18 rows; that for validation, at the same share, is at 5.
LOG = pd.DataFrame(
    [
        ("ann", "tea", "view", 1),
        ("eve", "pot", "view", 1),
        ("ann", "tea", "buy", 2),
        ("bob", "tea", "view", 3),
        ("bob", "tea", "buy", 4),
        ("cat", "cup", "view", 5),
        ("ann", "pot", "view", 8),
        ("bob", "cup", "buy", 9),  # no validation pair: cup is new after 5
        ("cat", "tea", "buy", 10),  # nor this: cat is
        ("eve", "tea", "buy", 10),
        ("ann", "pot", "buy", 11),
        ("ann", "tea", "buy", 12),  # bought before
        ("dan", "tea", "buy", 12),  # dan is new
        ("bob", "pot", "buy", 13),
        ("bob", "pot", "buy", 14),
        ("cat", "jug", "buy", 15),  # jug is
        ("cat", "cup", "view", 16),  # viewed before
        ("cat", "pot", "view", 17),
    ],
    columns=["user", "item", "behavior", "timestamp"],
)


def split(frame: pd.DataFrame = LOG, **options) -> Dataset:
    return prepare(frame, behaviors=BEHAVIORS, split="time", **options)


def pairs(dataset: Dataset, name: str) -> list[str]:
    return [f"{dataset.user_ids[u]} {dataset.item_ids[i]}" for u, i in dataset.held_out[name]]
