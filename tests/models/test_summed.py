"""The sum of a cascade of embeddings and a linear part."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS
from numpy_pooled import ALPHA, DONE, HALF_LIFE, ITEMS, USERS, VIEW, E, plain_vectors, plain_weights

from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model, without_linear
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.models.summed import SummedRows

KINDS = [("history", "own"), ("history", "shared"), ("both", "own")]
WEIGHT = 2.5


GATES = dict(zip(BEHAVIORS, (0.5, 2.0, 0.7), strict=True))


def model_of(
    user_rows: str, history_items: str, gates: tuple[float, ...] = (), half_life: float = 0.0
) -> keras.Model:
    """With random weights, those of the linear part too."""
    own = {"user_rows": user_rows, "history_items": history_items, "history_alpha": ALPHA}
    own |= {"history_half_life": half_life, "linear_gates": gates}
    plan = resolve(RunConfig().with_options(method="nmtr_linear_gmf", embedding_dim=E, **own), BEHAVIORS)
    model = build_model(plan, USERS, ITEMS, 0, histories_of(VIEW), times_of(VIEW, plan))
    rng, net = np.random.default_rng(1), network(model)
    for weight in [*model.trainable_variables, *net.user_rows.item_weights]:
        weight.assign(rng.normal(size=weight.shape))
    net.cascade.units[-1].linear_weight.assign(WEIGHT)
    return model


@pytest.fixture(scope="module", params=KINDS, ids=str)
def model(request) -> keras.Model:
    return model_of(*request.param)


def plain_logits(model: keras.Model, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Of every user and item, behavior by behavior: Eq. 9, and the linear part for the target.

    `weights` [USERS, ITEMS] are those of the items of histories; None: 1 each.
    """
    net = network(model)
    assert isinstance(net.user_rows, SummedRows)
    p, q = plain_vectors(net.user_rows.pooled, weights=weights), np.array(net.item_rows.tables[0])
    *units, last = net.cascade.units
    logits, out = {}, np.zeros((USERS, ITEMS))
    for name, unit, bias in zip(BEHAVIORS, [*units, last.unit], net.item_rows.biases, strict=True):
        out = out + (p * np.array(unit.h)) @ q.T + np.array(bias)
        logits[name] = out
    touched = np.any(list(DONE.values()), axis=0).astype(float)
    touched = touched if weights is None else weights
    logits[BEHAVIORS[-1]] = out + WEIGHT * touched @ np.array(net.user_rows.item_weights[0])
    return logits


PAIRS = tuple(x.ravel().astype(np.int32) for x in np.indices((USERS, ITEMS)))


def test_logits_are_the_sums(model):
    found = model({"user_ids": PAIRS[0], "item_ids": PAIRS[1]})
    for name, expected in plain_logits(model).items():
        np.testing.assert_allclose(found[name], expected.ravel(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("behavior", [BEHAVIORS[0], BEHAVIORS[-1]])
def test_ranking_is_by_the_sums(model, behavior):
    scorer = ModelScorer(model, behavior)
    scores = scorer.scores(tf.range(USERS), scorer.item_side())
    np.testing.assert_allclose(scores, plain_logits(model)[behavior], rtol=1e-3, atol=1e-4)


def test_without_the_linear_part_it_is_the_cascade(model):
    """Of the same variables, and the linear ones are none of them."""
    part = without_linear(model)
    found = part({"user_ids": PAIRS[0], "item_ids": PAIRS[1]})
    linear = np.any(list(DONE.values()), axis=0) @ np.array(network(model).user_rows.item_weights[0])
    expected = plain_logits(model)
    expected[BEHAVIORS[-1]] -= WEIGHT * linear
    for name in BEHAVIORS:
        np.testing.assert_allclose(found[name], expected[name].ravel(), rtol=1e-3, atol=1e-4)
    ids = [{id(v) for v in one.trainable_variables} for one in (part, model)]
    assert ids[0] == ids[1]
    assert not any(tuple(v.shape) == (ITEMS, ITEMS) for v in part.variables)


def test_old_items_of_a_history_weigh_less_in_both_parts():
    model = model_of(*KINDS[0], half_life=HALF_LIFE)
    found = model({"user_ids": PAIRS[0], "item_ids": PAIRS[1]})
    for name, expected in plain_logits(model, plain_weights()).items():
        np.testing.assert_allclose(found[name], expected.ravel(), rtol=1e-3, atol=1e-4)


def test_gates_weigh_the_history_of_the_linear_part_alone():
    model, gated = model_of(*KINDS[0]), model_of(*KINDS[0], tuple(GATES.values()))
    rows, weighed = np.zeros((USERS, ITEMS)), plain_logits(model)
    for name, gate in GATES.items():  # the strongest is the last
        rows[DONE[name]] = gate
    touched = np.any(list(DONE.values()), axis=0)
    weighed[BEHAVIORS[-1]] += WEIGHT * (rows - touched) @ np.array(network(gated).user_rows.item_weights[0])
    found = gated({"user_ids": PAIRS[0], "item_ids": PAIRS[1]})
    for name, expected in weighed.items():
        np.testing.assert_allclose(found[name], expected.ravel(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", [*KINDS, (*KINDS[0], tuple(GATES.values()), HALF_LIFE)], ids=str)
def test_saved_and_loaded_it_is_the_same_model(kind, tmp_path):
    model = model_of(*kind)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    ids = {"user_ids": PAIRS[0], "item_ids": PAIRS[1]}
    for name, logits in model(ids).items():
        np.testing.assert_array_equal(loaded(ids)[name], logits)
    assert len(loaded.weights) == len(model.weights)
    net = network(loaded)
    is_shared = net.user_rows.pooled.items.tables[0] is net.item_rows.tables[0]
    assert is_shared == (kind[1] == "shared")
