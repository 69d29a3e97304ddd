"""Matrices, held-out pairs and what a run trains on."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from nmtr_tf.config import DataConfig, RunConfig, TrainingConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import SPLITS, Events, fingerprint
from nmtr_tf.data.matrices import BehaviorMatrices
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError

BEHAVIORS = ("view", "cart", "buy")
ROWS = """
a 10 view train
a 20 view train
a 20 cart train
a 30 cart train
a 10 buy train
a 20 buy test
a 30 buy validation
b 40 view train
b 10 buy train
b 40 buy test
c 20 view train
c 20 buy train
"""
# Users a, b and c by items 10, 20, 30 and 40.
VIEW = [[1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
CART = [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
BUY = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
VALIDATION = [[0, 2]]
TEST = [[0, 1], [1, 3]]


def hand_made() -> tuple[Events, np.ndarray]:
    rows = [row.split() for row in ROWS.strip().splitlines()]
    users, items = np.array(["a", "b", "c"], object), np.array([10, 20, 30, 40])
    events = Events(
        users=users,
        items=items,
        behaviors=BEHAVIORS,
        user=np.array(["abc".index(row[0]) for row in rows], np.int32),
        item=np.array([int(row[1]) // 10 - 1 for row in rows], np.int32),
        behavior=np.array([BEHAVIORS.index(row[2]) for row in rows], np.int8),
    )
    return events, np.array([SPLITS.index(row[3]) for row in rows], np.int8)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(*hand_made(), protocol="released")


def dense(data: BehaviorMatrices) -> dict[str, list]:
    return {name: matrix.toarray().astype(int).tolist() for name, matrix in data.matrices.items()}


def pairs(data: BehaviorMatrices) -> dict[str, list]:
    return {name: found.tolist() for name, found in data.held_out.items()}


def random_dataset(seed: int) -> Dataset:
    """Dense enough that many held-out pairs are in auxiliary behaviors too."""
    rng = np.random.default_rng(seed)
    num_users, num_items = int(rng.integers(1, 15)), int(rng.integers(3, 12))
    happened = rng.random((num_users, num_items, 3)) < rng.uniform(0.2, 0.9)
    user, item, behavior = np.nonzero(happened)
    split = np.zeros(len(user), np.int8)
    for code in (1, 2):
        for one in range(num_users):
            left = np.flatnonzero((user == one) & (behavior == 2) & (split == 0))
            if len(left) > 1:
                split[rng.choice(left)] = code
    order = rng.permutation(len(user))
    events = Events(
        users=np.arange(num_users),
        items=np.arange(num_items),
        behaviors=BEHAVIORS,
        user=user[order].astype(np.int32),
        item=item[order].astype(np.int32),
        behavior=behavior[order].astype(np.int8),
    )
    return Dataset(events, split[order], "strict")


def test_matrices_and_pairs(dataset):
    assert dense(dataset) == {"view": VIEW, "cart": CART, "buy": BUY}
    assert pairs(dataset) == {"validation": VALIDATION, "test": TEST}
    assert {found.dtype for found in dataset.held_out.values()} == {np.dtype(np.int32)}
    assert {matrix.indices.dtype for matrix in dataset.matrices.values()} == {np.dtype(np.int32)}
    assert (dataset.num_users, dataset.num_items) == (3, 4)
    assert dataset.user_ids.tolist() == ["a", "b", "c"]
    assert dataset.item_ids.tolist() == ["10", "20", "30", "40"]
    assert dataset.behaviors == BEHAVIORS
    assert dataset.auxiliary_behaviors == ("view", "cart")
    assert dataset.target_behavior == "buy"
    assert dataset.target.toarray().tolist() == BUY
    assert (dataset.protocol, dataset.directory, dataset.name) == ("released", None, "data")
    assert dataset.fingerprint == fingerprint(*hand_made())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"protocol": "lenient"},
            "`protocol` should be one of 'released', 'strict', 'time'. Received: 'lenient'.",
        ),
        (
            {"split": np.zeros(3, np.int8)},
            "`split` should be a position in ('train', 'validation', 'test') for each of 12 events.",
        ),
        (
            {"split": np.full(12, 3)},
            "`split` should be a position in ('train', 'validation', 'test') for each of 12 events.",
        ),
        ({"split": np.eye(12)[0]}, "`split` should hold out rows of 'buy' only."),
    ],
)
def test_data_set_that_does_not_fit(dataset, change, message):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(dataset, **change)
    assert str(caught.value) == message


def test_order_of_the_events_does_not_change_matrices_and_pairs(dataset):
    events, split = hand_made()
    order = np.random.default_rng(0).permutation(len(split))
    columns = {name: getattr(events, name)[order] for name in ("user", "item", "behavior")}
    shuffled = Dataset(dataclasses.replace(events, **columns), split[order], "released")
    assert (dense(shuffled), pairs(shuffled)) == (dense(dataset), pairs(dataset))


def test_data_set_without_validation_pairs():
    events, split = hand_made()
    dataset = Dataset(events, np.where(split == 1, 0, split).astype(np.int8), "strict")
    assert dataset.held_out["validation"].shape == (0, 2)
    strict = dataset.training_view()
    assert dense(strict)["cart"] == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert dense(strict)["buy"] == [[1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    "change",
    [
        "user id",
        "item id",
        "behavior",
        "row",
        "kind",
        "split",
        "names",
        "time",
        "unit",
        "no times",
        "nothing",
    ],
)
def test_fingerprint_tells_data_sets_apart(change):
    (events, split), (reference, same_split) = hand_made(), hand_made()
    events, reference = (
        dataclasses.replace(one, timestamp=np.arange(len(one)), time_unit="ms") for one in (events, reference)
    )
    if change == "user id":
        events.users[1] = "bb"
    elif change == "item id":
        events.items[3] = 41
    elif change == "behavior":
        events.behavior[0] = 1
    elif change == "row":
        events.user[0] = 2
    elif change == "kind":
        events = dataclasses.replace(events, users=np.array([1, 2, 3]))
    elif change == "split":
        split[4] = 2
    elif change == "names":
        events = dataclasses.replace(events, behaviors=("view", "fav", "buy"))
    elif change == "time":
        events = dataclasses.replace(events, timestamp=np.arange(len(events)) ** 2)
    elif change == "unit":
        events = dataclasses.replace(events, time_unit="us")
    elif change == "no times":
        events = dataclasses.replace(events, timestamp=None)
    equal = fingerprint(events, split) == fingerprint(reference, same_split)
    assert equal == (change == "nothing")
    assert Dataset(events, split, "strict").fingerprint == fingerprint(events, split)


@pytest.mark.parametrize(
    ("protocol", "validation", "view", "cart", "buy", "validation_pairs"),
    [
        ("released", "random", VIEW, CART, BUY, VALIDATION),
        ("", "random", VIEW, CART, BUY, VALIDATION),
        # Without (a, 20), (a, 30) and (b, 40).
        (
            "strict",
            "random",
            [[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]],
            [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
            BUY,
            VALIDATION,
        ),
        ("released", "none", VIEW, CART, [[1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]], []),
        # Without (a, 20) and (b, 40).
        (
            "strict",
            "none",
            [[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]],
            [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
            [[1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]],
            [],
        ),
    ],
)
def test_training_view(dataset, protocol, validation, view, cart, buy, validation_pairs):
    found = dataset.training_view(protocol=protocol, validation=validation)
    assert dense(found) == {"view": view, "cart": cart, "buy": buy}
    assert pairs(found) == {"validation": validation_pairs, "test": TEST}
    assert found.held_out["validation"].shape == (len(validation_pairs), 2)
    assert found.protocol == (protocol or "released")
    assert found.fingerprint == dataset.fingerprint
    # The original is as it was.
    assert dense(dataset) == {"view": VIEW, "cart": CART, "buy": BUY}
    assert pairs(dataset) == {"validation": VALIDATION, "test": TEST}
    assert dataset.protocol == "released"
    assert isinstance(found, TrainingView)


@pytest.mark.parametrize("behaviors", [("buy",), ("view", "buy"), ("cart", "buy"), BEHAVIORS, ()])
def test_training_view_of_some_behaviors(dataset, behaviors):
    found = dataset.training_view(list(behaviors))
    every = {"view": VIEW, "cart": CART, "buy": BUY}
    assert dense(found) == {name: every[name] for name in behaviors or BEHAVIORS}
    assert found.behaviors == (behaviors or BEHAVIORS)
    assert dataset.behaviors == BEHAVIORS


@pytest.mark.parametrize(
    "behaviors",
    [
        ("cart", "view", "buy"),
        ("buy", "view"),
        ("view", "cart"),
        ("view", "click", "buy"),
        ("view", "view", "buy"),
    ],
    ids=["wrong order", "target first", "no target", "unknown name", "name twice"],
)
def test_training_view_refuses_behaviors(dataset, behaviors):
    with pytest.raises(InputError) as caught:
        dataset.training_view(behaviors)
    assert str(caught.value) == (
        "`behaviors` should be a subset of view,cart,buy in this order, with 'buy' last. "
        f"Received: {','.join(behaviors)}."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"protocol": "lenient"},
            r"^`protocol` should be one of .*'released', 'strict', 'time'\. Received: 'lenient'",
        ),
        ({"validation": "all"}, r"^`validation` should be one of 'random', 'none'\. Received: 'all'"),
        ({"keep": ["buy:0.5"]}, "^`keep`: the target behavior 'buy' stays whole"),
        ({"behaviors": ("view", "buy"), "keep": ["cart:0.5"]}, "^`keep` should name auxiliary behaviors"),
    ],
)
def test_training_view_refuses(dataset, options, message):
    with pytest.raises(InputError, match=message):
        dataset.training_view(**options)


def test_training_view_keeps_a_share():
    dataset = random_dataset(3)

    def kept(seed: int) -> TrainingView:
        return dataset.training_view(protocol="strict", keep=("cart:0.5",), seed=seed)

    view, whole = kept(0), dataset.training_view(protocol="strict")
    counts = [np.diff(found.matrices["cart"].indptr) for found in (view, whole)]
    assert 0 < counts[0].sum() < counts[1].sum()
    assert (counts[0] <= counts[1]).all()
    for name in ("view", "buy"):
        assert dense(view)[name] == dense(whole)[name]
    assert dense(kept(0)) == dense(view)
    assert dense(kept(1)) != dense(view)


def test_view_of_a_config():
    dataset = random_dataset(3)
    data = DataConfig(behaviors=("cart", "buy"), protocol="released", validation="none", keep=("cart:0.5",))
    found = dataset.view(RunConfig(data=data, training=TrainingConfig(seed=5)))
    expected = dataset.training_view(("cart", "buy"), "released", "none", ("cart:0.5",), 5)
    assert (dense(found), pairs(found)) == (dense(expected), pairs(expected))
    assert dense(found) != dense(dataset.training_view(("cart", "buy"), "released", "none", ("cart:0.5",), 6))


def test_config_is_resolved_for_a_data_set(dataset, tmp_path):
    def config(*data: Any, mask: str) -> RunConfig:
        return RunConfig(data=DataConfig(*data)).with_options(mask=mask).of_catalogue(dataset.num_items)

    found = dataset.resolved(RunConfig().with_options(mask="auto"))
    assert found == config("", BEHAVIORS, "released", mask="target")
    stored = dataset.save(tmp_path / "d")
    assert stored.resolved(found) == config(str(tmp_path / "d"), BEHAVIORS, "released", mask="target")
    chosen = config("elsewhere", ("buy",), "strict", "none", mask="auto")
    assert dataset.resolved(chosen) == config("", ("buy",), "strict", "none", mask="all")
    kept = config("elsewhere", ("buy",), "strict", "none", mask="target")
    assert dataset.resolved(kept) == config("", ("buy",), "strict", "none", mask="target")


@pytest.mark.parametrize("protocol", ["strict", "released"])
@pytest.mark.parametrize("validation", ["random", "none"])
def test_a_view_knows_every_behavior_of_the_data_set(protocol, validation):
    dataset = random_dataset(3)
    whole = dataset.training_view((), protocol, validation)
    part = dataset.training_view(("cart", "buy"), protocol, validation, ("cart:0.5",))
    assert {name: matrix.toarray().tolist() for name, matrix in part.every.items()} == {
        name: matrix.toarray().tolist() for name, matrix in whole.matrices.items()
    }


def test_view_without_its_test_pairs(dataset):
    view = dataset.training_view()
    hidden = view.without_test()
    assert pairs(hidden) == {"validation": VALIDATION, "test": []}
    assert hidden.held_out["test"].shape == (0, 2)
    assert dense(hidden) == dense(view)
    assert pairs(view) == {"validation": VALIDATION, "test": TEST}


def test_training_views_of_random_data():
    leaks = 0
    for seed in range(25):
        original = random_dataset(seed)
        before = dense(original)
        for validation, used in (("random", ("validation", "test")), ("none", ("test",))):
            behaviors = BEHAVIORS[seed % 3 :]
            strict = original.training_view(behaviors, "strict", validation)
            released = original.training_view(behaviors, "released", validation)
            for name in behaviors:
                expected = np.array(before[name])
                if name == "buy" and validation == "none":
                    for user, item in original.held_out["validation"]:
                        expected[user, item] = 1
                assert dense(released)[name] == expected.tolist(), (seed, validation, name)
                for split in used:
                    for user, item in original.held_out[split]:
                        leaks += expected[user, item]
                        expected[user, item] = 0
                assert dense(strict)[name] == expected.tolist(), (seed, validation, name)
            for view in (strict, released):
                assert pairs(view) == {**{"validation": []}, **{name: pairs(original)[name] for name in used}}
        assert dense(original) == before
    assert leaks > 100  # the data has what strict takes out
