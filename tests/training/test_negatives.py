"""Negatives of Multi-Channel BPR: which channel, which item. `test_sampling` has the uniform ones."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view
from scipy import stats

from nmtr_tf.training.negatives import MultiChannel

# User 0: items 0 to 3 viewed, 2 and 3 carted, 3 bought, 4 to 7 untouched. User 1 only bought, user 2 only
# carted, user 3 has viewed or carted everything, user 4 has bought everything.
VIEW = make_view(
    {
        "view": [[1, 1, 1, 1, 0, 0, 0, 0], [0] * 8, [0] * 8, [1] * 6 + [0] * 2, [0] * 8],
        "cart": [[0, 0, 1, 1, 0, 0, 0, 0], [0] * 8, [1] + [0] * 7, [0] * 6 + [1] * 2, [0] * 8],
        "buy": [[0, 0, 0, 1, 0, 0, 0, 0], [0, 1] + [0] * 6, [0] * 8, [0, 0, 0, 0, 0, 1, 0, 0], [1] * 8],
    }
)
# Views without a purchase: items 0, 1, 2 of user 0 and five of user 3; carts: one, one and two.
NUM_VIEWS, NUM_CARTS = 8, 4
BETA = 0.25


def drawn(user, beta=BETA, weights=(1 / 3, 1 / 2), count=8000, view=VIEW):
    """Counts of the items drawn for a user, int [num_items], and whether there were any to draw."""
    sampler = MultiChannel(view, beta, weights)
    users = tf.fill([count // 4], user)
    items, available = sampler.draw(users, 4, tf.constant([7, 1], tf.int64))
    assert items.shape == (count // 4, 4)
    assert items.dtype == tf.int32
    return np.bincount(items.numpy().ravel(), minlength=view.num_items), available.numpy()


def expected_of_user_0(beta, view_weight, cart_weight):
    views, carts = NUM_VIEWS * view_weight, NUM_CARTS * cart_weight
    of_view, of_cart = (1 - beta) * np.array([views, carts]) / (views + carts)
    shares = np.zeros(8)
    shares[:3] += of_view / 3
    shares[2] += of_cart
    shares[4:] += beta / 4
    return shares


@pytest.mark.parametrize(
    ("beta", "weights"),
    [(BETA, (1 / 3, 1 / 2)), (0.6, (1 / 3, 1 / 2)), (BETA, (2.0, 0.5)), (BETA, (0.0, 1.0))],
)
def test_channels_come_in_proportion_to_entries_and_weights(beta, weights):
    counts, available = drawn(0, beta, weights)
    expected = expected_of_user_0(beta, *weights)
    possible = expected > 0
    assert counts[~possible].sum() == 0  # never what was bought
    assert stats.chisquare(counts[possible], counts.sum() * expected[possible]).pvalue > 1e-3
    assert available.all()


def test_beta_of_one_and_of_zero():
    untouched, _ = drawn(0, beta=1.0)
    assert untouched[:4].sum() == 0
    assert stats.chisquare(untouched[4:]).pvalue > 1e-3
    touched, _ = drawn(0, beta=0.0)
    assert touched[3:].sum() == 0


def test_an_empty_channel_falls_back_to_untouched_items():
    counts, _ = drawn(1)  # neither views nor carts
    assert counts[1] == 0
    assert stats.chisquare(np.delete(counts, 1)).pvalue > 1e-3
    carts = NUM_CARTS / 2 / (NUM_VIEWS / 3 + NUM_CARTS / 2) * (1 - BETA)
    counts, _ = drawn(2)  # no views
    assert stats.binomtest(int(counts[0]), int(counts.sum()), carts).pvalue > 1e-3
    assert stats.chisquare(counts[1:]).pvalue > 1e-3


def test_without_untouched_items_the_strongest_channel_steps_in():
    counts, available = drawn(3, beta=1.0)
    assert counts[:6].sum() == 0
    assert stats.chisquare(counts[6:]).pvalue > 1e-3
    assert available.all()


def test_a_user_who_bought_everything_has_no_negatives():
    counts, available = drawn(4)
    assert not available.any()
    assert counts.sum() == 8000  # places in the tables, of weight zero


def test_without_any_entry_in_a_channel_all_are_untouched():
    bare = make_view({"view": [[0, 1, 0, 0]], "buy": [[0, 1, 0, 0]]})
    counts, _ = drawn(0, beta=0.0, weights=(0.5,), view=bare)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]]).pvalue > 1e-3


def test_draws_are_a_function_of_the_seed():
    sampler = MultiChannel(VIEW, BETA, (1 / 3, 1 / 2))
    users = tf.constant([0, 1, 2, 3] * 20)
    one, again, other = (sampler.draw(users, 4, tf.constant([s, 0], tf.int64))[0] for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
