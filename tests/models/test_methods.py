"""The table of methods; every method's score and loss against NumPy, and one epoch of each end to end."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS
from test_units import mlp_hidden, mlp_logit

from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.ranking import ModelScorer, rank_held_out
from nmtr_tf.models.methods import METHODS, get_method, has_item_bias, predicted_behaviors, shares_items
from nmtr_tf.models.model import build_model, network
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.recommendation import Recommender
from nmtr_tf.training.learners import behavior_loss
from nmtr_tf.training.sampling import BehaviorBatch, make_sampler
from nmtr_tf.training.stages import make_stages
from nmtr_tf.training.trainer import train

USERS, ITEMS, E = 20, 30, 8
BASELINES = [name for name, method in METHODS.items() if method.group != "NMTR"]


def model_of(method, **options):
    """A model with random weights."""
    config = ModelConfig(method, embedding_dim=E, num_layers=2, **options)
    model = build_model(config, BEHAVIORS, USERS, ITEMS, seed=0)
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


def test_the_table_is_the_papers():
    groups: dict[str, list[str]] = {}
    for method in METHODS.values():
        groups.setdefault(method.group, []).append(method.label)
    assert groups == {
        "Single-behavior": ["BPR", "GMF", "MLP", "NeuMF"],
        "Multi-behavior": ["CMF", "MC-BPR", "MC-GMF", "MC-MLP", "MC-NeuMF"],
        "NMTR": ["NMTR-GMF", "NMTR-MLP", "NMTR-NeuMF"],
    }


def test_unknown_method():
    with pytest.raises(InputError, match=r"--method should be one of bpr, .*, nmtr_neumf\. Received: 'svd'"):
        get_method("svd")


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_predicts(method):
    everything = method == "cmf" or method.startswith("nmtr_")
    assert predicted_behaviors(ModelConfig(method), BEHAVIORS) == (BEHAVIORS if everything else ("buy",))


def mf_score(unit, p, q):
    return np.dot(p, q)


def gmf_score(unit, p, q):
    return np.sum(np.asarray(unit.h) * p * q)


def neumf_score(unit, p, q):
    h = np.concatenate([np.asarray(unit.gmf.h), np.asarray(unit.mlp.h)])
    return np.dot(h, np.concatenate([p * q, mlp_hidden(unit.mlp, p, q)]))


def separate_neumf_score(unit, p, q):
    """GMF on the first halves, MLP on the second."""
    assert p.shape == q.shape == (2 * E,)
    return gmf_score(unit.gmf, p[:E], q[:E]) + mlp_logit(unit.mlp, p[E:], q[E:])


SCORES = {
    "bpr": (mf_score, {}),
    "gmf": (gmf_score, {}),
    "mlp": (mlp_logit, {}),
    "neumf": (separate_neumf_score, {}),
    "neumf, shared": (neumf_score, {"share_embeddings": True}),
    "mc_bpr": (mf_score, {}),
    "mc_gmf": (gmf_score, {}),
    "mc_mlp": (mlp_logit, {}),
    "mc_neumf": (neumf_score, {}),
    "mc_neumf, separate": (separate_neumf_score, {"share_embeddings": False}),
}


@pytest.mark.parametrize("case", SCORES)
def test_score_of_a_method_that_predicts_the_target(case):
    score, options = SCORES[case]
    model = model_of(case.split(",")[0], **options)
    net = network(model)
    assert net.cascade.behaviors == ("buy",)
    p, q = np.asarray(net.user_tables[0]), np.asarray(net.item_tables[0])
    users, items = np.array([0, 7, 19]), np.array([29, 4, 4])
    logits = model({"user_ids": users, "item_ids": items})
    assert set(logits) == {"buy"}
    expected = [score(net.cascade.units[0], p[u], q[i]) for u, i in zip(users, items, strict=True)]
    np.testing.assert_allclose(logits["buy"], expected, rtol=1e-4, atol=1e-5)


def test_cmf_shares_users_and_has_items_for_each_behavior():
    model = model_of("cmf")
    net = network(model)
    assert net.user_tables[0] is net.user_tables[2]
    tables = [np.asarray(table) for table in net.item_tables]
    users, items = np.array([0, 7, 19]), np.array([29, 4, 4])
    logits = model({"user_ids": users, "item_ids": items})
    for name, q in zip(BEHAVIORS, tables, strict=True):
        expected = np.sum(np.asarray(net.user_tables[0])[users] * q[items], axis=1)
        np.testing.assert_allclose(logits[name], expected, rtol=1e-5, atol=1e-6)
    apart = network(model_of("cmf", share_embeddings=False))
    assert apart.user_tables[0] is not apart.user_tables[2]
    assert not shares_items(ModelConfig("cmf", share_embeddings=True))


def loss_by_hand(kind, positives, negatives, weights):
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    if kind == "bpr":
        return -np.sum(weights[:, None] * np.log(sigmoid(positives[:, None] - negatives)))
    if kind == "squared":
        return np.sum((1 - positives) ** 2) + np.sum(weights[:, None] * negatives**2)
    return -np.sum(np.log(sigmoid(positives))) - np.sum(weights[:, None] * np.log(1 - sigmoid(negatives)))


@pytest.mark.parametrize("method", [*BASELINES, "nmtr_gmf"])
def test_loss_of_a_method(method):
    """Of each predicted behavior, through the functional model's logits."""
    model, config = model_of(method), ModelConfig(method)
    (stage,) = make_stages(config, TrainingConfig(), predicted_behaviors(config, BEHAVIORS))
    batch = BehaviorBatch(
        tf.constant([3, 3, 11]),
        tf.constant([1, 2, 29]),
        tf.constant([[5, 6], [7, 8], [9, 1]]),
        tf.ones([3]),
        tf.constant([1.0, 0.0, 1.0]),
    )
    items = np.concatenate([batch.positives.numpy()[:, None], batch.negatives.numpy()], axis=1)
    ids = {"user_ids": np.repeat(batch.user_ids, 3), "item_ids": items.ravel()}
    for r, name in enumerate(stage.behaviors):
        logits = np.asarray(model(ids)[name], np.float64).reshape(3, 3)
        expected = loss_by_hand(stage.loss, logits[:, 0], logits[:, 1:], np.array([1, 0, 1]))
        assert float(behavior_loss(network(model), r, batch, stage.loss)) == pytest.approx(expected, rel=1e-4)


def test_a_method_for_the_target_trains_on_its_pairs_and_cmf_on_all(shop):
    view, training = shop.training_view(), TrainingConfig(batch_size=64)
    for method, behaviors in (("gmf", ("buy",)), ("mc_gmf", ("buy",)), ("cmf", BEHAVIORS)):
        sampler = make_sampler(view, ModelConfig(method), training, behaviors)
        assert sampler.num_instances == 5 * sum(view.matrices[name].nnz for name in behaviors)
        (first, *_) = sampler.batches().take(1)
        assert len(first) == len(behaviors)
    assert make_sampler(view, ModelConfig("gmf"), training, ("buy",)).num_pairs == view.target.nnz


def test_multi_channel_negatives_are_mostly_what_was_not_bought_but_viewed(shop):
    view = shop.training_view()
    shares = {}
    for method in ("bpr", "mc_bpr"):
        training = TrainingConfig(batch_size=10**6, beta=0.1)
        ((batch,),) = make_sampler(view, ModelConfig(method), training, ("buy",)).batches().take(1)
        users = batch.user_ids.numpy()[:, None]
        assert not view.target.toarray()[users, batch.negatives].any()
        touched = view.matrices["view"].toarray() | view.matrices["cart"].toarray()
        shares[method] = touched[users, batch.negatives].mean()
    assert shares["mc_bpr"] > 0.7 > 0.5 > shares["bpr"]


@pytest.mark.parametrize("given", [None, True, False])
@pytest.mark.parametrize("method", ["bpr", "cmf", "nmtr_gmf"])
def test_item_bias_is_the_methods_own_unless_given(method, given):
    model = model_of(method, item_bias=given)
    expected = method == "nmtr_gmf" if given is None else given
    assert has_item_bias(ModelConfig(method, item_bias=given)) == expected
    assert all(bias.trainable == expected for bias in network(model).item_biases)


@pytest.fixture(scope="module")
def tiny():
    return RunConfig(
        model=ModelConfig(embedding_dim=4, num_layers=1),
        training=TrainingConfig(num_epochs=1, batch_size=256, learning_rate=0.05, monitor="NDCG@10"),
        evaluation=EvaluationConfig(ks=(10,)),
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_is_saved_ranks_and_serves(shop, tmp_path, tiny, method):
    view = shop.training_view()
    config = dataclasses.replace(tiny, model=dataclasses.replace(tiny.model, method=method))
    model = build_model(config.model, view.behaviors, view.num_users, view.num_items, 0)
    before = [np.array(weight) for weight in model.trainable_variables]
    (logs,) = train(model, view, config).history
    assert {f"train/loss_{name}" for name in network(model).cascade.behaviors} <= set(logs)
    for old, weight in zip(before, model.trainable_variables, strict=True):
        assert np.any(old != np.array(weight))
    assert all(bias.trainable or not np.any(bias) for bias in network(model).item_biases)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    ranks, again = (
        rank_held_out(ModelScorer(one), view, "test", config.evaluation).ranks for one in (model, loaded)
    )
    np.testing.assert_array_equal(ranks, again)

    users = np.arange(5, dtype=np.int32)
    (found,) = Recommender(ModelScorer(model)).recommend(users, 3, probabilities=True)
    assert set(found.probabilities) == set(network(model).cascade.behaviors)
    signatures = save_model(tmp_path / "served", model, view, 3, view.target)
    assert ("user_embeddings" in signatures) == network(model).is_inner_product
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    ids = [str(view.user_ids[user]) for user in users], [str(view.item_ids[i]) for i in found.items[:, 0]]
    scored = served["score"](user_id=tf.constant(ids[0]), item_id=tf.constant(ids[1]))
    for name, probabilities in found.probabilities.items():
        np.testing.assert_allclose(scored[name], probabilities[:, 0], rtol=1e-4, atol=1e-6)
    if network(model).is_inner_product:
        parts = [
            served[f"{kind}_embeddings"](**{f"{kind}_id": tf.constant(some)})["embedding"].numpy()
            for kind, some in zip(("user", "item"), ids, strict=True)
        ]
        np.testing.assert_allclose(np.sum(parts[0] * parts[1], axis=1), found.scores[:, 0], rtol=1e-4)
