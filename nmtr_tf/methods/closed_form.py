"""Item-to-item weights in closed form: EASE, on one matrix or aimed at the target. It needs no TensorFlow.

x_uj is 1 where user u touched item j, or the gate of the strongest behavior that he showed it, else 0;
D = diag(d_u^-beta) with d_u the items of user u, G = X'DX, L = lambda I + p/(1-p) diag(G) and
P = (G + L)^-1. For targets Y the least-squares solution without a diagonal, which makes

    sum_u d_u^-beta |y_u - x_u B|^2 + sum_ij L_ii B_ij^2

as small as it gets, is

    B = P X'DY - P diag(a_j / P_jj),  a_j = (P X'DY)_jj.

Y = X is EASE: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019). Y = T + theta X with X all
behaviors as one and T the target is aimed at the target. p > 0 is what dropout of X in training comes to:
Steck, "Autoencoders that Don't Overfit towards the Identity" (2020).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from nmtr_tf.methods.inversion import ROUNDING, check_solved, invert

MAX_DENSE = 30_000
"""A dense float32 matrix of so many rows and columns takes 3.4 GiB."""

USERS = 1 << 16
"""Users whose rows are multiplied at once."""
CHUNK = 512
"""Rows or columns of a dense matrix that are made at once."""


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What the weights are the solution of.

    Attributes:
        inputs: X, CSR float32 [num_users, num_items].
        target: T, CSR float32 of the same shape.
        theta: Y is T + theta X.
        scale: D^1/2, float32 [num_users].
        ridge: The diagonal of L, float32 [num_items].
    """

    inputs: sparse.csr_array
    target: sparse.csr_array
    theta: float
    scale: np.ndarray
    ridge: np.ndarray

    @property
    def scaled(self) -> sparse.csr_array:
        """D^1/2 X, CSR float32."""
        return times_rows(self.inputs, self.scale)

    @property
    def wanted(self) -> sparse.csr_array:
        """Y, CSR float32."""
        return (self.target + np.float32(self.theta) * self.inputs).tocsr()


def gated_rows(histories: sparse.csr_array, gates: Sequence[float]) -> sparse.csr_array:
    """X, CSR float32 [num_users, num_items], of what users did.

    Args:
        histories: CSR int32 of that shape, bit s of an entry says that behavior s was shown.
        gates: The weight of each behavior, weakest first: an entry has that of the strongest one shown.
    """
    rows = histories.astype(np.float32)
    for s, gate in enumerate(gates):
        rows.data[histories.data >> s & 1 != 0] = gate
    return rows


def problem_of(
    matrix: sparse.csr_array,
    target: sparse.csr_array | None,
    ridge: float,
    beta: float,
    dropout: float,
    theta: float,
) -> Problem:
    """The problem of a matrix and a target.

    Args:
        matrix: X, CSR [num_users, num_items].
        target: T, binary CSR of the same shape; None: zero.
        ridge: lambda.
        beta: A user counts as d^-beta, d the number of his items.
        dropout: p.
        theta: theta.
    """
    target = (sparse.csr_array(matrix.shape) if target is None else target).astype(np.float32)
    scale = np.maximum(np.diff(matrix.indptr), 1).astype(np.float32) ** np.float32(-beta / 2)
    inputs = matrix.astype(np.float32)
    diagonal = times_rows(inputs, scale).power(2).sum(axis=0)  # of G
    return Problem(
        inputs, target, theta, scale, (ridge + dropout / (1 - dropout) * diagonal).astype(np.float32)
    )


def item_weights(problem: Problem) -> np.ndarray:
    """B, float32 [num_items, num_items].

    P X'DX = I - P L, so that B is P X'DT - P diag(((P X'DT)_jj + theta) / P_jj) beside the diagonal.

    Raises:
        np.linalg.LinAlgError: If lambda is too small for float32.
    """
    num_users, num_items = problem.inputs.shape
    inverse, of_target = (_over_items if 2 * num_users > num_items else _over_users)(problem)
    own = np.zeros(num_items, np.float32) if of_target is None else np.diag(of_target)
    factors = (own + np.float32(problem.theta)) / np.diag(inverse)
    inverse *= -factors
    if of_target is not None:
        inverse += of_target
    np.fill_diagonal(inverse, 0)
    _check_solution(problem, inverse, factors)
    return inverse


def _over_items(problem: Problem) -> tuple[np.ndarray, np.ndarray | None]:
    """P and P X'DT, float32 [num_items, num_items]; None where T is zero."""
    inverse = inverse_of(problem.scaled.T.tocsr(), problem.ridge)
    if not problem.target.nnz:
        return inverse, None
    of_target, weighted = np.empty_like(inverse), times_rows(problem.target, problem.scale**2)
    for first in range(0, len(inverse), CHUNK):
        own = slice(first, first + CHUNK)
        of_target[own] = across(weighted, problem.inputs, inverse[:, own]).T
    return inverse, of_target


def _over_users(problem: Problem) -> tuple[np.ndarray, np.ndarray | None]:
    """As `_over_items`, of users that are few: M = P X'S = L^-1 X'S C, S = D^1/2, and P is L^-1 - M SX L^-1.

    P X'DT is M ST: P, which is of the size of 1/lambda, would cancel in float32 where lambda is small.
    """
    of_users, scaled = inverse_of_users(problem), problem.scaled
    scaled.data /= problem.ridge[scaled.indices]
    rows, wanted = scaled.T.tocsr(), times_rows(problem.target, problem.scale).T.tocsr()
    shape = (len(problem.ridge),) * 2
    inverse = np.empty(shape, np.float32)
    of_target = np.empty(shape, np.float32) if wanted.nnz else None
    for first in range(0, len(inverse), CHUNK):
        own = slice(first, first + CHUNK)
        block = (rows[own] @ of_users).T  # of M
        inverse[own] = -(rows @ block).T
        if of_target is not None:
            of_target[own] = (wanted @ block).T
    inverse[np.diag_indices(len(inverse))] += 1 / problem.ridge
    return inverse, of_target


def _check_solution(problem: Problem, weights: np.ndarray, factors: np.ndarray) -> None:
    """Refuses a B that is no solution, (G + L) B = X'DY - diag(g), by a random combination of the columns.

    Args:
        problem: The problem.
        weights: B.
        factors: g_j + theta L_jj, float32 [num_items].

    Raises:
        np.linalg.LinAlgError: If it is none.
    """
    probe = np.random.default_rng(0).standard_normal(len(weights)).astype(np.float32)
    scaled, ridge = problem.scaled.astype(np.float64), problem.ridge.astype(np.float64)
    found = (weights @ probe).astype(np.float64)
    wanted = scaled.T @ (times_rows(problem.wanted, problem.scale) @ probe)
    wanted -= (factors - problem.theta * ridge) * probe  # a small difference where lambda is large
    rounding = ROUNDING * float(np.linalg.norm(factors * probe))
    check_solved(scaled.T @ (scaled @ found) + ridge * found, wanted, rounding)


def inverse_of_users(problem: Problem) -> np.ndarray:
    """C = (I + SX L^-1 X'S)^-1 with S = D^1/2, float32 [num_users, num_users].

    Raises:
        np.linalg.LinAlgError: If lambda is too small for float32.
    """
    root = problem.scaled
    root.data /= np.sqrt(problem.ridge)[root.indices]
    return inverse_of(root, np.ones(root.shape[0], np.float32))


def minimum(problem: Problem, weights: np.ndarray) -> float:
    """What the least squares come to at their solution: tr Y'DY - sum_ij B_ij (X'DY)_ij.

    There (G + L) B and X'DY differ on the diagonal alone, where B has zeros, so tr B'(G + L) B, too, is that
    sum.

    Args:
        problem: The problem.
        weights: Its solution B, as `item_weights` gives it.
    """
    wanted = times_rows(problem.wanted, problem.scale)
    found, items = float(np.square(wanted.data, dtype=np.float64).sum()), problem.scaled.T.tocsr()
    for first in range(0, len(weights), CHUNK):
        own = slice(first, first + CHUNK)
        found -= float((items[own] @ wanted).multiply(weights[own]).sum(dtype=np.float64))
    return max(found, 0.0)  # rounding


def item_scales(problem: Problem, discount: float) -> np.ndarray:
    """What the columns of B are multiplied with, float32 [num_items]: (n_j / mean of n)^-discount.

    n_j is the number of users who touched item j, at least 1. Each column of B is a least squares of its own,
    so how large scores of popular items should be beside those of rare ones is not in the solution.

    Args:
        problem: The problem.
        discount: Above 0, what is rare comes up; below 0, what is popular.
    """
    touched = np.maximum(np.bincount(problem.inputs.indices, minlength=problem.inputs.shape[1]), 1)
    return ((touched / touched.mean()) ** -discount).astype(np.float32)


def times_rows(matrix: sparse.csr_array, scale: np.ndarray) -> sparse.csr_array:
    """The matrix with each row times its own number, float32 as both are."""
    scaled = matrix.copy()
    scaled.data *= np.repeat(scale, np.diff(matrix.indptr))
    return scaled


def across(left: sparse.csr_array, right: sparse.csr_array, block: np.ndarray) -> np.ndarray:
    """Left' right block, float32 [m, k], of matrices CSR [n, m], without all of right block at once."""
    found = np.zeros((left.shape[1], block.shape[1]), np.float32)
    for first in range(0, left.shape[0], USERS):
        own = slice(first, first + USERS)
        found += left[own].T.tocsr() @ (right[own] @ block)
    return found


def inverse_of(rows: sparse.csr_array, ridge: np.ndarray) -> np.ndarray:
    """(R R' + diag(ridge))^-1 of R [n, m]: float32 [n, n], made in its own memory.

    Raises:
        np.linalg.LinAlgError: If the ridge is too small for float32.
    """
    size = rows.shape[0]
    gram, columns = np.empty((size, size), np.float32, order="F"), rows.T.tocsr()
    for first in range(0, size, CHUNK):
        gram[:, first : first + CHUNK] = (rows[first : first + CHUNK] @ columns).toarray().T
    gram[np.diag_indices(size)] += ridge
    invert(gram)
    return gram.T  # the same numbers, row by row
