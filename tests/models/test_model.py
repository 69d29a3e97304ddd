"""The functional model: Eq. 4, 5 and 9."""

import keras
import numpy as np
import pytest
from conftest import BEHAVIORS
from test_units import gmf_logit, mlp_logit, neumf_logit

from nmtr_tf.config import ModelConfig
from nmtr_tf.errors import InputError
from nmtr_tf.models.model import build_model, network

USERS, ITEMS, E = 20, 30, 8
LOGIT = {"gmf": gmf_logit, "mlp": mlp_logit, "neumf": neumf_logit}
IDS = {"user_ids": np.array([1, 2, 19, 1], np.int32), "item_ids": np.array([5, 29, 0, 7], np.int32)}


def make(units=("gmf", "mlp", "neumf"), behaviors=BEHAVIORS, randomize=True, seed=0, **options):
    config = ModelConfig(units=tuple(units), embedding_dim=E, num_layers=2, **options)
    model = build_model(config, behaviors, USERS, ITEMS, seed)
    rng = np.random.default_rng(1)
    if randomize:
        for weight in model.trainable_variables:
            weight.assign(rng.normal(size=weight.shape))
    return model


def by_hand(model, units, user, item):
    """Eq. 9 with NumPy: one logit a behavior."""
    net, out, logits = network(model), 0.0, []
    for r, name in enumerate(units):
        p, q = np.asarray(net.user_tables[r])[user], np.asarray(net.item_tables[r])[item]
        bias = np.asarray(net.item_biases[r])[item, 0]
        out += LOGIT[name](net.cascade.units[r], p, q) + bias
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
    model = make()
    net = network(model)
    for unit in net.cascade.units[1:]:
        for weight in unit.trainable_variables:
            weight.assign(np.zeros(weight.shape))
    for bias in net.item_biases[1:]:
        bias.assign(np.zeros(bias.shape))
    outputs = model(IDS)
    for name in BEHAVIORS[1:]:
        np.testing.assert_array_equal(outputs[name], outputs["view"])


def test_tables_are_shared_or_apart():
    shared, apart = network(make()), network(make(share_embeddings=False))
    assert shared.user_tables[0] is shared.user_tables[2]
    assert shared.item_tables[0] is shared.item_tables[2]
    assert len({id(table) for table in apart.user_tables + apart.item_tables}) == 6
    assert len({id(bias) for bias in shared.item_biases}) == 3


def test_initial_values():
    net = network(make(randomize=False, embedding_stddev=0.02))
    assert np.std(net.user_tables[0]) == pytest.approx(0.02, rel=0.3)
    assert np.std(net.user_tables[0]) != np.std(net.item_tables[0])
    assert np.max(np.abs(net.user_tables[0])) <= 0.04  # truncated at two standard deviations
    assert not np.any(net.item_biases[0])


def test_same_seed_same_model():
    one, two, other = make(randomize=False), make(randomize=False), make(randomize=False, seed=1)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(one.get_weights()[0] != other.get_weights()[0])


def test_saved_and_loaded_it_is_the_same_model(tmp_path):
    model = make(dropout=0.1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, logits in model(IDS).items():
        np.testing.assert_array_equal(loaded(IDS)[name], logits)
    assert network(loaded).cascade.behaviors == BEHAVIORS
    assert network(loaded).item_tables[0] is network(loaded).item_tables[1]


def test_is_inner_product_only_where_every_unit_is():
    assert network(make(("gmf",) * 3)).is_inner_product
    assert not network(make(("gmf", "gmf", "mlp"))).is_inner_product


def test_wrong_number_of_units():
    with pytest.raises(InputError, match=r"--units should name one unit for each of the 3 .* gmf,mlp"):
        make(("gmf", "mlp"))


def test_unknown_method():
    with pytest.raises(InputError, match=r"--method should be one of bpr.*nmtr_gmf.*'svd'"):
        build_model(ModelConfig(method="svd"), BEHAVIORS, USERS, ITEMS, 0)
