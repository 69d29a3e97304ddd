"""What behaviors come after, as texts, and as parents in the cascade."""

import pytest

from nmtr_tf.data.order import after_within, check_after, parents_of
from nmtr_tf.errors import InputError

FOUR = ("view", "share", "cart", "buy")
DIAMOND = ("share:view", "cart:view", "buy:share+cart")


def test_no_texts_are_the_papers_chain():
    assert parents_of((), FOUR) == ((), (0,), (1,), (2,))
    assert parents_of((), ("buy",)) == ((),)
    assert parents_of(("share:view", "cart:share", "buy:cart"), FOUR) == parents_of((), FOUR)


@pytest.mark.parametrize(
    ("after", "parents"),
    [
        (DIAMOND, ((), (0,), (0,), (1, 2))),
        (("buy:cart+share", "cart:view", "share:view"), ((), (0,), (0,), (1, 2))),
        (("buy:view+share+cart",), ((), (), (), (0, 1, 2))),
        (("cart:view", "buy:cart+share"), ((), (), (0,), (1, 2))),
    ],
)
def test_parents(after, parents):
    check_after(after, FOUR)
    assert parents_of(after, FOUR) == parents


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (FOUR, DIAMOND),
        (("view", "cart", "buy"), ("cart:view", "buy:view+cart")),
        (("view", "buy"), ("buy:view",)),
        (("share", "cart", "buy"), ("buy:share+cart",)),
        (("buy",), ()),
    ],
)
def test_of_some_of_the_behaviors(chosen, expected):
    """Cart stands for share and cart; what share came after, view, comes before buy then."""
    assert after_within(DIAMOND, chosen, FOUR) == expected
    assert after_within((), chosen, FOUR) == ()


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (("cart",), "`after` should be behavior:others, such as cart:view .* Received: 'cart'"),
        ("cart:view", r"`after` should be a list of texts, such as \['cart:view'\]. Received: 'cart:view'"),
        (("cart:",), "Received: 'cart:'"),
        ((":view",), "Received: ':view'"),
        (("buy:cart+",), r"Received: 'buy:cart\+'"),
        (("buy:crat",), "`after=buy:crat`: expected behaviors of view, share, cart, buy. Received: 'crat'"),
        (("bought:cart",), "Received: 'bought'"),
        (("buy:cart", "buy:share"), "should name a behavior once"),
        (("buy:cart+cart",), "should name a behavior once"),
        (("share:share", "buy:share"), "has a circle: share after share"),
        (("share:cart", "cart:share", "buy:cart"), "has a circle: share after cart after share"),
        (("view:buy", "buy:view+share+cart"), "has a circle: view after buy after view"),
        (
            ("share:cart", "buy:share+view"),
            "'cart' stands behind 'share' in the behaviors, ",
        ),
        (("cart:view", "buy:cart"), "'share' has no way to the target 'buy'"),
        (("share:view",), "'view' has no way to the target 'buy'"),
    ],
)
def test_refused(after, message):
    for call in (check_after, parents_of, lambda after, names: after_within(after, names, names)):
        with pytest.raises(InputError, match=message):
            call(after, FOUR)
