"""The functional model: Eq. 4, 5 and 9."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS
from numpy_units import gmf_logit, mlp_logit, neumf_logit

from nmtr_tf.config import RunConfig
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.models.network import network

USERS, ITEMS, E = 20, 30, 8
LOGIT = {"gmf": gmf_logit, "mlp": mlp_logit, "neumf": neumf_logit}
IDS = {"user_ids": np.array([1, 2, 19, 1], np.int32), "item_ids": np.array([5, 29, 0, 7], np.int32)}


def new_model(units=("gmf", "mlp", "neumf"), behaviors=BEHAVIORS, randomize=True, seed=0, **options):
    options = {"embedding_dim": E, "num_layers": 2, "units": tuple(units)} | options
    plan = resolve(RunConfig().with_options(**options), behaviors)
    model = build_model(plan, USERS, ITEMS, seed)
    rng = np.random.default_rng(1)
    if randomize:
        for weight in model.trainable_variables:
            weight.assign(rng.normal(size=weight.shape))
    return model


make = functools.cache(new_model)  # for tests that only look


def by_hand(model, units, user, item):
    """Eq. 9 with NumPy: one logit a behavior."""
    net, out, logits = network(model), 0.0, []
    for r, name in enumerate(units):
        p, q = np.asarray(net.user_rows.tables[r])[user], np.asarray(net.item_rows.tables[r])[item]
        out += LOGIT[name](net.cascade.units[r], p, q) + np.asarray(net.item_rows.biases[r])[item]
        logits.append(out)
    return logits


@pytest.mark.parametrize("units", [("gmf",) * 3, ("mlp",) * 3, ("neumf",) * 3, ("gmf", "mlp", "neumf")])
@pytest.mark.parametrize("share", [True, False])
def test_logits_are_the_cascade(units, share):
    model = make(units, share_embeddings=share)
    outputs = model(IDS)
    for n, (user, item) in enumerate(zip(*IDS.values(), strict=True)):
        expected = by_hand(model, units, user, item)
        for r, name in enumerate(BEHAVIORS):
            assert float(outputs[name][n]) == pytest.approx(expected[r], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("num_behaviors", [1, 2, 5])
def test_any_number_of_behaviors(num_behaviors):
    behaviors = tuple(f"b{r}" for r in range(num_behaviors))
    outputs = make(("gmf",) * num_behaviors, behaviors)(IDS)
    assert set(outputs) == set(behaviors)
    assert all(logits.shape == (4,) and logits.dtype == "float32" for logits in outputs.values())


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        ("gmf", E),
        ("mlp", (2 * E * E + E) + (E * 4 + 4) + 4),
        ("neumf", (2 * E * E + E) + (E * 4 + 4) + E + 4),
    ],
)
def test_number_of_parameters(unit, size):
    per_behavior = 3 * (ITEMS + size)
    assert make((unit,) * 3).count_params() == (USERS + ITEMS) * E + per_behavior
    assert make((unit,) * 3, share_embeddings=False).count_params() == 3 * (USERS + ITEMS) * E + per_behavior


def test_without_later_units_and_biases_every_logit_is_the_first():
    model = new_model()
    net = network(model)
    for unit in net.cascade.units[1:]:
        for weight in unit.trainable_variables:
            weight.assign(np.zeros(weight.shape))
    for bias in net.item_rows.biases[1:]:
        bias.assign(np.zeros(bias.shape))
    outputs = model(IDS)
    for name in BEHAVIORS[1:]:
        np.testing.assert_array_equal(outputs[name], outputs["view"])


def test_tables_are_shared_or_apart():
    shared, apart = network(make()), network(make(share_embeddings=False))
    assert len({id(table) for rows in (shared.user_rows, shared.item_rows) for table in rows.tables}) == 2
    assert len({id(table) for rows in (apart.user_rows, apart.item_rows) for table in rows.tables}) == 6
    assert len({id(bias) for bias in shared.item_rows.biases}) == 3


def test_initial_values():
    net = network(make(randomize=False, embedding_stddev=0.02))
    users, items = np.array(net.user_rows.tables[0]), np.array(net.item_rows.tables[0])
    assert np.std(users) == pytest.approx(0.02, rel=0.3)
    assert np.std(users) != np.std(items)
    assert np.max(np.abs(users)) <= 0.04  # truncated at two standard deviations
    assert not np.any(net.item_rows.biases[0])


def test_same_seed_same_model():
    one, two, other = (new_model(randomize=False, seed=seed) for seed in (0, 0, 1))
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(one.get_weights()[0] != other.get_weights()[0])


def test_saved_and_loaded_it_is_the_same_model(tmp_path):
    model = make(dropout=0.1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, logits in model(IDS).items():
        np.testing.assert_array_equal(loaded(IDS)[name], logits)
    assert network(loaded).behaviors == BEHAVIORS
    assert network(loaded).item_rows.shared
    assert [unit.get_config() for unit in network(loaded).cascade.units] == [
        unit.get_config() for unit in network(model).cascade.units
    ]


def test_is_inner_product_only_where_every_unit_is():
    assert network(make(("gmf",) * 3)).is_inner_product
    assert not network(make(("gmf", "gmf", "mlp"))).is_inner_product


def test_has_one_product_only_where_all_behaviors_have_one_item_table_besides():
    assert network(make(("gmf",) * 3)).has_one_product
    assert not network(make(("gmf",) * 3, share_embeddings=False)).has_one_product
    assert not network(make(("mf",) * 3, method="cmf")).has_one_product
    assert not network(make(("mlp",) * 3)).has_one_product


@pytest.mark.parametrize("share", [True, False])
def test_the_parts_of_a_model_give_its_logits(share):
    """What ranking, training and export compute, for every user with every item."""
    model = make(share_embeddings=share)
    net, users = network(model), np.array([3, 11], np.int32)
    pairs = {"user_ids": np.repeat(users, ITEMS), "item_ids": np.tile(np.arange(ITEMS, dtype=np.int32), 2)}
    expected = model(pairs)
    everything = tf.range(ITEMS)
    for r, name in enumerate(net.behaviors):
        terms = net.cascade.terms(r)
        user_parts, item_parts = net.user_parts(users, terms), net.all_item_parts(terms)
        logits = net.cascade.logit(user_parts, item_parts, net.item_rows.all_biases(terms), terms)
        np.testing.assert_allclose(np.ravel(logits), expected[name], rtol=1e-5, atol=1e-5)
        for one, other in zip(item_parts, net.item_parts(everything, terms), strict=True):
            np.testing.assert_array_equal(one, other)


def test_behaviors_may_have_any_name(tmp_path):
    """Layers are not called by it, as Keras does not let a layer's name have a slash."""
    behaviors = ("view", "add/cart", "buy it: now!", "Gefällt mir")
    model = make(("gmf", "mlp", "gmf", "neumf"), behaviors)
    outputs = model(IDS)
    assert set(outputs) == set(behaviors)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name in behaviors:
        np.testing.assert_array_equal(loaded(IDS)[name], outputs[name])


def test_a_model_of_another_kind_has_no_such_parts():
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"should come from `build_model`: it has no layer 'user_rows'"):
        network(plain)
