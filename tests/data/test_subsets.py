"""Shares of the auxiliary data."""

import numpy as np
import pytest
from scipy import sparse

from nmtr_tf.data.pairs import matrix_keys
from nmtr_tf.data.subsets import keep_share, parse_shares
from nmtr_tf.errors import InputError

COUNTS = (0, 1, 2, 3, 4, 5, 11)
VIEW = sparse.csr_array(np.array([[1] * count + [0] * (12 - count) for count in COUNTS], bool))
BUY = sparse.csr_array(np.array([[0] * 11 + [1]] * len(COUNTS), bool))
MATRICES = {"view": VIEW, "cart": VIEW, "buy": BUY}


def counts_of(matrix: sparse.csr_array) -> list[int]:
    return np.diff(matrix.indptr).tolist()


@pytest.mark.parametrize(
    ("share", "kept"),
    # round(share * count) for 0, 1, 2, 3, 4, 5 and 11 items, one at least where there are any
    [(0.5, [0, 1, 1, 2, 2, 2, 6]), (0.1, [0, 1, 1, 1, 1, 1, 1]), (0.75, [0, 1, 2, 2, 3, 4, 8])],
)
def test_every_user_keeps_a_share_of_what_they_had(share, kept):
    matrices = keep_share(MATRICES, {"view": share}, seed=1)
    assert list(matrices) == list(MATRICES)
    assert counts_of(matrices["view"]) == kept
    assert set(matrix_keys(matrices["view"])) <= set(matrix_keys(VIEW))
    for name in ("cart", "buy"):
        assert (matrices[name] != MATRICES[name]).nnz == 0
    assert counts_of(MATRICES["view"]) == list(COUNTS)


def test_a_share_of_one_is_everything():
    assert (keep_share(MATRICES, {"view": 1.0}, seed=1)["view"] != VIEW).nnz == 0


def test_the_draw_follows_the_seed_and_the_behavior_and_nothing_else():
    def drawn(seed: int, matrices=MATRICES, name: str = "view") -> list[int]:
        return matrix_keys(keep_share(matrices, {name: 0.5}, seed)[name]).tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, name="cart")
    assert drawn(1) == drawn(1, {"view": VIEW, "buy": BUY})
    both = keep_share(MATRICES, {"cart": 0.5, "view": 0.5}, 1)
    assert drawn(1) == matrix_keys(both["view"]).tolist()


def test_every_item_has_the_same_chance():
    kept = keep_share({"view": sparse.csr_array(np.ones((4000, 6), bool))}, {"view": 0.5}, seed=0)["view"]
    shares = np.bincount(kept.indices, minlength=6) / 4000
    assert np.abs(shares - 0.5).max() < 0.04  # five standard deviations


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), {}),
        (["cart:0.5"], {"cart": 0.5}),
        (("cart:.25", "view:0.5"), {"view": 0.5, "cart": 0.25}),
        (["view:1", "cart:1e-3"], {"cart": 0.001}),
    ],
)
def test_parse_shares(texts, expected):
    assert list(parse_shares(texts, ("view", "cart", "buy")).items()) == list(expected.items())


def test_parse_shares_of_a_behavior_with_a_colon_in_its_name():
    assert parse_shares(["page:view:0.5"], ("page:view", "buy")) == {"page:view": 0.5}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["buy:0.5"], "`keep`: the target behavior 'buy' stays whole; name an auxiliary behavior."),
        (["wish:0.5"], "`keep` should name auxiliary behaviors (view, cart). Received: 'wish'."),
        (["view:0"], "`keep=view:0`: the share should be in (0, 1]."),
        (["view:1.5"], "`keep=view:1.5`: the share should be in (0, 1]."),
        (["view:nan"], "`keep=view:nan`: the share should be in (0, 1]."),
        (["view:half"], "`keep` should be behavior:share, such as cart:0.5. Received: 'view:half'."),
        (["0.5"], "`keep` should be behavior:share, such as cart:0.5. Received: '0.5'."),
        (["view"], "`keep` should be behavior:share, such as cart:0.5. Received: 'view'."),
        (["view:0.5", "view:0.4"], "`keep` should name a behavior once. Received: 'view' twice."),
    ],
)
def test_bad_shares(texts, message):
    with pytest.raises(InputError) as error:
        parse_shares(texts, ("view", "cart", "buy"))
    assert str(error.value) == message


def test_no_auxiliary_behavior_to_take_shares_of():
    with pytest.raises(InputError, match=r"auxiliary behaviors \(none\)"):
        parse_shares(["view:0.5"], ("buy",))
