"""The data that is measured on: stand-ins with the sizes of the public data sets, or prepared data sets."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import sparse

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events
from nmtr_tf.data.ids import as_text
from nmtr_tf.data.pairs import distinct, pair_keys
from nmtr_tf.data.view import TrainingView

QUICK = 16
"""What --quick divides the sizes of the stand-ins by."""
_SHARE = 0.6  # of a behavior's pairs that the auxiliary behavior before it has too
_SKEW = 0.7  # popularity of the k-th item: k^-skew


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of a data set: users, items, training pairs of each behavior, weakest first."""

    num_users: int
    num_items: int
    num_pairs: Mapping[str, int]

    def over(self, divisor: int) -> "Sizes":
        """A data set that is smaller in every respect."""
        pairs = {name: count // divisor for name, count in self.num_pairs.items()}
        return Sizes(self.num_users // divisor, self.num_items // divisor, pairs)


STAND_INS = {
    "beibei": Sizes(21_716, 7_977, {"cart": 642_622, "buy": 282_860}),
    "taobao": Sizes(15_449, 11_953, {"view": 858_505, "cart": 180_027, "buy": 92_180}),
}


@dataclasses.dataclass(frozen=True)
class BenchmarkData:
    """What is measured on.

    Attributes:
        name: For the table; says where the data is from.
        view: All training purchases and the held-out test pairs.
        dataset_dir: Where it is on disk, if it is.
    """

    name: str
    view: TrainingView
    dataset_dir: Path | None = None


def load_prepared(dataset_dir: str) -> BenchmarkData:
    """A prepared data set, named by its directory.

    Raises:
        InputError: If the directory is no data set.
    """
    dataset = Dataset.load(dataset_dir)
    return BenchmarkData(dataset.name, dataset.training_view(validation="none"), Path(dataset_dir).resolve())


def stand_in(name: str, quick: bool) -> BenchmarkData:
    """The stand-in of a public data set."""
    return BenchmarkData(_label(name, quick), _drawn(name, quick).training_view())


def save_stand_in(name: str, quick: bool, dataset_dir: Path) -> str:
    """Writes a stand-in as a prepared data set and gives its name for the table."""
    _drawn(name, quick).save(dataset_dir)
    return _label(name, quick)


def _drawn(name: str, quick: bool) -> Dataset:
    events, split = draw_events(STAND_INS[name].over(QUICK if quick else 1))
    return Dataset(events, split, "released", {"source": "drawn by the benchmark"})


def view_of(matrices: Mapping[str, sparse.csr_array]) -> TrainingView:
    """A training view of binary matrices [num_users, num_items] without held-out pairs."""
    num_users, num_items = next(iter(matrices.values())).shape
    nothing = np.zeros((0, 2), np.int32)
    return TrainingView(
        user_ids=as_text(np.arange(num_users)),
        item_ids=as_text(np.arange(num_items)),
        matrices=matrices,
        every=matrices,
        held_out={"validation": nothing, "test": nothing},
        protocol="strict",
        fingerprint="synthetic",
    )


def _label(name: str, quick: bool) -> str:
    return f"synthetic {name} / {QUICK}" if quick else f"synthetic {name}"


def draw_events(sizes: Sizes, seed: int = 0) -> tuple[Events, np.ndarray]:
    """Draws a log: uniform users, items by a power law, and one held-out test purchase a user.

    Most pairs of a behavior are pairs of the auxiliary behavior before it too.

    Returns:
        The events, and split int8 [num_events] with 0 for training and 2 for test.
    """
    rng = np.random.default_rng(seed)
    shape = sizes.num_users, sizes.num_items
    weight = (1.0 + rng.permutation(sizes.num_items)) ** -_SKEW
    popularity = weight / weight.sum()
    test = np.arange(sizes.num_users) * sizes.num_items
    test += rng.choice(sizes.num_items, sizes.num_users, p=popularity)
    keys: dict[str, np.ndarray] = {}
    stronger = test
    for name, count in reversed(list(sizes.num_pairs.items())):
        if keys:
            start = rng.choice(stronger, min(count, int(_SHARE * len(stronger))), replace=False)
            keys[name] = _grow(rng, start, count, shape, popularity)
        else:
            keys[name] = np.setdiff1d(_grow(rng, test, count + len(test), shape, popularity), test)
        stronger = np.union1d(stronger, keys[name])
    parts = [*(keys[name] for name in sizes.num_pairs), test]
    drawn, lengths = np.concatenate(parts), [len(part) for part in parts]
    order = np.argsort(drawn, kind="stable")  # by user, item and, as the parts are, behavior
    target = len(sizes.num_pairs) - 1
    behavior = np.repeat(np.array([*range(target + 1), target], np.int8), lengths)[order]
    split = np.repeat(np.array([*[0] * (target + 1), 2], np.int8), lengths)[order]
    user, item = np.divmod(drawn[order], sizes.num_items)
    events = Events(
        users=np.arange(sizes.num_users),
        items=np.arange(sizes.num_items),
        behaviors=tuple(sizes.num_pairs),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        behavior=behavior,
    )
    return events, split


def _grow(
    rng: np.random.Generator,
    keys: np.ndarray,
    count: int,
    shape: tuple[int, int],
    popularity: np.ndarray,
) -> np.ndarray:
    """Adds drawn pairs until there are `count` distinct ones; sorted."""
    keys = distinct(keys)
    while missing := count - len(keys):
        items = rng.choice(shape[1], missing, p=popularity)
        keys = np.union1d(keys, pair_keys(rng.integers(shape[0], size=missing), items, shape[1]))
    return keys
