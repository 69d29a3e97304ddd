"""Subsets of the data (Table IV): some of the behaviors, and a share of every user's rows of one."""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from nmtr_tf.data.pairs import matrix_keys, matrix_of
from nmtr_tf.errors import InputError


def chosen_behaviors(chosen: Sequence[str], behaviors: Sequence[str]) -> tuple[str, ...]:
    """The chosen ones of some behaviors, or all where none are.

    Args:
        chosen: Names.
        behaviors: All, weakest first, the target last.

    Raises:
        InputError: If they are in another order, unknown, or do not end with the target.
    """
    chosen = tuple(chosen) or tuple(behaviors)
    ordered = tuple(name for name in behaviors if name in chosen)
    if chosen != ordered or chosen[-1] != behaviors[-1]:
        raise InputError(
            f"`behaviors` should be a subset of {','.join(behaviors)} in this order, with "
            f"{behaviors[-1]!r} last. Received: {','.join(chosen)}."
        )
    return chosen


def parse_shares(texts: Sequence[str], behaviors: Sequence[str]) -> dict[str, float]:
    """Shares of the rows of auxiliary behaviors: "cart:0.5" -> {"cart": 0.5}.

    Args:
        texts: One behavior and its share each.
        behaviors: Behaviors that they may be of, weakest first, target last.

    Returns:
        Behavior -> share below 1, in the order of `behaviors`.

    Raises:
        InputError: If a text is no behavior:share, a name is no auxiliary behavior or occurs twice, or a
            share is not in (0, 1].
    """
    shares: dict[str, float] = {}
    *auxiliary, target = behaviors
    for text in texts:
        name, share = _parse(text)
        if name == target:
            raise InputError(f"`keep`: the target behavior {name!r} stays whole; name an auxiliary behavior.")
        if name not in auxiliary:
            known = ", ".join(auxiliary) or "none"
            raise InputError(f"`keep` should name auxiliary behaviors ({known}). Received: {name!r}.")
        if name in shares:
            raise InputError(f"`keep` should name a behavior once. Received: {name!r} twice.")
        if not 0 < share <= 1:
            raise InputError(f"`keep={text}`: the share should be in (0, 1].")
        shares[name] = share
    return {name: shares[name] for name in behaviors if shares.get(name, 1) < 1}


def _parse(text: str) -> tuple[str, float]:
    name, colon, number = text.rpartition(":")
    try:
        return name, float(number if colon else "")
    except ValueError:
        raise InputError(f"`keep` should be behavior:share, such as cart:0.5. Received: {text!r}.") from None


def keep_share(
    matrices: Mapping[str, sparse.csr_array], shares: Mapping[str, float], seed: int
) -> dict[str, sparse.csr_array]:
    """Matrices in which every user keeps a share of the items of some behaviors; the rest stays whole.

    A user with `count` items keeps round(share * count) of them, one at least, drawn at random. What is
    drawn depends on the seed, the behavior's name and its rows alone.

    Args:
        matrices: Behavior name -> binary CSR [num_users, num_items].
        shares: Behavior name -> share in (0, 1].
        seed: Seed of the draws.
    """
    kept = dict(matrices)
    for name, share in shares.items():
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        kept[name] = _thinned(kept[name], share, generator)
    return kept


def _thinned(matrix: sparse.csr_array, share: float, generator: np.random.Generator) -> sparse.csr_array:
    counts = np.diff(matrix.indptr)
    kept = np.where(counts > 0, np.maximum(np.round(share * counts), 1), 0)
    users = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((generator.random(len(users)), users))  # every user's entries in a random order
    place = np.arange(len(users)) - np.repeat(matrix.indptr[:-1], counts)
    keys = matrix_keys(matrix)[order]
    return matrix_of(keys[place < kept[users]], matrix.shape)
