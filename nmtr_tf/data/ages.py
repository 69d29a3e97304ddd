"""How old training rows are, where a log has times: real ones, never ids or an order."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from nmtr_tf.data.events import Events
from nmtr_tf.data.pairs import matrix_keys, pair_keys


def has_times(events: Events) -> bool:
    """Whether events have times that say more than what came before what."""
    return events.timestamp is not None and events.time_unit != "order"


def ages_of(events: Events, matrices: Mapping[str, sparse.csr_array]) -> dict[str, np.ndarray]:
    """The days from each row to the last of all rows.

    Args:
        events: Prepared events with times, sorted by (user, item, behavior).
        matrices: Behavior name -> some of its rows, CSR [num_users, num_items] with sorted indices.

    Returns:
        Behavior name -> float64 [nnz], in the order of its matrix; 0 for the last row.
    """
    assert events.timestamp is not None  # `has_times` says so
    times = {}
    for name, matrix in matrices.items():
        chosen = events.behavior == events.behaviors.index(name)
        keys = pair_keys(events.user[chosen], events.item[chosen], matrix.shape[1])
        times[name] = events.timestamp[chosen][np.searchsorted(keys, matrix_keys(matrix))]
    last = max((own.max() for own in times.values() if len(own)), default=0)
    unit = np.array(1, f"timedelta64[{events.time_unit}]") / np.timedelta64(1, "D")
    return {name: (last - own) * unit for name, own in times.items()}
