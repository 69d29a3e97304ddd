"""What an exported model answers, against the model that it was made from."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_dataset, make_view

from nmtr_tf.config import EvaluationConfig, ModelConfig
from nmtr_tf.data.pairs import matrix_of
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.models.network import network
from nmtr_tf.serving import chunked
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.learned import Learned
from nmtr_tf.serving.left_out import excluded_items
from nmtr_tf.serving.recommender import Recommender
from nmtr_tf.serving.served_model import ServedModel
from serving.exports import GMF, UNKNOWN, Exported, K, random_model

MIXED = ModelConfig(units=("gmf", "neumf", "mlp"), embedding_dim=8, num_layers=2, share_embeddings=False)


def test_recommendations_are_the_best_unbought_items_by_the_scorers_scores(exported):
    found = exported.ask(user_id=exported.users)
    assert found["known_user"].all()
    for user in range(len(exported.users)):
        exported.check(found, user, exported.bought[user], user)


def test_hit_ratio_through_the_export_is_evaluates(exported):
    view = exported.view
    config = EvaluationConfig(ks=(1, 5, 10, K), metrics=("HR",), mask="target")
    ranks = rank_held_out(ModelScorer(exported.model), view, "test", config)
    evaluated = mean_metrics(ranks, config)
    users, items = view.held_out["test"].T
    listed = exported.ask(user_id=[exported.users[user] for user in users])["item_ids"]
    for k in config.ks:
        hits = [exported.items[item] in row[:k] for item, row in zip(items, listed, strict=True)]
        assert np.mean(hits) == evaluated[f"HR@{k}"]


def test_unknown_users_get_what_is_popular(exported):
    found = exported.ask(user_id=[UNKNOWN, exported.users[3], ""])
    assert found["known_user"].tolist() == [False, True, False]
    exported.check(found, 3, exported.bought[3], 1)
    counts = exported.view.target.toarray().sum(axis=0)
    order = np.argsort(-counts, kind="stable")[:K]
    for place in (0, 2):
        assert found["item_ids"][place].tolist() == [exported.items[item] for item in order]
        np.testing.assert_array_equal(found["scores"][place], counts[order])


def test_an_empty_batch(exported):
    found = exported.ask(user_id=[])
    assert {name: array.shape for name, array in found.items()} == {
        "item_ids": (0, K),
        "scores": (0, K),
        "num_items": (0,),
        "known_user": (0,),
    }


def test_excluded_items_are_left_out_as_well(exported):
    users, items = exported.users, exported.items
    lists = [[items[2], items[2], "no item", items[7]], ["", "", "", ""], [items[5], "", "", ""]]
    found = exported.ask("recommend_excluding", user_id=[users[1], users[2], UNKNOWN], exclude_item_ids=lists)
    hidden = exported.bought.copy()
    hidden[1, [2, 7]] = True
    exported.check(found, 1, hidden[1], 0)
    exported.check(found, 2, hidden[2], 1)
    counts = exported.view.target.toarray().sum(axis=0)
    order = [item for item in np.argsort(-counts, kind="stable") if item != 5][:K]
    assert found["item_ids"][2].tolist() == [items[item] for item in order]


def test_nothing_to_exclude_is_serving_default(exported):
    ids = [exported.users[0], UNKNOWN]
    found = exported.ask("recommend_excluding", user_id=ids, exclude_item_ids=np.empty((2, 0), object))
    expected = exported.ask(user_id=ids)
    np.testing.assert_array_equal(found["item_ids"], expected["item_ids"])
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-5, atol=1e-6)


def test_more_excluded_than_there_are_items(exported):
    but_two = [*exported.items[2:], *[f"gone-{i}" for i in range(50)], *exported.items[2:]]
    assert len(but_two) > len(exported.items)
    user = int(np.flatnonzero(~exported.bought[:, :2].any(axis=1))[0])
    ids = [exported.users[user]]
    found = exported.ask("recommend_excluding", user_id=ids, exclude_item_ids=[but_two])
    hidden = exported.bought[user].copy()
    hidden[2:] = True
    exported.check(found, user, hidden)
    assert found["num_items"] == [2]
    everything = exported.ask("recommend_excluding", user_id=ids, exclude_item_ids=[exported.items])
    assert everything["num_items"] == [0]
    assert set(everything["item_ids"][0]) == {""}
    assert not everything["scores"].any()


def test_candidates_are_ranked_alone_and_once(exported):
    items = exported.items
    lists = [[items[9], "", items[4], items[9], "no item"], [*items[:5]], [items[30], items[31], "", "", ""]]
    ids = [exported.users[6], exported.users[7], UNKNOWN]
    found = exported.ask("recommend_among", user_id=ids, candidate_item_ids=lists)
    for place, (user, candidates) in enumerate([(6, [9, 4]), (7, range(5))]):
        hidden = np.ones(len(items), bool)
        hidden[list(candidates)] = False
        exported.check(found, user, hidden | exported.bought[user], place)
    counts = exported.view.target.toarray().sum(axis=0)
    assert found["num_items"][2] == 2
    assert found["scores"][2][:2].tolist() == sorted(counts[[30, 31]], reverse=True)
    none = exported.ask("recommend_among", user_id=ids, candidate_item_ids=np.empty((3, 0), object))
    assert none["num_items"].tolist() == [0, 0, 0]


def test_score_is_the_probability_of_every_behavior(exported):
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 80, 50), rng.integers(0, 40, 50)
    users %= len(exported.users)
    found = exported.ask(
        "score",
        user_id=[exported.users[user] for user in users],
        item_id=[exported.items[item] for item in items],
    )
    logits = exported.model({"user_ids": users, "item_ids": items})
    assert list(logits) == list(exported.view.behaviors)
    for name, values in logits.items():
        np.testing.assert_allclose(found[name], tf.sigmoid(values), rtol=1e-5, atol=1e-6)
    assert found["known"].all()


def test_score_marks_unknown_ids(exported):
    user, item = exported.users[0], exported.items[0]
    found = exported.ask("score", user_id=[user, UNKNOWN, user, ""], item_id=[item, item, "no item", ""])
    assert found["known"].tolist() == [True, False, False, False]
    for name in exported.view.behaviors:
        assert found[name][0] > 0
        assert not found[name][1:].any()


def test_inner_products_of_embeddings_are_the_target_logits(gmf):
    gmf.check_embeddings()
    assert gmf.about["user_embeddings"]["outputs"]["embedding"]["shape"] == [None, 8 + 1]


def test_embeddings_of_separate_tables_have_the_same_top_100(tmp_path):
    rng = np.random.default_rng(1)
    pairs = {name: rng.random((20, 150)) < 0.05 for name in ("view", "buy")}
    config = dataclasses.replace(GMF, share_embeddings=False)
    exported = Exported(tmp_path, config, make_view(pairs), matrix_of(np.zeros(0, int), (20, 150)), k=100)
    exported.check_embeddings()
    assert exported.about["user_embeddings"]["outputs"]["embedding"]["shape"] == [None, 2 * 8 + 1]
    vectors = exported.ask("user_embeddings", user_id=exported.users)["embedding"]
    products = vectors @ exported.ask("item_embeddings", item_id=exported.items)["embedding"].T
    nearest = np.array(exported.items)[np.argsort(-products, axis=1)[:, :100]]
    np.testing.assert_array_equal(nearest, exported.ask(user_id=exported.users)["item_ids"])


def test_only_inner_products_have_embeddings(neumf, gmf):
    ranking = ["recommend_among", "recommend_excluding", "score", "serving_default"]
    assert sorted(neumf.signatures) == ranking
    assert sorted(gmf.signatures) == [
        "item_embeddings",
        *ranking[:3],
        "serving_default",
        "user_embeddings",
    ]


@pytest.mark.slow
def test_mixed_units_separate_tables_small_chunks_and_touched_items_excluded(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(chunked, "users_at_once", lambda *_: 7)
    left_out = excluded_items(shop, "touched")
    exported = Exported(tmp_path, MIXED, shop.training_view(), left_out)
    found = exported.ask(user_id=exported.users)
    touched = left_out.toarray()
    assert touched.sum() > exported.bought.sum()
    for user in range(len(exported.users)):
        exported.check(found, user, touched[user], user)


def test_touched_items_are_excluded_where_the_test_pairs_leak_too(tmp_path):
    dataset = make_dataset({"view": [[1, 1, 0, 0]], "buy": [[1, 0, 0, 0]]}, test=[(0, 1)])
    view = dataset.training_view()
    model = random_model(ModelConfig("bpr"), view)
    save_model(tmp_path, model, view, 4, excluded_items(dataset, "touched"))
    found = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](user_id=tf.constant(["100"]))
    assert found["num_items"].numpy() == [2]
    assert set(found["item_ids"].numpy()[0]) == {b"2", b"3", b""}


def test_items_that_nobody_is_offered_come_from_no_signature(shop, tmp_path):
    view = shop.training_view()
    offered = np.arange(40) % 2 == 0
    exported = Exported(tmp_path, GMF, view, offered=offered)
    items, user = exported.items, exported.users[4]
    hidden = exported.bought[4] | ~offered
    exported.check(exported.ask(user_id=[user]), 4, hidden)
    pair = {"user_id": [user, UNKNOWN]}
    some = exported.ask("recommend_excluding", exclude_item_ids=[[items[2]], [items[2]]], **pair)
    exported.check(some, 4, hidden | (np.arange(40) == 2))
    among = exported.ask("recommend_among", candidate_item_ids=[items[:9], items[:9]], **pair)
    exported.check(among, 4, hidden | (np.arange(40) >= 9))
    assert among["num_items"][1] == 5
    for found in (some, among, exported.ask(**pair)):
        listed = set(found["item_ids"].ravel()) - {""}
        assert listed <= {items[i] for i in range(0, 40, 2)}


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_every_method_is_served_as_it_recommends(shop, tmp_path, method):
    """Without a graph: that one is saved and loaded is the same for all."""
    view = shop.training_view()
    model = random_model(ModelConfig(method, embedding_dim=4, num_layers=1), view)
    users = np.flatnonzero(Learned.of(network(model), view).users)[:5].astype(np.int32)
    bought = masked_items(view, "test", "target")
    vocabularies = tmp_path / "users.txt", tmp_path / "items.txt"
    for path, ids in zip(vocabularies, (view.user_ids, view.item_ids), strict=True):
        path.write_text("\n".join([*ids, ""]))
    served = ServedModel(model, view, bought, 3, vocabularies)
    scorer = ModelScorer(model)
    net = scorer.network
    (found,) = Recommender(scorer).recommend(users, 3, bought, probabilities=True)
    assert list(found.probabilities) == list(net.behaviors)
    user_ids = tf.constant(view.user_ids[users].tolist())
    best = served.recommend(user_ids)
    expected = [[item.encode() for item in row] for row in view.item_ids[found.items].tolist()]
    assert best["item_ids"].numpy().tolist() == expected
    np.testing.assert_allclose(best["scores"], found.scores, rtol=1e-4, atol=1e-6)
    item_ids = tf.constant(view.item_ids[found.items[:, 0]].tolist())
    scored = served.score(user_ids, item_ids)
    assert sorted(scored) == sorted([*net.behaviors, "known"])
    for name, probabilities in found.probabilities.items():
        np.testing.assert_allclose(scored[name], probabilities[:, 0], rtol=1e-4, atol=1e-6)
    among = served.recommend_among(user_ids, item_ids[:, None])
    np.testing.assert_allclose(among["scores"][:, 0], found.scores[:, 0], rtol=1e-4, atol=1e-6)
    assert ("user_embeddings" in served.functions) == net.is_inner_product
    if net.is_inner_product:
        parts = served.user_embeddings(user_ids), served.item_embeddings(item_ids)
        products = np.sum(parts[0]["embedding"] * parts[1]["embedding"], axis=1)
        np.testing.assert_allclose(products, found.scores[:, 0], rtol=1e-4, atol=1e-6)
