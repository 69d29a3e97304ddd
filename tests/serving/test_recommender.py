"""The best items of many users against sorting by hand."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from nmtr_tf.config import ModelConfig, RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.models.network import network
from nmtr_tf.serving.learned import Learned
from nmtr_tf.serving.left_out import excluded_items
from nmtr_tf.serving.recommender import Recommendations, Recommender


def model_of(view, method="nmtr_neumf", **options):
    """An untrained model whose scores differ from item to item."""
    config = ModelConfig(method, embedding_dim=8, num_layers=2, embedding_stddev=0.5, **options)
    plan = resolve(RunConfig(model=config), view.behaviors)
    return build_model(plan, view.num_users, view.num_items, seed=1)


def gathered(chunks) -> Recommendations:
    chunks = list(chunks)

    def join(get):
        return np.concatenate([get(one) for one in chunks])

    names = chunks[0].probabilities
    return Recommendations(
        users=join(lambda one: one.users),
        items=join(lambda one: one.items),
        scores=join(lambda one: one.scores),
        probabilities={name: join(lambda one, name=name: one.probabilities[name]) for name in names},
    )


def top_by_hand(scores, hidden, k):
    """Items and scores [n, k]; equal scores by item, what is hidden last with -inf."""
    scores = np.where(hidden, -np.inf, scores)
    items = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return items, np.take_along_axis(scores, items, axis=1)


@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_mlp", "nmtr_neumf"])
@pytest.mark.parametrize("exclude", ["none", "bought", "touched"])
def test_the_best_items_that_are_left(shop, method, exclude):
    view = shop.training_view()
    scorer = ModelScorer(model_of(view, method))
    left_out = excluded_items(shop, exclude)
    users = np.arange(view.num_users, dtype=np.int32)[::-1]
    found = gathered(Recommender(scorer).recommend(users, 30, left_out))
    scores = scorer.scores(tf.constant(users), scorer.item_side()).numpy()  # what the ranking ranks by
    items, best = top_by_hand(scores, left_out[users].toarray(), 30)
    np.testing.assert_array_equal(found.users, users)
    np.testing.assert_allclose(found.scores, best, rtol=1e-5, atol=1e-6)
    there = np.isfinite(best)
    np.testing.assert_array_equal(found.items[there], items[there])
    assert there.all() == (exclude != "touched")  # some users touched more than 10 of the 40 items


def test_ties_go_by_item_row(shop):
    view = shop.training_view()
    model = model_of(view)
    for weight in model.trainable_variables:  # sums of whole numbers have no rounding
        weight.assign(np.ones(weight.shape))
    left_out = masked_items(view, "test", "target")
    users = np.arange(5, dtype=np.int32)
    found = gathered(Recommender(ModelScorer(model)).recommend(users, 6, left_out))
    expected = [np.flatnonzero(row == 0)[:6] for row in left_out[users].toarray()]
    np.testing.assert_array_equal(found.items, expected)


def test_items_that_nobody_is_offered_come_to_nobody(shop):
    view = shop.training_view()
    scorer, users = ModelScorer(model_of(view)), np.arange(view.num_users, dtype=np.int32)
    offered = np.arange(40) % 4 == 1
    left_out = excluded_items(shop, "touched")
    found = gathered(Recommender(scorer, offered).recommend(users, 12, left_out))
    scores = scorer.scores(tf.constant(users), scorer.item_side()).numpy()
    items, best = top_by_hand(scores, left_out.toarray() | ~offered, 12)
    np.testing.assert_allclose(found.scores, best, rtol=1e-5, atol=1e-6)
    there = np.isfinite(best)
    np.testing.assert_array_equal(found.items[there], items[there])
    assert found.num_empty == 0
    assert gathered(Recommender(scorer, offered & False).recommend(users, 12)).num_empty == len(users)


def test_unknown_users_among_others_get_what_is_popular(shop, monkeypatch):
    monkeypatch.setattr(
        "nmtr_tf.serving.recommender.users_at_once", lambda *_: 4
    )  # chunks of both, and of one
    view = shop.training_view()
    offered, model = np.arange(40) != 7, model_of(view)
    recommender = Recommender(ModelScorer(model), offered, Learned.of(network(model), view))
    users = np.array([3, -1, 5, -1, -1, -1, -1, -1, 8, 9], np.int32)
    left_out = excluded_items(shop, "bought")
    found = gathered(recommender.recommend(users, 6, left_out, probabilities=True))
    known = users >= 0
    alone = gathered(recommender.recommend(users[known], 6, left_out, probabilities=True))
    np.testing.assert_array_equal(found.users, users)
    np.testing.assert_array_equal(found.items[known], alone.items)
    np.testing.assert_allclose(found.scores[known], alone.scores, rtol=1e-5)
    counts = view.target.toarray().sum(axis=0)
    order = [item for item in np.argsort(-counts, kind="stable") if item != 7][:6]
    for place in np.flatnonzero(~known):
        assert found.items[place].tolist() == order
        assert found.scores[place].tolist() == counts[order].tolist()
        assert np.isnan(found.probabilities["buy"][place]).all()
    table = found.table(pa.array(range(10)), pa.array(view.item_ids)).to_pandas()
    assert table["known_user"].tolist() == np.repeat(known, 6).tolist()
    assert table["probability_buy"].isna().tolist() == np.repeat(~known, 6).tolist()


@pytest.mark.slow
def test_chunks_do_not_change_the_result_and_the_graphs_are_traced_once(shop, monkeypatch):
    view = shop.training_view()
    recommender = Recommender(ModelScorer(model_of(view)))
    users = np.arange(view.num_users, dtype=np.int32)
    left_out = excluded_items(shop, "touched")
    (whole,) = recommender.recommend(users, 40, left_out, probabilities=True)
    floats = []

    def seven(memory_mb, floats_per_user):
        floats.append(floats_per_user)
        return 7

    monkeypatch.setattr("nmtr_tf.serving.recommender.users_at_once", seven)
    chunks = list(recommender.recommend(users, 40, left_out, probabilities=True))
    assert [len(chunk.users) for chunk in chunks[:-1]] == [7] * (len(users) // 7)
    assert floats[0] > 40 * 2 * recommender.scorer.pair_floats
    user_ids, item_ids = pa.array(view.user_ids), pa.array(view.item_ids)
    parts = [user_ids[first : first + 7] for first in range(0, len(users), 7)]
    one = whole.table(user_ids, item_ids)
    many = pa.concat_tables(chunk.table(own, item_ids) for chunk, own in zip(chunks, parts, strict=True))
    assert one.schema == many.schema
    for name in one.column_names:
        if name in ("user", "item", "rank", "known_user"):
            assert one[name].equals(many[name])
        else:
            np.testing.assert_allclose(one[name], many[name], rtol=1e-5, atol=1e-6)
    graphs: list[Any] = [recommender.top_items, recommender.probabilities]
    assert [graph.experimental_get_tracing_count() for graph in graphs] == [1, 1]


@pytest.mark.parametrize(("method", "share"), [("nmtr_neumf", True), ("nmtr_neumf", False), ("cmf", True)])
def test_probabilities_are_those_of_the_model(shop, method, share):
    view = shop.training_view()
    model = model_of(view, method, share_embeddings=share)
    users = np.arange(9, dtype=np.int32)
    found = gathered(Recommender(ModelScorer(model)).recommend(users, 4, probabilities=True))
    logits = model({"user_ids": np.repeat(users, 4), "item_ids": found.items.ravel()})
    assert list(found.probabilities) == ["view", "cart", "buy"]
    for name, values in found.probabilities.items():
        np.testing.assert_allclose(values.ravel(), tf.sigmoid(logits[name]), rtol=1e-5)
    np.testing.assert_allclose(found.scores.ravel(), logits["buy"], rtol=1e-5, atol=1e-6)


def test_fewer_items_than_k_are_fewer_rows():
    found = Recommendations(
        np.array([1, 0], np.int32),
        np.array([[2, 0], [1, 0]], np.int32),
        np.array([[1.5, 0.5], [2.5, -np.inf]], np.float32),
        {"buy": np.array([[0.5, 0.25], [0.75, 0.5]], np.float32)},
    )
    table = found.table(pa.array(["8", "7"]), pa.array(["a", "b", "c"]))
    assert table.to_pydict() == {
        "user": ["8", "8", "7"],
        "rank": [1, 2, 1],
        "item": ["c", "a", "b"],
        "score": [1.5, 0.5, 2.5],
        "known_user": [True] * 3,
        "probability_buy": [0.5, 0.25, 0.75],
    }
    assert [str(kind) for kind in table.schema.types] == [
        "string",
        "int32",
        "string",
        "float",
        "bool",
        "float",
    ]


def test_scores_that_are_no_numbers_are_refused(shop):
    model = model_of(shop.training_view())
    network(model).item_rows.biases[-1].assign(np.full(shop.num_items, np.nan))
    with pytest.raises(InputError, match="NaN or infinite"):
        next(Recommender(ModelScorer(model)).recommend(np.zeros(1, np.int32), 3))


def test_no_users_are_one_empty_chunk(shop):
    (found,) = Recommender(ModelScorer(model_of(shop.training_view()))).recommend(np.zeros(0, np.int32), 3)
    assert found.items.shape == found.scores.shape == (0, 3)
