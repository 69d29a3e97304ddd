"""Where held-out items stand among the candidates, and metrics of them, averaged over the orders of ties.

Items of equal score stand in a random order, of which every metric is the expected value:
    McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence
    of tied scores", ECIR 2008.
It needs no TensorFlow.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """Places of held-out items.

    Attributes:
        users: [n], ascending; a user stands there once for each item that is held out for him.
        ranks: int64 [n], the first place of the item's tie, from 0: candidates with a higher score.
        tied: int64 [n], the size of its tie: candidates with its score, itself included.
    """

    users: np.ndarray
    ranks: np.ndarray
    tied: np.ndarray

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """int64 [num_users], the position of each user's first item."""
        new = np.ones(len(self.users), bool)
        new[1:] = self.users[1:] != self.users[:-1]
        return np.flatnonzero(new)

    @property
    def num_users(self) -> int:
        """Number of distinct users."""
        return len(self.starts)

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """int64 [num_users], how many items are held out for each user."""
        return np.diff(self.starts, append=len(self.users))

    def expected(self, function: Callable[[np.ndarray, int], np.ndarray], k: int) -> np.ndarray:
        """The mean of a function of a place, over the places of each item's tie: float64 [n].

        Args:
            function: (places from 0, int64 [m]; k) -> [m].
            k: Cut-off.
        """
        values = np.asarray(function(self.ranks, k))
        level = self.tied > 1
        if not level.any():
            return values
        first, size = self.ranks[level], self.tied[level]
        sums = np.cumsum([0.0, *np.asarray(function(np.arange((first + size).max()), k))])
        values = values.astype(np.float64)
        values[level] = (sums[first + size] - sums[first]) / size
        return values

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of values [n] over each user's items, float64 [num_users]."""
        return np.add.reduceat(values, self.starts) / self.counts


@dataclasses.dataclass(frozen=True, eq=False)
class _Ties:
    """The ties that hold held-out items, of every user from the best.

    Attributes:
        owner: int64 [m], position of the user among the distinct ones.
        first: int64 [m], first place of the tie.
        size: int64 [m], candidates in it.
        held_out: int64 [m], held-out items in it.
        before: int64 [m], held-out items of the user in better ties.
        within: int64 [m], places of the tie that are among the first k.
    """

    owner: np.ndarray
    first: np.ndarray
    size: np.ndarray
    held_out: np.ndarray
    before: np.ndarray
    within: np.ndarray

    @classmethod
    def of(cls, places: Places, k: int) -> "_Ties":
        owner = np.repeat(np.arange(places.num_users), places.counts)
        order = np.lexsort((places.ranks, owner))
        owner, first, size = owner[order], places.ranks[order], places.tied[order]
        new = np.ones(len(owner), bool)
        new[1:] = (owner[1:] != owner[:-1]) | (first[1:] != first[:-1])
        start = np.flatnonzero(new)
        owner, first, size = owner[start], first[start], size[start]
        held_out = np.diff(start, append=len(new))
        before = start - places.starts[owner]
        return cls(owner, first, size, held_out, before, np.clip(k - first, 0, size))


def any_hit(places: Places, k: int) -> np.ndarray:
    """HR@K of several held-out items: the chance that any of them is among the first k, [num_users]."""
    ties = _Ties.of(places, k)
    beyond = ties.size - ties.within
    none = np.ones(len(ties.size))  # the chance that one after the other of them is beyond k
    for step in range(int(ties.held_out.max())):
        chance = np.maximum(beyond - step, 0) / np.maximum(ties.size - step, 1)
        none *= np.where(step < ties.held_out, chance, 1.0)
    missed = np.ones(places.num_users)
    np.minimum.at(missed, ties.owner, none)
    return 1 - missed


def first_hit(places: Places, k: int) -> np.ndarray:
    """MRR@K of several held-out items: 1 / the place from 1 of the first of them, 0 beyond k, [num_users]."""
    ties = _Ties.of(places, k)
    leading = ties.before == 0
    first, size, held_out, within = (
        own[leading] for own in (ties.first, ties.size, ties.held_out, ties.within)
    )
    values, chance = np.zeros(len(first)), held_out / size  # that the first of them is at this place
    for step in range(int(within.max(initial=0))):
        values += np.where(step < within, chance / (first + step + 1), 0.0)
        chance = chance * np.maximum(size - step - held_out, 0) / np.maximum(size - step - 1, 1)
    return values


def average_precision(places: Places, k: int) -> np.ndarray:
    """MAP@K of several held-out items: precisions at their places below k, over min(items, k), [num_users].

    Within a tie of t places that holds r of them, after b better ones, the i-th place holds one of them with
    chance r / t, and then b + 1 + (i - 1) (r - 1) / (t - 1) are expected up to there.
    """
    ties = _Ties.of(places, k)
    harmonic = np.cumsum([0.0, *1 / np.arange(1, k + 1)])
    end = np.minimum(ties.first + ties.within, k)
    inverse = np.where(
        ties.within == 1, 1 / (ties.first + 1), harmonic[end] - harmonic[np.minimum(ties.first, k)]
    )
    inverse = np.where(ties.within == 0, 0.0, inverse)
    rising = (ties.held_out - 1) / np.maximum(ties.size - 1, 1)
    sums = (ties.before + 1) * inverse + rising * (ties.within - (ties.first + 1) * inverse)
    total = np.bincount(ties.owner, ties.held_out / ties.size * sums, places.num_users)
    return total / np.minimum(places.counts, k)
