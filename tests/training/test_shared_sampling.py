"""Negatives that all pairs of a step share."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS
from scipy import sparse

from nmtr_tf.errors import InputError
from nmtr_tf.training.sampling import PairSampler
from nmtr_tf.training.shared_sampling import SharedSampler


@pytest.fixture(scope="module")
def view(shop):
    return shop.training_view()


def make(view, num_negatives=6, behaviors=BEHAVIORS, in_batch=True, batch_size=64, seed=5):
    return SharedSampler(view, batch_size, num_negatives, seed, behaviors, in_batch)


def steps_of(sampler, count=None):
    return [sampler.sample(tf.constant(step, tf.int64)) for step in range(count or sampler.steps_per_epoch)]


def test_pairs_and_their_order_are_those_of_the_other_stream(view):
    other = PairSampler(view, 64, 6, 5)
    for step, found in enumerate(steps_of(make(view))):
        for one, plain in zip(found, other.sample(tf.constant(step, tf.int64)), strict=True):
            np.testing.assert_array_equal(one.user_ids, plain.user_ids)
            np.testing.assert_array_equal(one.positives, plain.positives)


@pytest.mark.parametrize("in_batch", [True, False])
def test_weights_and_hits_are_those_counted_by_hand(view, in_batch):
    sampler = make(view, in_batch=in_batch)
    for step in steps_of(sampler):
        num_pairs = len(np.unique(np.concatenate([p.user_ids * 1000 + p.positives for p in step])))
        for name, part in zip(BEHAVIORS, step, strict=True):
            matrix, items = view.matrices[name].toarray() > 0, part.items.numpy()
            assert len(set(items)) == len(items)
            assert items.min() >= 0
            assert items.max() < view.num_items
            uniform = items[:6]  # they come first
            if in_batch:
                assert set(items) == {*uniform, *part.positives.numpy()}
                drawn = np.bincount(part.positives, minlength=view.num_items)[items] + np.isin(items, uniform)
                share = (num_pairs - 1) / (sampler.num_pairs - 1)
                expected = 6 / view.num_items + share * matrix.sum(axis=0)[items]
                np.testing.assert_allclose(part.weights, drawn / expected, rtol=1e-5)
            else:
                assert len(items) == 6
                np.testing.assert_array_equal(part.weights, np.ones(6))
            hits = np.zeros((len(part.user_ids), len(items)), bool)
            hits[tuple(part.hits.numpy().T)] = True
            np.testing.assert_array_equal(hits, matrix[part.user_ids.numpy()][:, items])


def test_uniform_negatives_are_uniform(view):
    steps = make(view, in_batch=False).batches().take(300).as_numpy_iterator()
    parts = [part for step in steps for part in step]
    counts = np.bincount(np.concatenate([part.items for part in parts]), minlength=view.num_items)
    mean = 6 * len(parts) / view.num_items
    assert np.abs(counts - mean).max() < 5 * np.sqrt(mean)


def test_the_same_seed_gives_the_same_stream_from_any_step(view):
    first = list(make(view).batches().take(4))
    later = next(iter(make(view).batches(3)))
    for one, other in zip(first[3], later, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[3][0].items, steps_of(make(view, seed=6), 4)[3][0].items)
    assert not np.array_equal(first[3][0].items[:6], first[3][1].items[:6])  # each behavior has its own


def test_no_more_negatives_than_items_and_steps_of_one_pair(view):
    for part in steps_of(make(view, num_negatives=10**6, in_batch=False), 1)[0]:
        assert sorted(part.items.numpy()) == list(range(view.num_items))
    for step in steps_of(make(view, batch_size=1), 5):
        for part in step:
            others = ~np.isin(part.items, part.positives)
            np.testing.assert_allclose(part.weights.numpy()[others], view.num_items / 6, rtol=1e-5)


def test_it_is_refused_where_there_is_nothing_to_learn(view):
    nothing = dataclasses.replace(view, matrices={"cart": sparse.csr_array(view.target.shape, dtype=np.int8)})
    with pytest.raises(InputError, match=r"^There are no training rows of cart\.$"):
        make(nothing, behaviors=("cart",))
    assert make(view).capacities == ()
