"""Ids of users and items, which are text in all that goes in and comes out.

Inside, a vocabulary that is all whole numbers is int64 and in their order (see `Events`); nobody outside has
to care, so that a log does not change its kind with the first id that is no number.
"""

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.errors import InputError

WHOLE = "^(0|-?[1-9][0-9]{0,17})$"
"""Texts that are whole numbers as one writes them: "12", not "0012"."""


def as_text(ids: np.ndarray) -> np.ndarray:
    """A vocabulary, int64 or str [n], as str (object) [n]."""
    return np.array(list(map(str, ids.tolist())), dtype=object)


def as_given(option: str, ids: Iterable[Any]) -> pa.Array:
    """Ids as people give them in Python, as string [n].

    Args:
        option: The option that holds them, for messages.
        ids: Text, whole numbers, or floats that are whole, as columns with gaps have them.

    Raises:
        InputError: If it is no list of such.
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(f"`{option}` should be a list of ids. Received: {ids!r}.")
    axes = getattr(ids, "ndim", 1)  # a data frame would give the names of its columns
    if axes != 1:
        kind = f"{type(ids).__name__} of {axes} axes"
        raise InputError(f"`{option}` should be a list of ids, of one axis. Received: {kind}.")
    return pa.array([_text(option, one) for one in ids], pa.string())


def _text(option: str, one: Any) -> str:
    if isinstance(one, str):
        return str(one)
    if isinstance(one, numbers.Real) and not isinstance(one, bool):
        if isinstance(one, numbers.Integral):
            return str(int(one))
        if float(one).is_integer():
            return str(int(float(one)))
    raise InputError(f"`{option}` should hold ids, text or whole numbers. Received: {one!r}.")


def order(ids: np.ndarray) -> np.ndarray:
    """What ids (str [n]) are sorted by: numbers where all are whole ones, else their characters."""
    whole = pc.all(pc.match_substring_regex(pa.array(ids, pa.string()), WHOLE)).as_py()
    return ids.astype(np.int64) if whole else ids
