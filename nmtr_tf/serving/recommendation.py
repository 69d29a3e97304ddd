"""Recommendations with the ids of the log, as a DataFrame or in a file."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import pyarrow as pa

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import network
from nmtr_tf.serving.learned import Learned
from nmtr_tf.serving.left_out import excluded_items
from nmtr_tf.serving.new_histories import HistoryScorer, NewHistories
from nmtr_tf.serving.recommender import Recommendations, Recommender
from nmtr_tf.serving.request import Request
from nmtr_tf.serving.table_files import check_table_path, write_table
from nmtr_tf.serving.two_stages import fit_two_stages
from nmtr_tf.serving.users import AskedUsers, asked_users


def recommend_table(
    model: keras.Model,
    dataset: Dataset,
    view: TrainingView,
    user_ids: Iterable[Any] | AskedUsers | None = None,
    request: Request | None = None,
    history: NewHistories | None = None,
) -> pd.DataFrame:
    """The best items for some users.

    Args:
        model: A model made by `nmtr_tf.methods.model.build_model`.
        dataset: The data set.
        view: The training view that the model was trained on.
        user_ids: Ids of the log; None: all users.
        request: What is asked for; None: `Request()`.
        history: Events of users who need not be in the data set, in place of `user_ids`.

    Returns:
        Columns user, rank (from 1), item, title (where `request.items` names some), score (the target logit),
        known_user (bool) and `probability_<behavior>`. Ids are text, also those that are numbers.
        Users stand in the order of `user_ids`, each once. Who has nothing left to be recommended has no row.
        Users of whom nothing was learned, whether a filter dropped them, they were never seen, or no training
        row of theirs is one that the model learns from, get the items with the most training rows of the
        target: these are their scores, known_user is False, and they have no probabilities.

    Raises:
        InputError: If `user_ids` is no list of ids, k is more than the number of items, or a score is no
            number.
    """
    users = history.users if history else asked_users(dataset, user_ids)
    found = _found(model, dataset, view, users, request or Request(), history)
    return pa.concat_tables(table for table, _ in found).to_pandas()


@dataclasses.dataclass
class Written:
    """What a file of recommendations holds.

    Attributes:
        num_rows: Its rows.
        num_users: Users that were asked about.
        num_empty: Those of them without a row, as nothing is left to recommend to them.
    """

    num_rows: int
    num_users: int
    num_empty: int = 0


def write_recommendations(
    path: str | Path,
    model: keras.Model,
    dataset: Dataset,
    view: TrainingView,
    user_ids: Iterable[Any] | AskedUsers | None = None,
    request: Request | None = None,
    progress: Callable[[int], object] | None = None,
    history: NewHistories | None = None,
    csv_safe: bool = False,
) -> Written:
    """Writes what `recommend_table` gives as it is computed, however much it is.

    Args:
        path: File to write or replace, whole or not at all: .csv (with a header), .parquet or .jsonl.
        model: As for `recommend_table`.
        dataset: As for `recommend_table`.
        view: As for `recommend_table`.
        user_ids: As for `recommend_table`.
        request: As for `recommend_table`.
        progress: Called with the number of users done since the last call.
        history: As for `recommend_table`.
        csv_safe: As for `nmtr_tf.serving.table_files.write_table`.

    Raises:
        InputError: As `recommend_table` and `nmtr_tf.serving.table_files.check_table_path` do.
    """
    check_table_path(path)
    users = history.users if history else asked_users(dataset, user_ids)
    written = Written(0, len(users))

    def tables() -> Iterator[pa.Table]:
        for table, found in _found(model, dataset, view, users, request or Request(), history):
            yield table
            written.num_empty += found.num_empty
            if progress:
                progress(len(found.users))

    written.num_rows = write_table(path, tables(), csv_safe)
    return written


def _found(
    model: keras.Model,
    dataset: Dataset,
    view: TrainingView,
    users: AskedUsers,
    request: Request,
    history: NewHistories | None,
) -> Iterator[tuple[pa.Table, Recommendations]]:
    """The recommendations of each chunk of users, with their table."""
    k, stages, learned = request.length(view.num_items), None, Learned.of(network(model), view)
    if history is None:
        scorer, left_out = ModelScorer(model), excluded_items(dataset, request.exclude, request.mask)
        if request.candidates:
            stages, _ = fit_two_stages(scorer, view, request.candidates, k)
    elif request.candidates:
        raise InputError("`candidates` and `history` exclude each other; give one of them.")
    else:
        scorer = HistoryScorer(model, history.matrix)
        learned = learned.of_histories(history.matrix)
        left_out = history.left_out(request.exclude, request.mask, len(dataset.behaviors) - 1)
    recommender = Recommender(scorer, request.offered(dataset), learned, stages)
    item_ids, titles, done = pa.array(view.item_ids, pa.string()), request.titles(dataset), 0
    for found in recommender.recommend(users.rows, k, left_out, request.memory_mb, request.probabilities):
        yield found.table(users.ids[done : done + len(found.users)], item_ids, titles), found
        done += len(found.users)
