"""The rows of a data set as matrices and pairs, and the protocols under which they may be trained on."""

import numpy as np
from scipy import sparse

from nmtr_tf.config import PROTOCOLS
from nmtr_tf.data.events import Events
from nmtr_tf.data.pairs import matrix_of, pair_keys
from nmtr_tf.errors import InputError


def matrices_of(events: Events, chosen: np.ndarray) -> dict[str, sparse.csr_array]:
    """Behavior name -> the chosen rows (bool [num_events]), binary CSR [num_users, num_items]."""
    shape = (len(events.users), len(events.items))
    keys = pair_keys(events.user, events.item, shape[1])
    return {
        name: matrix_of(keys[chosen & (events.behavior == code)], shape)
        for code, name in enumerate(events.behaviors)
    }


def pairs_of(events: Events, split: np.ndarray, place: int, protocol: str) -> np.ndarray:
    """The held-out pairs of a split.

    Args:
        events: Prepared events.
        split: int8 [num_events], positions in `SPLITS`.
        place: Position of the split.
        protocol: Of the data set. Under "time" those of users and items without a row before the split begins
            are no pairs: nothing can be known of them.

    Returns:
        int32 [num_pairs, 2] of (user, item) rows of the target, by user.
    """
    chosen = (split == place) & (events.behavior == len(events.behaviors) - 1)
    if protocol == "time":
        for rows in (events.user, events.item):
            chosen &= np.isin(rows, rows[split < place])
    pairs = np.stack([events.user[chosen], events.item[chosen]], axis=1).astype(np.int32)
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def protocols_of(protocol: str) -> tuple[str, ...]:
    """The protocols that views of a data set can have: what is split in time has no other."""
    return ("time",) if protocol == "time" else tuple(name for name in PROTOCOLS if name != "time")


def protocol_of_view(asked: str, protocol: str) -> str:
    """The protocol that is asked for, or the data set's own where none is.

    Raises:
        InputError: If it does not fit the data set.
    """
    fitting = protocols_of(protocol)
    if asked and asked not in fitting:
        raise InputError(
            f"`protocol={asked}` does not fit this data set, whose protocol is {protocol}; expected "
            f"{' or '.join(fitting)}."
        )
    return asked or protocol
