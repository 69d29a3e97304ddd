"""Recommendations with the ids of the log, as a DataFrame or in a file."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import matrix_keys, matrix_of, pair_keys
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.serving.recommender import Recommender
from nmtr_tf.serving.table_files import check_table_path, write_table
from nmtr_tf.serving.users import rows_of_users

EXCLUDES = ("none", "target", "all")


def excluded_items(dataset: Dataset, view: TrainingView, exclude: str) -> sparse.csr_array:
    """Binary matrix [num_users, num_items] of the items that a user is not to be recommended.

    Args:
        dataset: The data set.
        view: Its training view.
        exclude: "none"; "target": training and validation purchases, as the ranking at test leaves them out;
            "all": whatever the user has touched in the data set, by any behavior and in any split.

    Raises:
        InputError: If `exclude` is another word.
    """
    if exclude not in EXCLUDES:
        known = ", ".join(map(repr, EXCLUDES))
        raise InputError(f"`exclude` should be one of {known}. Received: {exclude!r}.")
    if exclude != "all":
        return masked_items(view, "test", exclude)
    keys = [matrix_keys(matrix) for matrix in dataset.matrices.values()]
    keys += [pair_keys(pairs[:, 0], pairs[:, 1], dataset.num_items) for pairs in dataset.held_out.values()]
    return matrix_of(np.concatenate(keys), dataset.target.shape)


def recommend_table(
    model: keras.Model,
    dataset: Dataset,
    view: TrainingView,
    user_ids: Iterable[Any] | None = None,
    k: int = 10,
    exclude: str = "target",
    probabilities: bool = False,
    memory_mb: int = 256,
) -> pd.DataFrame:
    """The best items for some users.

    Args:
        model: A model made by `nmtr_tf.methods.model.build_model`.
        dataset: The data set.
        view: The training view that the model was trained on.
        user_ids: Ids of the log; None: all users.
        k: Items for each user; fewer where fewer are left.
        exclude: As for `excluded_items`.
        probabilities: Whether to add the probability of every predicted behavior.
        memory_mb: Memory for the scores of one chunk of users, in MiB.

    Returns:
        Columns user, rank (from 1), item, score (the target logit) and `probability_<behavior>`; users in
        the order of `user_ids`, each once.

    Raises:
        InputError: If a user is unknown, k is more than the number of items, or a score is no number.
    """
    users = rows_of_users(view, user_ids)
    parts = _tables(model, dataset, view, users, k, exclude, probabilities, memory_mb)
    return pa.concat_tables(parts).to_pandas()


def write_recommendations(
    path: str | Path,
    model: keras.Model,
    dataset: Dataset,
    view: TrainingView,
    user_ids: Iterable[Any] | None = None,
    k: int = 10,
    exclude: str = "target",
    probabilities: bool = False,
    memory_mb: int = 256,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Writes what `recommend_table` gives as it is computed, however much it is.

    Args:
        path: File to write or replace, whole or not at all: .csv (with a header), .parquet or .jsonl.
        model: As for `recommend_table`.
        dataset: As for `recommend_table`.
        view: As for `recommend_table`.
        user_ids: As for `recommend_table`.
        k: As for `recommend_table`.
        exclude: As for `recommend_table`.
        probabilities: As for `recommend_table`.
        memory_mb: As for `recommend_table`.
        progress: Called with the number of users done since the last call.

    Returns:
        The number of rows.

    Raises:
        InputError: As `recommend_table` and `nmtr_tf.serving.table_files.check_table_path` do.
    """
    check_table_path(path)
    users = rows_of_users(view, user_ids)
    parts = _tables(model, dataset, view, users, k, exclude, probabilities, memory_mb, progress)
    return write_table(path, parts)


def _tables(
    model: keras.Model,
    dataset: Dataset,
    view: TrainingView,
    users: np.ndarray,
    k: int,
    exclude: str,
    probabilities: bool,
    memory_mb: int,
    progress: Callable[[int], object] | None = None,
) -> Iterator[pa.Table]:
    """A table for each chunk of users."""
    check_k(k, view.num_items)
    left_out = excluded_items(dataset, view, exclude)
    user_ids, item_ids = pa.array(view.user_ids), pa.array(view.item_ids)
    chunks = Recommender(ModelScorer(model)).recommend(users, k, left_out, memory_mb, probabilities)
    for found in chunks:
        yield found.table(user_ids, item_ids)
        if progress:
            progress(len(found.users))


def check_k(k: int, num_items: int) -> None:
    """Checks that so many items can be recommended.

    Raises:
        InputError: If k is less than 1 or more than the number of items.
    """
    if k < 1:
        raise InputError(f"`k` should be at least 1. Received: {k}.")
    if k > num_items:
        raise InputError(f"`k={k}` is more than the {num_items} items of the data set.")
