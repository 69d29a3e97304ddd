"""A small shop with a view -> cart -> buy funnel: data to try everything on, without a download."""

import numpy as np

from nmtr_tf.data.events import Events

BEHAVIORS = ("view", "cart", "buy")
_DAY = 24 * 3600 * 1000
_START = 1_704_067_200_000  # 2024-01-01 00:00 UTC, in milliseconds
_NUM_TASTES = 8
_USERS_AT_ONCE = 1024
_LOOKS = ("Plain", "Blue", "Green", "Red", "Large", "Small", "Striped", "Round", "Classic", "Light")
_THINGS = (
    ("tea pot", "tea cup", "tea caddy"),
    ("coffee mill", "coffee pot", "coffee mug"),
    ("garden spade", "garden hose", "garden chair"),
    ("desk lamp", "desk pad", "desk tray"),
    ("running shoes", "running shirt", "running cap"),
    ("bath towel", "bath mat", "bath robe"),
    ("camping tent", "camping stove", "camping bag"),
    ("kids puzzle", "kids drum", "kids kite"),
)


def synthetic_shop(num_users: int = 2000, num_items: int = 600, seed: int = 0) -> Events:
    """Draws a log in which taste and popularity decide what is viewed, and taste what is carted and bought.

    Users and items have latent tastes. A user views about 40 different items over 30 days, drawn without
    replacement in proportion to exp(taste + popularity); a view becomes a cart, and a cart a purchase,
    with a probability that grows with taste. So auxiliary behaviors are many and noisy, purchases few.

    Args:
        num_users: Users of the shop.
        num_items: Items of the shop.
        seed: The same seed gives the same log.

    Returns:
        Events with ids like "user-0007" and "item-0042".
    """
    rng = np.random.default_rng(seed)
    items = _tastes_of_items(rng, num_items)
    popularity = rng.normal(scale=0.7, size=num_items)
    parts = [
        _visits(rng, first, min(_USERS_AT_ONCE, num_users - first), items, popularity)
        for first in range(0, num_users, _USERS_AT_ONCE)
    ]
    user, item, behavior, timestamp = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Events(
        users=_names("user", num_users)[(present := np.unique(user))],
        items=_names("item", num_items)[(shown := np.unique(item))],
        behaviors=BEHAVIORS,
        user=np.searchsorted(present, user).astype(np.int32),
        item=np.searchsorted(shown, item).astype(np.int32),
        behavior=behavior.astype(np.int8),
        timestamp=timestamp,
        origin={"source": "synthetic"},
    )


def synthetic_titles(num_items: int = 600, seed: int = 0) -> dict[str, str]:
    """Id -> title of every item that `synthetic_shop` may draw; a kind of thing for the strongest taste."""
    kinds = _tastes_of_items(np.random.default_rng(seed), num_items).argmax(axis=1)
    titles, counts = [], [0] * _NUM_TASTES
    for kind in kinds:
        round_, place = divmod(counts[kind], len(_LOOKS) * len(_THINGS[kind]))
        look, thing = divmod(place, len(_THINGS[kind]))
        counts[kind] += 1
        number = f" {round_ + 1}" if round_ else ""
        titles.append(f"{_LOOKS[look]} {_THINGS[kind][thing]}{number}")
    return dict(zip(_names("item", num_items), titles, strict=True))


def _tastes_of_items(rng: np.random.Generator, num_items: int) -> np.ndarray:
    """The tastes that items are for, what is drawn first of a shop: float64 [num_items, tastes]."""
    return rng.normal(size=(num_items, _NUM_TASTES)) / np.sqrt(_NUM_TASTES)


def _names(kind: str, count: int) -> np.ndarray:
    width = max(4, len(str(count - 1)))
    return np.array([f"{kind}-{number:0{width}d}" for number in range(count)], dtype=object)


def _visits(
    rng: np.random.Generator, first: int, count: int, items: np.ndarray, popularity: np.ndarray
) -> tuple[np.ndarray, ...]:
    """User row, item row, behavior and time of the events of `count` users."""
    taste = 3.0 * rng.normal(size=(count, _NUM_TASTES)) @ items.T
    viewed = np.clip(rng.poisson(rng.gamma(4.0, 10.0, size=count)), 1, max(1, len(items) // 2))
    appeal = taste + popularity + rng.gumbel(size=taste.shape)  # Gumbel top-k: draws without replacement
    rank = np.argsort(np.argsort(-appeal, axis=1), axis=1)
    user, item = np.nonzero(rank < viewed[:, None])
    liking = taste[user, item] / 3.0
    carted = rng.random(len(user)) < _sigmoid(1.5 * liking - 3.4)
    bought = carted & (rng.random(len(user)) < _sigmoid(1.5 * liking - 2.0))
    view_time = _START + rng.integers(0, 30 * _DAY, len(user))
    cart_time = view_time + rng.integers(10_000, 600_000, len(user))
    buy_time = cart_time + rng.integers(10_000, 3_600_000, len(user))
    steps = ((np.ones(len(user), bool), view_time), (carted, cart_time), (bought, buy_time))
    columns = [
        (user[done] + first, item[done], np.full(done.sum(), code), time[done])
        for code, (done, time) in enumerate(steps)
    ]
    return tuple(np.concatenate(column) for column in zip(*columns, strict=True))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))
