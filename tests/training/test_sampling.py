"""Properties of the training stream (Section III-D)."""

import functools
import warnings

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, make_dataset, make_view
from scipy import stats

from nmtr_tf.errors import InputError
from nmtr_tf.training.sampling import BehaviorBatch, PairSampler, padded


@functools.cache
def epoch(sampler, number=0):
    """The batches of one epoch as NumPy: behavior -> list of (users, positives, negatives, weights)."""
    first = number * sampler.steps_per_epoch
    steps = sampler.batches(first).take(sampler.steps_per_epoch)
    return [[tuple(x.numpy() for x in batch if x is not None) for batch in step] for step in steps]


def concatenated(steps, r):
    return [np.concatenate([step[r][i] for step in steps]) for i in range(5)]


@pytest.fixture(scope="module")
def view(shop):
    return shop.training_view()


@pytest.fixture(scope="module")
def sampler(view):
    return PairSampler(view, batch_size=64, num_negatives=4, seed=5)


def test_every_observed_pair_exactly_once_an_epoch_for_each_of_its_behaviors(view, sampler):
    for number in (0, 1):
        steps = epoch(sampler, number)
        for r, name in enumerate(BEHAVIORS):
            users, positives, *_ = concatenated(steps, r)
            seen = sorted(zip(users.tolist(), positives.tolist(), strict=True))
            assert seen == sorted(zip(*(x.tolist() for x in view.matrices[name].nonzero()), strict=True))


def test_a_step_holds_batch_size_pairs(view, sampler):
    sizes = []
    for step in epoch(sampler):
        pairs = {pair for users, positives, *_ in step for pair in zip(users, positives, strict=True)}
        sizes.append(len(pairs))
    assert sizes[:-1] == [64] * (sampler.steps_per_epoch - 1)
    assert sum(sizes) == sampler.num_pairs == len({*zip(*sum(view.matrices.values()).nonzero(), strict=True)})


def test_shapes_and_dtypes(sampler):
    for batch in next(iter(sampler.batches())):
        n = batch.user_ids.shape[0]
        assert (batch.user_ids.dtype, batch.positives.dtype, batch.negatives.dtype) == (tf.int32,) * 3
        assert batch.negative_weights.dtype == tf.float32
        assert batch.positives.shape == batch.negative_weights.shape == (n,)
        assert np.all(batch.positive_weights.numpy() == 1)
        assert batch.negatives.shape == (n, 4)


def test_negatives_are_unobserved_for_their_behavior_and_may_be_observed_for_an_auxiliary_one(view, sampler):
    auxiliary_seen = 0
    for number in range(3):
        steps = epoch(sampler, number)
        for r, name in enumerate(BEHAVIORS):
            users, _, negatives, _, weights = concatenated(steps, r)
            matrix = view.matrices[name].toarray()
            assert not matrix[users[:, None], negatives].any()
            assert np.all(weights == 1)
            if r:
                auxiliary_seen += view.matrices["view"].toarray()[users[:, None], negatives].sum()
    assert auxiliary_seen > 0


def test_number_of_instances(view, sampler):
    rows = sum(matrix.nnz for matrix in view.matrices.values())
    assert sampler.num_instances == 5 * rows
    assert sum(len(batch[0]) for step in epoch(sampler) for batch in step) == rows


def test_some_behaviors_only(view):
    sampler = PairSampler(view, batch_size=64, num_negatives=4, seed=5, behaviors=("cart", "buy"))
    steps = epoch(sampler)
    for r, name in enumerate(("cart", "buy")):
        users, positives, negatives, *_ = concatenated(steps, r)
        matrix = view.matrices[name]
        seen = sorted(zip(users.tolist(), positives.tolist(), strict=True))
        assert seen == sorted(zip(*(x.tolist() for x in matrix.nonzero()), strict=True))
        assert not matrix.toarray()[users[:, None], negatives].any()
    union = view.matrices["cart"] + view.matrices["buy"]
    assert sampler.num_pairs == union.nnz < len({*zip(*sum(view.matrices.values()).nonzero(), strict=True)})


def test_nothing_to_train_on():
    view = make_view({"view": [[0, 0]], "buy": [[1, 0]]})
    with pytest.raises(InputError, match="no training rows of view"):
        PairSampler(view, 8, 2, 0, behaviors=("view",))


def observe(num_items, observed):
    row = np.zeros((1, num_items), int)
    row[0, list(observed)] = 1
    return make_view({"buy": row})


@pytest.mark.parametrize(
    ("num_items", "observed"),
    [
        (30, {0, 1, 2, 7, 29}),
        (30, {15}),
        (1000, set(range(1000)) - {0, 3, 4, 500, 501, 502, 777, 990, 998, 999}),  # has seen 99 %
        (5, {0, 1, 3, 4}),  # one item left
    ],
)
def test_negatives_are_uniform(num_items, observed):
    sampler = PairSampler(observe(num_items, observed), batch_size=len(observed), num_negatives=4, seed=1)
    steps = -(-8000 // (4 * len(observed)))
    drawn = [batch.negatives.numpy() for (batch,) in sampler.batches().take(steps)]
    counts = np.bincount(np.concatenate(drawn).ravel(), minlength=num_items)
    assert not counts[list(observed)].any()
    left = sorted(set(range(num_items)) - observed)
    if len(left) > 1:
        assert stats.chisquare(counts[left]).pvalue > 1e-3
    assert counts[left].sum() == counts.sum() >= 8000


def test_a_user_who_has_seen_everything_gets_no_negatives_and_one_warning():
    view = make_view({"view": [[1, 1, 1], [1, 0, 0]], "buy": [[1, 0, 0], [1, 0, 0]]})
    with pytest.warns(UserWarning, match="no negatives: 1 for view") as caught:
        sampler = PairSampler(view, batch_size=8, num_negatives=2, seed=0)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        views, buys = next(iter(sampler.batches()))
    full = views.user_ids.numpy() == 0
    assert full.sum() == 3
    assert np.array_equal(views.negative_weights.numpy(), np.where(full, 0, 1))
    assert np.all((views.negatives.numpy() >= 0) & (views.negatives.numpy() < 3))
    assert np.all(buys.negative_weights.numpy() == 1)


def equal(one, two):
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(two), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_same_seed_same_stream_and_other_seed_another(view, sampler):
    again, other = (PairSampler(view, 64, 4, seed) for seed in (5, 6))
    assert equal(epoch(sampler), epoch(again))
    assert not np.array_equal(epoch(sampler)[0][0][1], epoch(other)[0][0][1])


def test_another_epoch_another_stream(sampler):
    first, second = epoch(sampler, 0), epoch(sampler, 1)
    assert not np.array_equal(first[0][0][1], second[0][0][1])
    by_pair = [
        dict(zip(zip(u.tolist(), i.tolist(), strict=True), map(tuple, n.tolist()), strict=True))
        for u, i, n, *_ in (concatenated(first, 0), concatenated(second, 0))
    ]
    assert any(by_pair[0][pair] != by_pair[1][pair] for pair in by_pair[0])


def test_an_epoch_can_start_at_any_step(sampler):
    whole = list(sampler.batches().take(sampler.steps_per_epoch + 2))
    resumed = list(sampler.batches(first_step=3).take(sampler.steps_per_epoch - 1))
    assert equal(whole[3:], resumed)


def test_negatives_differ_between_behaviors(view, sampler):
    views, carts, _ = epoch(sampler)[0]
    where = {(u, i): n for u, i, n in zip(views[0], views[1], views[2].tolist(), strict=True)}
    shared = [(where[u, i], n) for u, i, n in zip(carts[0], carts[1], carts[2].tolist(), strict=True)]
    assert shared
    assert any(a != b for a, b in shared)


def test_capacities_hold_nearly_every_step(shop):
    sampler = PairSampler(shop.training_view(), batch_size=64, num_negatives=2, seed=0)
    rows = np.array([[len(b.user_ids) for b in step] for step in sampler.batches().take(200)])
    assert (rows <= sampler.capacities).mean() > 0.999


def test_capacities_by_hand(view):
    sampler = PairSampler(view, batch_size=64, num_negatives=2, seed=0)
    # 64 pairs of which all, a half or a tenth have the behavior: mean 64, 32, 6.4, deviation 0, 4, 2.4.
    sampler.num_pairs = 1000
    sampler.num_positives = np.array([1000, 500, 100])
    assert sampler.capacities == (64, 56, 24)  # 52 and 18.4 and a multiple of 8
    sampler.num_pairs, sampler.num_positives = 20, np.array([20, 10, 2])
    assert max(sampler.capacities) == 20  # there are no more pairs


def test_a_behavior_without_a_row_left_is_padded_as_others_are():
    """Seen on held-out pairs alone, nothing of it is left under strict."""
    dataset = make_dataset({"cart": [[0, 0, 1], [0, 0, 0]], "buy": [[1, 1, 0], [1, 0, 1]]}, test=[(0, 2)])
    sampler = PairSampler(dataset.training_view((), "strict"), batch_size=64, num_negatives=1, seed=0)
    assert sampler.num_positives.tolist() == [0, 4]
    assert min(sampler.capacities) > 0


@pytest.mark.parametrize(("capacity", "rows"), [(5, 5), (3, 3), (2, 4)])
def test_padded_rows_have_no_weight(capacity, rows):
    batch = BehaviorBatch(
        tf.constant([7, 8, 9]), tf.constant([1, 2, 3]), tf.ones([3, 2], tf.int32), tf.ones([3]), tf.ones([3])
    )
    wide = padded(batch, capacity)
    assert wide.negatives.shape == (rows, 2)
    assert wide.user_ids.numpy().tolist()[:3] == [7, 8, 9]
    for weights in (wide.positive_weights, wide.negative_weights):
        assert weights.numpy().tolist() == [1, 1, 1, 0, 0][:rows]
    nothing = batch.map_rows(lambda part: part[:0])
    assert padded(nothing, capacity).positive_weights.numpy().tolist() == [0] * capacity
