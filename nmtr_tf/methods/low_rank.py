"""Item-to-item weights of low rank: the closed form where two items have no number of their own.

With S = D^1/2 X and Z = S L^-1/2 (`nmtr_tf.methods.closed_form` has the names) let V [num_items, k] be
orthonormal, and the columns of Z V orthogonal, of lengths sigma: at its best the k strongest singular
directions. What is solved, exactly, is the least squares of `closed_form` with Z V V' in place of Z. Then,
by Woodbury's identity,

    P = L^-1/2 (I - V diag(sigma^2 / (1 + sigma^2)) V') L^-1/2,    P X'DY = A M',
    A = L^-1/2 V,    M = (Y'D^1/2 Z V) diag(1 / (1 + sigma^2)),

and B = P X'DY - P diag(gamma) with gamma_j = (A M')_jj / P_jj, which has a zero diagonal, is

    B = A W' - diag(A W'),    W = M + diag(gamma) A diag(sigma^2 / (1 + sigma^2)).

At full rank, which is at most the number of users, it is the dense solution. V comes from block power
iterations with a seeded start: Halko, Martinsson and Tropp, "Finding Structure with Randomness" (2011),
Algorithm 4.4; of no fewer directions than users from the eigenvectors of Z Z'.
"""

import dataclasses

import numpy as np
from scipy import sparse

from nmtr_tf.methods.closed_form import MAX_DENSE, Problem, across, times_rows
from nmtr_tf.methods.inversion import check_solved

DEFAULT_RANK = 1024
"""The rank where there are more than `MAX_DENSE` items, and none is given."""

ITERATIONS = 6

FEW_USERS = 2048
"""Up to so many, which are fewer than a quarter of the items, the rank is that of all, if none is given."""

_NOTHING = 1e-6
"""Share of the largest squared singular value below which one is rounding."""

MORE = 32
"""Directions that the iterations have beside those that are kept."""


@dataclasses.dataclass(frozen=True, eq=False)
class LowRankWeights:
    """B = left right' without its diagonal.

    Attributes:
        left: A, float32 [num_items, k].
        right: W, likewise.
        minimum: What the least squares come to.
    """

    left: np.ndarray
    right: np.ndarray
    minimum: float


def rank_of(num_users: int, num_items: int) -> int:
    """The rank where none is given; 0: a weight for every two items.

    Args:
        num_users: Users with a history, or more.
        num_items: Number of items.
    """
    is_small = 2 * num_users * num_items <= MAX_DENSE**2  # both factors
    if num_users <= FEW_USERS and 4 * num_users < num_items and is_small:
        return num_users
    return min(DEFAULT_RANK, num_items) if num_items > MAX_DENSE else 0


def low_rank_weights(problem: Problem, rank: int, seed: int = 0) -> LowRankWeights:
    """Solves in the strongest directions.

    Args:
        problem: The problem.
        rank: k. What is more than there are users or items is filled up with zeros.
        seed: Of the start of the iterations.

    Raises:
        np.linalg.LinAlgError: If lambda is too small for float32.
    """
    roots = np.sqrt(problem.ridge)
    inputs = problem.scaled  # Z, once its columns are divided
    inputs.data /= roots[inputs.indices]
    wanted = times_rows(problem.wanted, problem.scale)
    directions, strengths = strongest_directions(inputs, min(rank, *inputs.shape), seed)
    moments = across(wanted, inputs, directions)  # Y'D^1/2 Z V
    share = strengths / (1 + strengths)
    left, right = directions / roots[:, None], moments / (1 + strengths)
    own = (1 - (directions**2) @ share) / problem.ridge  # P_jj
    with np.errstate(divide="ignore", invalid="ignore"):
        gamma = (left * right).sum(axis=1) / own
        right += gamma[:, None] * (left * share)
    diagonal = (left * right).sum(axis=1)
    probe = np.random.default_rng(0).standard_normal(len(roots)).astype(np.float32)
    found = left @ (probe @ right) - diagonal * probe  # (G + L) B and X'DY - diag(gamma), X of rank k, of it
    solved = roots * (directions @ (strengths * ((roots * found) @ directions))) + problem.ridge * found
    check_solved(solved, roots * (directions @ (probe @ moments)) - gamma * probe)
    products = ((directions * roots[:, None]) * moments).sum(axis=1)  # (X'DY)_jj, X of rank k
    least = np.square(wanted.data, dtype=np.float64).sum()
    least -= (right * moments).sum(dtype=np.float64) - (diagonal * products).sum(dtype=np.float64)
    left, right = (np.pad(part, [(0, 0), (0, rank - part.shape[1])]) for part in (left, right))
    return LowRankWeights(left, right, float(least))


def strongest_directions(matrix: sparse.csr_array, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The right singular vectors of the largest singular values, about, and the values' squares.

    Args:
        matrix: CSR float32 [n, m].
        rank: k, at most n and m.
        seed: Of the start.

    Returns:
        Orthonormal V float32 [m, k], and float32 [k], strongest first: the squared lengths of the columns of
        the matrix times V, which are orthogonal.
    """
    if rank >= matrix.shape[0]:
        return _all_directions(matrix)
    size = min(rank + MORE, *matrix.shape)
    block = np.random.default_rng(seed).standard_normal((matrix.shape[1], size), np.float32)
    for _ in range(ITERATIONS):
        block, _ = np.linalg.qr(across(matrix, matrix, block))
    values, turns = np.linalg.eigh(block.T.astype(np.float64) @ across(matrix, matrix, block))
    order = np.argsort(-values, kind="stable")[:rank]
    strengths = np.maximum(values[order], 0).astype(np.float32)
    return block @ turns[:, order].astype(np.float32), strengths


def _all_directions(matrix: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """As `strongest_directions`, of all of rows that are few; what nothing goes into is zero."""
    values, own = np.linalg.eigh((matrix @ matrix.T).toarray().astype(np.float64))
    values, own = values[::-1], own[:, ::-1]
    is_real = values > _NOTHING * values[0]
    turns = np.where(is_real, own / np.sqrt(np.where(is_real, values, 1)), 0)
    return matrix.T.tocsr() @ turns.astype(np.float32), np.where(is_real, values, 0).astype(np.float32)
