"""EASE in closed form, on one matrix or aimed at the target: scores x_u B with item-to-item weights B.

X is binary, D = diag(d_u^-beta) with d_u the items of user u, G = X'DX, L = lambda I + p/(1-p) diag(G) and
P = (G + L)^-1. For targets Y the least-squares solution without a diagonal is

    B = P X'DY - P diag(a_j / P_jj),  a_j = (P X'DY)_jj.

Y = X is EASE: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019). Y = T + theta X with X all
behaviors as one and T the target is aimed at the target. p > 0 is what dropout of X in training comes to:
Steck, "Autoencoders that Don't Overfit towards the Identity" (2020).
"""

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.item_weights import ItemWeightScorer, all_as_one

_CHUNK = 512  # rows or columns of a dense matrix that are made at once


class UserWeightScorer:
    """Scores Y_u - C_u W / s_u: x_u B where users are fewer than items, without B.

    Args:
        targets: Y, CSR [num_users, num_items].
        inverse: C, float32 [num_users, num_users].
        weights: W, CSR [num_users, num_items].
        scale: s, float32 [num_users].
    """

    def __init__(
        self, targets: sparse.csr_array, inverse: np.ndarray, weights: sparse.csr_array, scale: np.ndarray
    ):
        self.targets, self.inverse, self.weights, self.scale = targets, inverse, weights, scale

    def scores(self, user_ids: np.ndarray) -> np.ndarray:
        """Scores float32 [num_chunk_users, num_items]."""
        shares = self.inverse[user_ids] / self.scale[user_ids, None]
        return self.targets[user_ids].toarray() - shares @ self.weights


def fit_ease(
    matrix: sparse.csr_array,
    ease_lambda: float,
    ease_beta: float = 0.0,
    ease_dropout: float = 0.0,
    target: sparse.csr_array | None = None,
    ease_theta: float = 1.0,
) -> ItemWeightScorer | UserWeightScorer:
    """Solves for the targets Y = T + theta X.

    Args:
        matrix: X, binary CSR [num_users, num_items].
        ease_lambda: L2 regularization, positive.
        ease_beta: A user counts as d^-beta, d the number of his items.
        ease_dropout: p, in [0, 1).
        target: T, binary CSR of the same shape; None: zero, which is EASE.
        ease_theta: theta.

    Raises:
        InputError: If an option is out of its range.
    """
    for name, value, is_right, expected in (
        ("ease_lambda", ease_lambda, ease_lambda > 0, "positive"),
        ("ease_beta", ease_beta, ease_beta >= 0, "at least 0"),
        ("ease_dropout", ease_dropout, 0 <= ease_dropout < 1, "in [0, 1)"),
        ("ease_theta", ease_theta, ease_theta >= 0, "at least 0"),
    ):
        if not is_right:
            raise InputError(f"`{name}` should be {expected}. Received: {value}.")
    binary = matrix.astype(np.float32)
    target = (sparse.csr_array(matrix.shape) if target is None else target).astype(np.float32)
    scale = np.maximum(np.diff(matrix.indptr), 1).astype(np.float32) ** np.float32(-ease_beta / 2)
    scaled = _times_rows(binary, scale)  # D^1/2 X
    ridge = ease_lambda + ease_dropout / (1 - ease_dropout) * scaled.power(2).sum(axis=0)  # L
    solve = _by_users if matrix.shape[0] < matrix.shape[1] else _by_items
    return solve(binary, target, ease_theta, scaled, scale, ridge.astype(np.float32))


def _by_items(
    binary: sparse.csr_array,
    target: sparse.csr_array,
    theta: float,
    scaled: sparse.csr_array,
    scale: np.ndarray,
    ridge: np.ndarray,
) -> ItemWeightScorer:
    """P X'DX = I - P L, so that B is P X'DT - P diag(((P X'DT)_jj + theta) / P_jj) beside the diagonal."""
    inverse = _inverse(scaled.T.tocsr(), ridge)
    if not target.nnz:
        inverse *= -theta / np.diag(inverse)
    else:
        of_target = np.empty_like(inverse)
        weighted = _times_rows(target, scale**2).T.tocsr()
        for first in range(0, len(inverse), _CHUNK):
            own = slice(first, first + _CHUNK)
            of_target[own] = (weighted @ (binary @ inverse[:, own])).T
        inverse *= -(np.diag(of_target) + np.float32(theta)) / np.diag(inverse)
        inverse += of_target
    np.fill_diagonal(inverse, 0)
    return ItemWeightScorer(binary, inverse)


def _by_users(
    binary: sparse.csr_array,
    target: sparse.csr_array,
    theta: float,
    scaled: sparse.csr_array,
    scale: np.ndarray,
    ridge: np.ndarray,
) -> UserWeightScorer:
    """The same scores by Woodbury's identity.

    With S = D^1/2 and C = (I + SX L^-1 X'S)^-1, P X' = L^-1 X'S C S^-1. Hence XB = Y - S^-1 C S (Y + X diag(
    a_j / (1 - b_j))), where a_j = (X'S C SY)_jj / L_j and b_j is the same for Y = X, 1 - L_j P_jj.
    """
    root = scaled.copy()  # S X L^-1/2
    root.data /= np.sqrt(ridge)[root.indices]
    inverse = _inverse(root, np.ones(len(scale), np.float32))
    of_all = _diagonal(inverse, scaled, scaled) / ridge
    of_target = _diagonal(inverse, scaled, _times_rows(target, scale)) / ridge
    factors = ((of_target + theta * of_all) / (1 - of_all)).astype(np.float32)
    targets = (target + np.float32(theta) * binary).tocsr()
    corrections = binary.copy()
    corrections.data *= factors[corrections.indices]
    return UserWeightScorer(targets, inverse, _times_rows((targets + corrections).tocsr(), scale), scale)


def _times_rows(matrix: sparse.csr_array, scale: np.ndarray) -> sparse.csr_array:
    """The matrix with each row times its own number, float32 as both are."""
    scaled = matrix.copy()
    scaled.data *= np.repeat(scale, np.diff(matrix.indptr))
    return scaled


def _inverse(rows: sparse.csr_array, ridge: np.ndarray) -> np.ndarray:
    """(R R' + diag(ridge))^-1 of R [n, m]: float32 [n, n], made in its own memory.

    Raises:
        InputError: If the ridge is too small for float32.
    """
    size = rows.shape[0]
    gram, columns = np.empty((size, size), np.float32, order="F"), rows.T.tocsr()
    for first in range(0, size, _CHUNK):
        gram[:, first : first + _CHUNK] = (rows[first : first + _CHUNK] @ columns).toarray().T
    gram[np.diag_indices(size)] += ridge
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise InputError("`ease_lambda` is too small for these data: their matrix has no inverse in float32.")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    for j in range(size):  # LAPACK leaves the other triangle alone
        inverse[j, j + 1 :] = inverse[j + 1 :, j]
    return inverse.T  # the same numbers, row by row


def _diagonal(inverse: np.ndarray, left: sparse.csr_array, right: sparse.csr_array) -> np.ndarray:
    """Diagonal of A'CB, float64 [num_items], of A and B [num_users, num_items]."""
    left, right = left.T.tocsr(), right.T.tocsr()
    sums = np.zeros(left.shape[0])
    for first in range(0, len(sums), _CHUNK):  # B'C: a product that reads C as it lies
        own = slice(first, first + _CHUNK)
        sums[own] = left[own].multiply(right[own] @ inverse).sum(axis=1)
    return sums


def ease(view: TrainingView, **options: float) -> ItemWeightScorer | UserWeightScorer:
    """EASE of the target."""
    return fit_ease(view.target, **options)


def ease_all(view: TrainingView, **options: float) -> ItemWeightScorer | UserWeightScorer:
    """EASE of all behaviors as one."""
    return fit_ease(all_as_one(view), **options)


def ease_aimed(view: TrainingView, **options: float) -> ItemWeightScorer | UserWeightScorer:
    """EASE of all behaviors as one, aimed at the target."""
    return fit_ease(all_as_one(view), target=view.target, **options)
