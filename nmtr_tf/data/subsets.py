"""Subsets of auxiliary data (Table IV): a share of every user's rows of a behavior."""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from nmtr_tf.data import leakage
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError


def check_shares(behaviors: Sequence[str], shares: Mapping[str, float]) -> None:
    """Checks shares against the behaviors that they are of, weakest first, target last.

    Raises:
        InputError: If a name is no weaker behavior, or a share is not in (0, 1].
    """
    *weaker, target = behaviors
    for name, share in shares.items():
        if name == target:
            raise InputError(f"--keep: the target behavior {name!r} stays whole; name a weaker behavior.")
        if name not in weaker:
            known = ", ".join(weaker) or "none"
            raise InputError(f"--keep should name weaker behaviors ({known}). Received: {name!r}.")
        if not 0 < share <= 1:
            raise InputError(f"--keep={name}:{share:g}: the share should be in (0, 1].")


def keep_share(view: Interactions, shares: Mapping[str, float], seed: int) -> Interactions:
    """A view in which every user keeps a share of the items of some behaviors; the rest stays whole.

    A user with `count` items keeps round(share * count) of them, one at least, drawn at random. What is
    drawn depends on the seed, the behavior's name and its rows alone.

    Args:
        view: What `Interactions.training_view` gave.
        shares: Behavior name -> share in (0, 1].
        seed: Seed of the draws.

    Raises:
        InputError: As `check_shares` does.
    """
    check_shares(view.behaviors, shares)
    matrices = dict(view.matrices)
    for name, share in shares.items():
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        matrices[name] = _thinned(matrices[name], share, generator)
    return dataclasses.replace(view, matrices=matrices)


def _thinned(matrix: sparse.csr_array, share: float, generator: np.random.Generator) -> sparse.csr_array:
    counts = np.diff(matrix.indptr)
    kept = np.where(counts > 0, np.maximum(np.round(share * counts), 1), 0)
    users = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((generator.random(len(users)), users))  # every user's entries in a random order
    place = np.arange(len(users)) - np.repeat(matrix.indptr[:-1], counts)
    keys = leakage.matrix_keys(matrix)[order]
    return leakage.matrix_of(keys[place < kept[users]], matrix.shape)
