"""The table of methods, and every method's score against NumPy."""

import numpy as np
import pytest
from conftest import BEHAVIORS
from numpy_units import mlp_hidden, mlp_logit

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import PAPER_METHODS, get_method
from nmtr_tf.models.network import network

USERS, ITEMS, E = 20, 30, 8


def model_of(method, **options):
    """A model with random weights."""
    config = RunConfig().with_options(method=method, embedding_dim=E, num_layers=2, **options)
    model = build_model(resolve(config, BEHAVIORS), USERS, ITEMS, seed=0)
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


def test_the_table_is_the_papers():
    groups: dict[str, list[str]] = {}
    for method in PAPER_METHODS.values():
        groups.setdefault(method.group, []).append(method.label)
    assert groups == {
        "Single-behavior": ["BPR", "GMF", "MLP", "NeuMF"],
        "Multi-behavior": ["CMF", "MC-BPR", "MC-GMF", "MC-MLP", "MC-NeuMF"],
        "NMTR": ["NMTR-GMF", "NMTR-MLP", "NMTR-NeuMF"],
    }


def test_unknown_method():
    expected = r"`method` should be one of bpr, .*, nmtr_linear, nmtr_linear_gmf\. Received: 'svd'"
    with pytest.raises(InputError, match=expected):
        get_method("svd")


@pytest.mark.parametrize("method", PAPER_METHODS)
def test_what_a_method_predicts(method):
    everything = method == "cmf" or method.startswith("nmtr_")
    assert network(model_of(method)).behaviors == (BEHAVIORS if everything else ("buy",))


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
    assert net.behaviors == ("buy",)
    p, q = np.asarray(net.user_rows.tables[0]), np.asarray(net.item_rows.tables[0])
    users, items = np.array([0, 7, 19]), np.array([29, 4, 4])
    logits = model({"user_ids": users, "item_ids": items})
    assert set(logits) == {"buy"}
    expected = [score(net.cascade.units[0], p[u], q[i]) for u, i in zip(users, items, strict=True)]
    np.testing.assert_allclose(logits["buy"], expected, rtol=1e-4, atol=1e-5)


def test_cmf_shares_users_and_has_items_for_each_behavior():
    model = model_of("cmf")
    net = network(model)
    assert net.user_rows.shared
    assert not net.item_rows.shared
    users, items = np.array([0, 7, 19]), np.array([29, 4, 4])
    logits = model({"user_ids": users, "item_ids": items})
    for name, table in zip(BEHAVIORS, net.item_rows.tables, strict=True):
        expected = np.sum(np.asarray(net.user_rows.tables[0])[users] * np.asarray(table)[items], axis=1)
        np.testing.assert_allclose(logits[name], expected, rtol=1e-5, atol=1e-6)
    assert not network(model_of("cmf", share_embeddings=False)).user_rows.shared


@pytest.mark.parametrize("given", [None, True, False])
@pytest.mark.parametrize("method", ["bpr", "cmf", "nmtr_gmf"])
def test_item_bias_is_the_methods_own_unless_given(method, given):
    expected = method == "nmtr_gmf" if given is None else given
    net = network(model_of(method, item_bias=given))
    assert {bias.trainable for bias in net.item_rows.biases} == {expected}
