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
DAYS = {name: RNG.uniform(0, 60, (USERS, ITEMS)) for name in DONE}
VIEW = make_view(DONE, days=DAYS)
HALF_LIFE = 20.0


def plain_weights() -> np.ndarray:
    """The weight of each item in each history, [USERS, ITEMS], by the last that was done to it."""
    last = max(DAYS[name][DONE[name]].max() for name in BEHAVIORS)
    weights = np.zeros((USERS, ITEMS))
    for u, i in np.ndindex(USERS, ITEMS):
        days = [DAYS[name][u, i] for name in BEHAVIORS if DONE[name][u, i]]
        if days:
            weights[u, i] = 0.5 ** ((last - max(days)) / HALF_LIFE)
    return weights


def plain_vectors(rows: PooledRows, done=DONE, weights=None) -> np.ndarray:
    """The formula, a user and a term at a time; without `weights` [USERS, ITEMS] each is 1."""
    w = np.ones((USERS, ITEMS)) if weights is None else weights
    z, gates = np.array(rows.items.tables[0]), np.array(rows.gate)
    vectors = np.zeros((USERS, E))
    for u in range(USERS):
        shown = [(s, i) for s, name in enumerate(BEHAVIORS) for i in np.flatnonzero(done[name][u])]
        if shown:
            number = max(1, sum(w[u, i] for _, i in shown))
            vectors[u] = np.sum([w[u, i] * gates[s] * z[i] for s, i in shown], axis=0) / number**ALPHA
    return vectors if rows.own is None else vectors + np.array(rows.own.tables[0])
