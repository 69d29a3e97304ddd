"""The cascade of predictions (Eq. 9) against NumPy."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from nmtr_tf.data.order import parents_of
from nmtr_tf.models.cascade import Cascade
from nmtr_tf.models.units import GMF, MLP, NeuMF

E, NUM_USERS, NUM_ITEMS = 6, 3, 5
CHAIN = parents_of((), ("view", "share", "cart", "buy"))  # the paper's
ALONE = ((), (), (), ())
DIAMOND = ((), (0,), (0,), (1, 2))
TERMS: dict[Any, Any] = {
    CHAIN: [(0,), (0, 1), (0, 1, 2), (0, 1, 2, 3)],
    ALONE: [(0,), (1,), (2,), (3,)],
    DIAMOND: [(0,), (0, 1), (0, 2), (0, 1, 2, 3)],
    ((), (), (0, 1), (2,)): [(0,), (1,), (0, 1, 2), (0, 1, 2, 3)],
    ((), (0,), (0,), (2,)): [(0,), (0, 1), (0, 2), (0, 2, 3)],
}
NAMES = ("a", "b", "c", "d")


def make(parents):
    """A cascade of four behaviors with random weights."""
    units = [GMF(seed=1), MLP((4, 2), seed=2), NeuMF((4, 2), seed=3), GMF(seed=4)]
    rng = np.random.default_rng(0)
    for unit in units:
        unit.build(E)
        for weight in unit.trainable_variables:
            weight.assign(rng.normal(size=weight.shape))
    return Cascade(NAMES, units, parents)


def inputs(cascade):
    """User parts, item parts and biases of every behavior."""
    rng = np.random.default_rng(7)
    p, q, b = (
        [rng.normal(size=shape).astype(np.float32) for _ in NAMES]
        for shape in ((NUM_USERS, E), (NUM_ITEMS, E), (NUM_ITEMS,))
    )
    terms = range(4)
    return cascade.user_parts(map(ops.array, p), terms), cascade.item_parts(map(ops.array, q), terms), b


def own_terms(cascade, user_parts, item_parts, biases):
    """f^r + b^r of every behavior alone, float32 [NUM_USERS, NUM_ITEMS] each."""
    units = zip(cascade.units, user_parts, item_parts, biases, strict=True)
    return [np.array(unit.combine(a, b)) + bias for unit, a, b, bias in units]


@pytest.mark.parametrize("parents", TERMS)
def test_terms_are_the_behavior_and_its_ancestors_each_once(parents):
    assert [make(parents).terms(r) for r in range(4)] == TERMS[parents]


@pytest.mark.parametrize("parents", TERMS)
def test_a_logit_is_the_sum_of_its_terms_each_once(parents):
    cascade = make(parents)
    parts = inputs(cascade)
    alone = own_terms(cascade, *parts)
    logits = cascade.logits(*parts)
    for r, terms in enumerate(TERMS[parents]):
        expected = sum(alone[s] for s in terms)
        np.testing.assert_allclose(logits[r], expected, rtol=1e-5, atol=1e-5)
        some = [[part[s] for s in terms] for part in parts]
        logit = cascade.logit(*some, terms)
        np.testing.assert_array_equal(logit, logits[r])
        assert logit.shape == (NUM_USERS, NUM_ITEMS)


def test_a_diamond_counts_what_its_sides_have_in_common_once():
    """By hand: the target is the sum of four terms, not the sum of its two parents' logits."""
    cascade = make(DIAMOND)
    parts = inputs(cascade)
    first, left, right, last = own_terms(cascade, *parts)
    target = cascade.logits(*parts)[3]
    np.testing.assert_allclose(target, first + left + right + last, rtol=1e-5, atol=1e-5)
    assert np.abs(np.array(target) - (2 * first + left + right + last)).max() > 0.1
    np.testing.assert_array_equal(cascade.logit(*parts, (0, 1, 2, 3)), target)


def test_logits_of_the_chain_are_bit_for_bit_those_of_adding_up():
    """Out^r = out^{r-1} + f^r + b^r, in this order."""
    cascade = make(CHAIN)
    user_parts, item_parts, biases = inputs(cascade)
    out, units = 0.0, zip(cascade.units, user_parts, item_parts, biases, strict=True)
    for logits, (unit, a, b, bias) in zip(cascade.logits(user_parts, item_parts, biases), units, strict=True):
        out = out + unit.combine(a, b) + bias[None, :]
        np.testing.assert_array_equal(logits, out)


def test_called_on_row_pairs_it_gives_a_logit_by_behavior():
    cascade = make(DIAMOND)
    rng = np.random.default_rng(3)
    p, q, b = ([rng.normal(size=shape) for _ in NAMES] for shape in ((8, E), (8, E), (8,)))
    found = cascade(tuple([ops.array(x, "float32") for x in part] for part in (p, q, b)))
    assert list(found) == list(NAMES)
    alone = [
        np.array(
            unit.combine(unit.user_part(ops.array(x, "float32")), unit.item_part(ops.array(y, "float32")))
        )
        for unit, x, y in zip(cascade.units, p, q, strict=True)
    ]
    terms = [np.diag(scores) + bias for scores, bias in zip(alone, b, strict=True)]
    for r, name in enumerate(NAMES):
        assert found[name].shape == (8,)
        expected = sum(terms[s] for s in TERMS[DIAMOND][r])
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5)


def test_config_round_trip():
    cascade = make(DIAMOND)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cascade))
    assert (again.behaviors, again.parents) == (NAMES, DIAMOND)
    assert [type(unit) for unit in again.units] == [type(unit) for unit in cascade.units]
    assert [unit.get_config() for unit in again.units] == [unit.get_config() for unit in cascade.units]
