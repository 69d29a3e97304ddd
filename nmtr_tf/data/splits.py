"""Which rows of a log are held out, for testing and for validation."""

import numpy as np

from nmtr_tf.data.events import SPLITS, Events
from nmtr_tf.errors import InputError

TRAIN, VALIDATION, TEST = range(len(SPLITS))


def leave_one_out(events: Events, seed: int) -> np.ndarray:
    """Holds out the last target row of every user with two or more, and one of the others for validation.

    Where the log comes split, the rows that it holds out are the test rows.

    Args:
        events: Events without duplicates.
        seed: Of the choice among equally late rows, or all where there are no times, and of validation.

    Returns:
        int8 [num_events], positions in `SPLITS`.

    Raises:
        InputError: If no row is held out for testing.
    """
    generator = np.random.default_rng(seed)
    split = np.zeros(len(events), np.int8)
    target = events.behavior == len(events.behaviors) - 1
    if events.heldout is not None:
        split[events.heldout] = TEST
    else:
        split[_one_per_user(events.user, target, events.timestamp, generator)] = TEST
    split[_one_per_user(events.user, target & (split == TRAIN), None, generator)] = VALIDATION
    if not (split == TEST).any():
        raise InputError(
            f"No user has two {events.target_behavior!r} rows, so none can be held out for testing; "
            "expected the last of `behaviors` to be a behavior that users repeat."
        )
    return split


def _one_per_user(
    user: np.ndarray, candidates: np.ndarray, timestamp: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Positions of the latest candidate row of every user with two or more; ties are broken at random."""
    position = np.flatnonzero(candidates)
    keys = [generator.random(len(position)), user[position]]
    if timestamp is not None:
        keys.insert(1, timestamp[position])
    position = position[np.lexsort(keys)]
    owner = user[position]
    last = np.concatenate([owner[1:] != owner[:-1], [True]]) if len(owner) else np.zeros(0, bool)
    return position[last & (np.bincount(owner)[owner] >= 2)] if len(owner) else position
