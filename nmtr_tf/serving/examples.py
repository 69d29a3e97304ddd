"""Some users with what they did and what they are recommended, by the titles of the items."""

import dataclasses
from typing import Any

import keras

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.serving.recommendation import recommend_table
from nmtr_tf.serving.request import Request

NUM_USERS, NUM_ITEMS = 3, 5


def examples_of(
    model: keras.Model, dataset: Dataset, view: TrainingView, request: Request
) -> list[dict[str, Any]]:
    """The first users of the data set with five items that they did the target with, and five recommended.

    Args:
        model: As for `recommend_table`.
        dataset: As for `recommend_table`.
        view: As for `recommend_table`.
        request: With `items`.

    Returns:
        {"user": id, the target's name: titles, "recommended": titles} each; the id where there is no title.
    """
    request = dataclasses.replace(request, k=min(request.length(view.num_items), NUM_ITEMS))
    table = recommend_table(model, dataset, view, dataset.user_ids[:NUM_USERS], request)
    titles, done = request.titles(dataset), dataset.whole[dataset.target_behavior]
    assert titles is not None
    names = [title or item for title, item in zip(titles.to_pylist(), dataset.item_ids, strict=True)]
    examples = []
    for row, user in enumerate(dataset.user_ids[:NUM_USERS].tolist()):
        own = table[table["user"] == user]
        listed = own["title"].where(own["title"].fillna("") != "", own["item"])
        bought = [names[item] for item in done[[row]].indices[:NUM_ITEMS]]
        examples.append({"user": user, dataset.target_behavior: bought, "recommended": listed.tolist()})
    return examples
