"""Units against NumPy, Eq. 6 to 8."""

import numpy as np
import pytest
from keras import ops
from numpy_units import gmf_logit, mf_logit, mlp_logit, neumf_logit, separate_neumf_logit

from nmtr_tf.models.units import GMF, MF, MLP, NeuMF, Unit

E = 6
WIDTHS = (8, 4)


CASES = [
    (lambda: GMF(seed=1), gmf_logit, E),
    (lambda: MLP(WIDTHS, seed=1), mlp_logit, (2 * E * 8 + 8) + (8 * 4 + 4) + 4),
    (lambda: NeuMF(WIDTHS, seed=1), neumf_logit, (2 * E * 8 + 8) + (8 * 4 + 4) + (E + 4)),
    (MF, mf_logit, 0),
    (
        lambda: NeuMF(WIDTHS, seed=1, separate=True),
        separate_neumf_logit,
        (E * 8 + 8) + (8 * 4 + 4) + (E // 2 + 4),
    ),
]


def built(make) -> Unit:
    unit = make()
    unit.build(E)
    rng = np.random.default_rng(0)
    for weight in unit.trainable_variables:  # biases start at zero, which would hide a wrong one
        weight.assign(rng.normal(size=weight.shape))
    return unit


def score(unit, p, q):
    return np.asarray(unit.combine(unit.user_part(ops.array(p)), unit.item_part(ops.array(q))))


@pytest.fixture(params=CASES, ids=["gmf", "mlp", "neumf", "mf", "separate neumf"])
def case(request):
    make, expected, count = request.param
    return built(make), expected, count


def rows(*shape):
    return np.random.default_rng(7).normal(size=(*shape, E)).astype(np.float32)


def test_every_user_row_meets_every_item_row(case):
    unit, expected, _ = case
    p, q = rows(3), rows(5)
    by_hand = [[expected(unit, p[i], q[j]) for j in range(5)] for i in range(3)]
    np.testing.assert_allclose(score(unit, p, q), by_hand, rtol=1e-5, atol=1e-5)


def test_batches_of_positives_and_negatives_are_the_same_code(case):
    unit, expected, _ = case
    p, q = rows(4, 1), rows(4, 5)
    by_hand = [[expected(unit, p[n, 0], q[n, j]) for j in range(5)] for n in range(4)]
    logits = score(unit, p, q)
    assert logits.shape == (4, 1, 5)
    np.testing.assert_allclose(logits[:, 0], by_hand, rtol=1e-5, atol=1e-5)


def test_number_of_parameters(case):
    unit, _, count = case
    assert unit.count_params() == count


def test_costs_count_the_work_after_the_split_of_the_first_layer():
    gmf, mlp, neumf, mf, separate = (built(make) for make, *_ in CASES)
    assert gmf.pair_cost == mf.pair_cost == E
    assert mlp.pair_cost == 8 * 4 + 4
    assert neumf.pair_cost == E + 8 * 4 + 4
    assert separate.pair_cost == E // 2 + 8 * 4 + 4
    assert mlp.pair_floats == 2 * (8 + 4) + 1


def test_only_mf_and_gmf_are_inner_products_and_they_are():
    units = [built(make) for make, *_ in CASES]
    assert [unit.is_inner_product for unit in units] == [True, False, False, True, False]
    p, q = rows(3), rows(5)
    for unit in (units[0], units[3]):
        inner = np.asarray(unit.user_part(ops.array(p))) @ np.asarray(unit.item_part(ops.array(q))).T
        np.testing.assert_allclose(score(unit, p, q), inner, rtol=1e-5, atol=1e-6)


def test_one_layer_tower():
    unit = built(lambda: MLP((4,), seed=1))
    p, q = rows(1), rows(1)
    np.testing.assert_allclose(score(unit, p, q)[0, 0], mlp_logit(unit, p[0], q[0]), rtol=1e-5)


def test_initial_weights_are_he_normal_by_fan_in():
    wide = 2000
    gmf, mlp, neumf = GMF(seed=0), MLP((wide,), seed=0), NeuMF((wide,), seed=0)
    for unit in (gmf, mlp, neumf):
        unit.build(wide)
    assert np.std(gmf.h) == pytest.approx(np.sqrt(2 / wide), rel=0.05)
    assert np.std(mlp.kernels[0]) == pytest.approx(np.sqrt(2 / (2 * wide)), rel=0.01)
    assert np.std(mlp.h) == pytest.approx(np.sqrt(2 / wide), rel=0.05)
    for h in (neumf.gmf.h, neumf.mlp.h):  # one h over E + width inputs
        assert np.std(h) == pytest.approx(np.sqrt(2 / (2 * wide)), rel=0.05)
    assert not np.any(mlp.biases[0])


def test_same_seed_same_weights_and_no_two_weights_alike():
    one, two, other = (NeuMF((E, 4), seed=seed) for seed in (5, 5, 6))
    for unit in (one, two, other):
        unit.build(E)
    for a, b in zip(one.trainable_variables, two.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(np.asarray(one.gmf.h) != np.asarray(other.gmf.h))
    assert np.any(np.asarray(one.gmf.h) != np.asarray(one.mlp.kernels[0])[0, :E])


def test_dropout_acts_in_training_only_and_keeps_the_mean():
    unit = MLP((64,), dropout=0.5, seed=0)
    unit.build(E)
    parts = unit.user_part(ops.array(rows(1))), unit.item_part(ops.array(rows(4000) * 0))
    plain = np.asarray(unit.combine(*parts))
    dropped = np.asarray(unit.combine(*parts, training=True))
    np.testing.assert_array_equal(plain, np.asarray(unit.combine(*parts)))
    assert np.std(dropped) > 0
    assert np.std(plain) < 1e-6
    assert np.mean(dropped) == pytest.approx(np.mean(plain), abs=4 * np.std(dropped) / np.sqrt(4000))
