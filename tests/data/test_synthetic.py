"""The synthetic shop."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.data.events import Events
from nmtr_tf.data.synthetic import synthetic_shop


@pytest.fixture(scope="module")
def shop() -> Events:
    return synthetic_shop(num_users=400, num_items=150, seed=3)


def frame_of(events: Events) -> pd.DataFrame:
    names = ("user", "item", "behavior", "timestamp")
    return pd.DataFrame({name: getattr(events, name) for name in names})


def equal(first: Events, second: Events) -> bool:
    pairs = zip(dataclasses.astuple(first), dataclasses.astuple(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def test_seed_decides_the_log(shop):
    assert equal(synthetic_shop(400, 150, seed=3), shop)
    assert not equal(synthetic_shop(400, 150, seed=4), shop)


def test_columns_and_ids(shop):
    assert shop.users.tolist() == [f"user-{n:04}" for n in range(400)]
    assert shop.items.tolist() == [f"item-{n:04}" for n in range(150)]
    assert shop.behaviors == ("view", "cart", "buy")
    assert [column.dtype for column in (shop.user, shop.item, shop.behavior, shop.timestamp)] == [
        np.int32,
        np.int32,
        np.int8,
        np.int64,
    ]
    assert shop.users.dtype == shop.items.dtype == object
    assert shop.heldout is None


def test_funnel(shop):
    frame = frame_of(shop)
    assert not frame.duplicated(["user", "item", "behavior"]).any()
    times = frame.pivot(index=["user", "item"], columns="behavior", values="timestamp")
    for weaker, stronger in ((0, 1), (1, 2)):
        after = times[times[stronger].notna()]
        assert len(after) > 100
        assert (after[weaker] <= after[stronger]).all()  # false where the weaker one is missing
    views, carts, buys = times.notna().sum()
    assert views > 2 * carts > 2 * buys > 0


def test_views_of_a_user(shop):
    views = frame_of(shop).query("behavior == 0")
    per_user = views.groupby("user").size()
    assert len(per_user) == 400
    assert 35 < per_user.mean() < 45
    assert per_user.max() <= 75  # half the items
    day = (views.timestamp - pd.Timestamp("2024-01-01", tz="UTC").timestamp() * 1000) / 86_400_000
    assert 0 <= day.min() < 1
    assert 29 < day.max() < 30


def test_users_beyond_one_block_have_rows_of_their_own():
    shop = synthetic_shop(num_users=1100, num_items=20)
    assert shop.users.tolist() == [f"user-{n:04}" for n in range(1100)]
    views = frame_of(shop).query("behavior == 0").groupby("user")["item"].agg(list)
    assert len(views) == 1100
    assert views.map(len).max() <= 10
    assert views[:76].tolist() != views[1024:].tolist()


@pytest.mark.parametrize(("users", "items"), [(1, 1), (3, 2), (10, 10)])
def test_tiny_shop(users, items):
    shop = synthetic_shop(users, items)
    assert len(shop.users) == users
    assert 1 <= len(shop.items) <= items
    assert set(shop.user) == set(range(users))
    assert set(shop.item) == set(range(len(shop.items)))


def test_items_that_nobody_viewed_are_no_items():
    shop = synthetic_shop(num_users=1, num_items=400)
    assert set(shop.item) == set(range(len(shop.items)))
    assert len(shop.items) <= 200
    assert max(shop.items) > "item-0200"  # the others keep their ids
