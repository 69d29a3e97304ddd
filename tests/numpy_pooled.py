"""Histories of a few users, and user vectors from them, in NumPy."""

import numpy as np
from conftest import BEHAVIORS, make_view

from nmtr_tf.models.pooled import PooledRows

USERS, ITEMS, E, ALPHA = 6, 5, 4, 0.7
RNG = np.random.default_rng(3)
DONE = {
    name: RNG.random((USERS, ITEMS)) < share for name, share in zip(BEHAVIORS, (0.6, 0.4, 0.3), strict=True)
}
for _matrix in DONE.values():
    _matrix[2] = False  # a user without a history
VIEW = make_view(DONE)


def plain_vectors(rows: PooledRows, done=DONE) -> np.ndarray:
    """The formula, a user and a term at a time."""
    z, gates = np.array(rows.items.tables[0]), np.array(rows.gate)
    vectors = np.zeros((USERS, E))
    for u in range(USERS):
        terms = [gates[s] * z[i] for s, name in enumerate(BEHAVIORS) for i in np.flatnonzero(done[name][u])]
        if terms:
            vectors[u] = np.sum(terms, axis=0) / len(terms) ** ALPHA
    return vectors if rows.own is None else vectors + np.array(rows.own.tables[0])
