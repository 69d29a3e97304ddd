"""Metrics of ties and of several held-out items a user, against all orders of what is level."""

import itertools

import numpy as np
import pytest

from nmtr_tf.evaluation.metrics import METRICS, metric_values, ndcg
from nmtr_tf.evaluation.places import Places, any_hit, average_precision, first_hit


def by_enumeration(scores: list[int], held_out: set[int], k: int) -> dict[str, float]:
    """The means of the metrics over all orders of a user's candidates that scores allow."""
    orders = [
        list(itertools.chain.from_iterable(order))
        for order in itertools.product(
            *[
                [*itertools.permutations([item for item, own in enumerate(scores) if own == score])]
                for score in sorted(set(scores), reverse=True)
            ]
        )
    ]
    return {
        name: float(np.mean([of(order, held_out, k) for order in orders])) for name, of in BY_ORDER.items()
    }


def _hits(order, held_out, k):
    return [place for place, item in enumerate(order[:k]) if item in held_out]


BY_ORDER = {
    "HR": lambda order, held_out, k: float(bool(_hits(order, held_out, k))),
    "Recall": lambda order, held_out, k: len(_hits(order, held_out, k)) / len(held_out),
    "MRR": lambda order, held_out, k: max(
        (1 / (place + 1) for place in _hits(order, held_out, k)), default=0
    ),
    "NDCG": lambda order, held_out, k: (
        sum(1 / np.log2(place + 2) for place in _hits(order, held_out, k))
        / sum(1 / np.log2(place + 2) for place in range(min(len(held_out), k)))
    ),
    "MAP": lambda order, held_out, k: (
        sum((number + 1) / (place + 1) for number, place in enumerate(_hits(order, held_out, k)))
        / min(len(held_out), k)
    ),
}


def places_of(users: list[tuple[list[int], set[int]]]) -> Places:
    """The places of held-out items, from (scores, held-out items) of each user."""
    rows = [
        (
            user,
            sum(other > scores[item] for other in scores),
            sum(other == scores[item] for other in scores),
        )
        for user, (scores, held_out) in enumerate(users)
        for item in sorted(held_out)
    ]
    return Places(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_every_metric_against_all_orders(k):
    rng = np.random.default_rng(k)
    users = [
        (rng.integers(0, 3, 7).tolist(), set(rng.choice(7, rng.integers(1, 6), replace=False).tolist()))
        for _ in range(12)
    ]
    users += [([1] * 6, {0, 1, 2, 3, 4, 5}), ([2, 1, 1, 1, 0], {1, 2}), ([5, 4, 3], {2}), ([1, 1, 1], {1})]
    expected = [by_enumeration(scores, held_out, k) for scores, held_out in users]
    places = places_of(users)
    assert places.num_users == len(users)
    for name in BY_ORDER:
        np.testing.assert_allclose(
            metric_values(places, f"{name}@{k}"), [row[name] for row in expected], rtol=1e-12, err_msg=name
        )


def test_by_hand():
    """One user; four candidates are level behind the best one, and two of them are held out.

    The first two places are the best candidate and one of the four, which is held out in half of the orders.
    """
    places = Places(np.array([7, 7]), np.array([1, 1]), np.array([4, 4]))
    assert any_hit(places, 2) == pytest.approx([1 / 2])
    assert first_hit(places, 2) == pytest.approx([1 / 2 / 2])
    assert average_precision(places, 2) == pytest.approx([1 / 2 / 2 / 2])
    assert metric_values(places, "Recall@2") == pytest.approx([1 / 4])
    # Of the first three places, the second and third hold two of the four: none in C(2, 2) / C(4, 2).
    assert any_hit(places, 3) == pytest.approx([1 - 1 / 6])
    assert metric_values(places, "NDCG@3") == pytest.approx(
        [2 * (1 / np.log2(3) + 1 / 2) / 4 / (1 + 1 / np.log2(3))]
    )


@pytest.mark.parametrize("name", ["HR", "NDCG", "Recall", "MRR", "MAP"])
def test_one_item_a_user_is_the_same_by_either_way(name):
    """The formulas for several items, asked of one, are the means over the places of its tie."""
    rng = np.random.default_rng(0)
    ranks, tied = rng.integers(0, 60, 500), rng.integers(1, 200, 500)
    metric, places = METRICS[name], Places(np.arange(500), ranks, tied)
    several = metric.of_several or (lambda places, k: places.mean(places.expected(metric.function, k)))
    np.testing.assert_allclose(several(places, 50), metric_values(places, f"{name}@50"), rtol=1e-12)


def test_large_ties_are_exact():
    places = Places(np.zeros(3, int), np.full(3, 10), np.full(3, 1_000_000))
    (found,) = any_hit(places, 100)
    assert found == pytest.approx(1 - (1 - 90 / 1e6) * (1 - 90 / (1e6 - 1)) * (1 - 90 / (1e6 - 2)), rel=1e-11)


def test_nothing_is_averaged_where_nothing_is_level():
    places = Places(np.arange(3), np.array([0, 4, 9]), np.ones(3, int))
    assert places.expected(ndcg, 5).tolist() == ndcg(np.array([0, 4, 9]), 5).tolist()
    assert places.counts.tolist() == [1, 1, 1]
