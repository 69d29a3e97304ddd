"""Which rows of a log are held out, for testing and for validation."""

import numpy as np

from nmtr_tf.data import sql
from nmtr_tf.data.cuts import Cuts, shown
from nmtr_tf.data.events import SPLITS, Events
from nmtr_tf.errors import InputError

TRAIN, VALIDATION, TEST = range(len(SPLITS))


def leave_one_out(
    connection: sql.Connection, events: Events, seed: int, validation_share: float = 0.0
) -> np.ndarray:
    """Holds out the last target row of every user with two or more, and some of the others for validation.

    Differs from the paper: its held-out pair stays in the rows of auxiliary behaviors; protocol `strict`
    takes it out of these too, `released` is the paper's.

    Where the log comes split, the rows that it holds out are the test rows.

    Args:
        connection: Database to work in.
        events: Events without duplicates.
        seed: Of the choice among equally late rows, or all where there are no times, and of validation.
        validation_share: Share of every user's other target rows that validation gets, rounded, drawn at
            random: at least one where there are two, never all of them. 0: one.

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
        split[_latest(connection, events.user, target, events.timestamp, generator)] = TEST
    others = target & (split == TRAIN)
    split[_latest(connection, events.user, others, None, generator, validation_share)] = VALIDATION
    if not (split == TEST).any():
        raise InputError(
            f"No user has two {events.target_behavior!r} rows, so none can be held out for testing; "
            "expected the last of `behaviors` to be a behavior that users repeat."
        )
    return split


def in_time(events: Events, cuts: Cuts) -> np.ndarray:
    """Holds out every row, of whatever behavior, by its time: what comes after a cut is not trained on.

    Args:
        events: Events without duplicates, each at its earliest time, of users and items that have rows
            before the test cut.
        cuts: Where the log is cut.

    Returns:
        int8 [num_events], positions in `SPLITS`.

    Raises:
        InputError: If there is no target row before the test cut or none after it, or no row to train on.
    """
    assert events.timestamp is not None  # cuts are of times
    split = cuts.split_of(events.timestamp)
    of_target, since = split[events.behavior == len(events.behaviors) - 1], shown(cuts.test, cuts.unit)
    if not (of_target == TEST).any():
        raise InputError(
            f"No {events.target_behavior!r} row from {since} on is of a user and an item that have rows "
            "before, so none can be held out for testing; cut earlier."
        )
    if not (of_target < TEST).any():
        raise InputError(f"No {events.target_behavior!r} row is from before {since}; cut later.")
    if not (split == TRAIN).any():
        raise InputError(
            f"No row from before {shown(cuts.validation, cuts.unit)}, where validation begins, is left after "
            "the filters, so there is nothing to train on; relax them or cut later."
        )
    return split


def _latest(
    connection: sql.Connection,
    user: np.ndarray,
    candidates: np.ndarray,
    timestamp: np.ndarray | None,
    generator: np.random.Generator,
    share: float = 0.0,
) -> np.ndarray:
    """Positions of the latest candidate rows of every user with two or more; ties are broken at random.

    As many as make up `share` of them, rounded: at least one, and never all.
    """
    position = np.flatnonzero(candidates)
    # Drawn here, in the order of the rows, so that a choice depends on seed and data, never on threads.
    columns = {"position": position, "user": user[position], "draw": generator.random(len(position))}
    columns["time"] = np.zeros(len(position), np.int8) if timestamp is None else timestamp[position]
    connection.register("candidates", columns)
    latest = f"""SELECT position FROM candidates WINDOW
            of_user AS (PARTITION BY candidates.user),
            latest_first AS (PARTITION BY candidates.user ORDER BY time DESC, draw DESC, position DESC)
        QUALIFY row_number() OVER latest_first
            <= least(greatest(1, round({share!r} * count(*) OVER of_user)), count(*) OVER of_user - 1)"""
    return sql.arrays(connection, latest)["position"]
