"""Lists for histories that come with a call to an exported model."""

from typing import Any

import numpy as np
import tensorflow as tf
from conftest import BEHAVIORS, make_view

from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import matrix_of
from nmtr_tf.serving import chunked
from nmtr_tf.serving.served_histories import ServedHistories
from serving.exports import random_model

USERS, ITEMS, K = 6, 9, 4
RNG = np.random.default_rng(8)
VIEW = make_view({name: RNG.random((USERS, ITEMS)) < 0.4 for name in BEHAVIORS})
TOWERS: dict[str, Any] = {"method": "nmtr_mlp", "embedding_dim": 4, "user_rows": "history"}


def served_of(folder, view, **options) -> ServedHistories:
    """The graph as it is before it is saved: that it is saved and loaded is the same for all."""
    vocabularies = folder / "users.txt", folder / "items.txt"
    for path, ids in zip(vocabularies, (view.user_ids, view.item_ids), strict=True):
        path.write_text("\n".join([*ids, ""]))
    model = random_model(RunConfig().with_options(**options), view)
    return ServedHistories(model, view, matrix_of(np.zeros(0, int), (USERS, ITEMS)), K, vocabularies)


def test_lists_are_scored_for_as_many_at_once_as_there_is_memory_for(tmp_path, monkeypatch):
    """Whoever they are for: a tower holds hundreds of floats for each pair."""
    served = served_of(tmp_path, VIEW, **TOWERS)
    events = tf.constant([["1", "2"], ["3", ""], ["", ""], ["4", "5"], ["6", "1"]])
    behavior = tf.constant([["view", "buy"], ["cart", ""], ["", ""], ["view", "view"], ["buy", "buy"]])
    users, candidates = tf.constant(VIEW.user_ids[:5].tolist()), tf.constant([["1", "7", "3"]] * 5)
    calls = {
        "histories": lambda: served.recommend_for_events(events, behavior),
        "users": lambda: served.recommend(users),
        "among": lambda: served.recommend_among(users, candidates),
        "none": lambda: served.recommend_among(users, tf.zeros([5, 0], tf.string)),
        "nobody": lambda: served.recommend_for_events(events[:0], behavior[:0]),
    }
    whole, sizes = {name: call() for name, call in calls.items()}, []
    logit, logits = served.network.cascade.logit, served.network.cascade.logits

    def recorded(function):
        def call(user_parts, *others):
            sizes.append(user_parts[0].shape[0])
            return function(user_parts, *others)

        return call

    monkeypatch.setattr(served.network.cascade, "logit", recorded(logit))
    monkeypatch.setattr(served.network.cascade, "logits", recorded(logits))
    monkeypatch.setattr(chunked, "users_at_once", lambda *_: 2)
    for name, call in calls.items():
        sizes.clear()
        found = call()
        assert set(sizes) <= {1, 2}, name
        assert sizes, name
        for output, values in found.items():
            if output == "scores":
                np.testing.assert_allclose(values, whole[name][output], rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(values, whole[name][output])
