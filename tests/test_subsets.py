"""Shares of the auxiliary data."""

import numpy as np
import pytest
from conftest import make_interactions

from nmtr_tf.data.leakage import matrix_keys
from nmtr_tf.data.subsets import keep_share
from nmtr_tf.errors import InputError

COUNTS = (0, 1, 2, 3, 4, 5, 11)
VIEW_ROWS = [[1] * count + [0] * (12 - count) for count in COUNTS]
BUY = [[0] * 11 + [1]] * len(COUNTS)
INTERACTIONS = make_interactions({"view": VIEW_ROWS, "cart": VIEW_ROWS, "buy": BUY})


def counts_of(view, name: str) -> list[int]:
    return np.diff(view.matrices[name].indptr).tolist()


@pytest.mark.parametrize(
    ("share", "kept"),
    # round(share * count) for 0, 1, 2, 3, 4, 5 and 11 items, one at least where there are any
    [(0.5, [0, 1, 1, 2, 2, 2, 6]), (0.1, [0, 1, 1, 1, 1, 1, 1]), (0.75, [0, 1, 2, 2, 3, 4, 8])],
)
def test_every_user_keeps_a_share_of_what_they_had(share, kept):
    view = keep_share(INTERACTIONS, {"view": share}, seed=1)
    assert counts_of(view, "view") == kept
    assert set(matrix_keys(view.matrices["view"])) <= set(matrix_keys(INTERACTIONS.matrices["view"]))
    for name in ("cart", "buy"):
        assert (view.matrices[name] != INTERACTIONS.matrices[name]).nnz == 0


def test_a_share_of_one_is_everything():
    view = keep_share(INTERACTIONS, {"view": 1.0}, seed=1)
    assert (view.matrices["view"] != INTERACTIONS.matrices["view"]).nnz == 0


def test_the_draw_follows_the_seed_and_the_behavior_and_nothing_else():
    def drawn(seed: int, interactions=INTERACTIONS, name: str = "view") -> list[int]:
        return matrix_keys(keep_share(interactions, {name: 0.5}, seed).matrices[name]).tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, name="cart")
    assert drawn(1) == drawn(1, INTERACTIONS.training_view(("view", "buy")))


def test_every_item_has_the_same_chance():
    rows = make_interactions({"view": np.ones((4000, 6), int), "buy": np.zeros((4000, 6), int)})
    kept = keep_share(rows, {"view": 0.5}, seed=0).matrices["view"]
    shares = np.bincount(kept.indices, minlength=6) / 4000
    assert np.abs(shares - 0.5).max() < 0.04  # five standard deviations


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"buy": 0.5}, "--keep: the target behavior 'buy' stays whole; name a weaker behavior."),
        ({"wish": 0.5}, "--keep should name weaker behaviors (view, cart). Received: 'wish'."),
        ({"view": 0.0}, "--keep=view:0: the share should be in (0, 1]."),
        ({"view": 1.5}, "--keep=view:1.5: the share should be in (0, 1]."),
        ({"view": float("nan")}, "--keep=view:nan: the share should be in (0, 1]."),
    ],
)
def test_bad_shares(shares, message):
    with pytest.raises(InputError) as error:
        keep_share(INTERACTIONS, shares, seed=0)
    assert str(error.value) == message
