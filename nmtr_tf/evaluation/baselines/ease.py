"""EASE in closed form, on one matrix or aimed at the target: scores x_u B with item-to-item weights B.

The solution, and what its options mean, is in `nmtr_tf.methods.closed_form`.
"""

import numpy as np
from scipy import sparse

from nmtr_tf.data.pairs import all_as_one
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.item_weights import ItemWeightScorer
from nmtr_tf.methods import closed_form
from nmtr_tf.methods.closed_form import Problem, inverse_of_users, item_weights, problem_of, times_rows


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
    problem = problem_of(matrix, target, ease_lambda, ease_beta, ease_dropout, ease_theta)
    solve = _by_users if matrix.shape[0] < matrix.shape[1] else _by_items
    try:
        return solve(problem)
    except np.linalg.LinAlgError:
        raise InputError("`ease_lambda` is too small for these data to be solved in float32.") from None


def _by_items(problem: Problem) -> ItemWeightScorer:
    """By B itself."""
    return ItemWeightScorer(problem.inputs, item_weights(problem))


def _by_users(problem: Problem) -> UserWeightScorer:
    """The same scores by Woodbury's identity.

    With S = D^1/2 and C = (I + SX L^-1 X'S)^-1, P X' = L^-1 X'S C S^-1. Hence XB = Y - S^-1 C S (Y + X diag(
    a_j / (1 - b_j))), where a_j = (X'S C SY)_jj / L_j and b_j is the same for Y = X, 1 - L_j P_jj.
    """
    scaled, ridge, scale = problem.scaled, problem.ridge, problem.scale
    inverse = inverse_of_users(problem)
    of_all = _diagonal(inverse, scaled, scaled) / ridge
    of_target = _diagonal(inverse, scaled, times_rows(problem.target, scale)) / ridge
    factors = ((of_target + problem.theta * of_all) / (1 - of_all)).astype(np.float32)
    corrections = problem.inputs.copy()
    corrections.data *= factors[corrections.indices]
    weights = times_rows((problem.wanted + corrections).tocsr(), scale)
    return UserWeightScorer(problem.wanted, inverse, weights, scale)


def _diagonal(inverse: np.ndarray, left: sparse.csr_array, right: sparse.csr_array) -> np.ndarray:
    """Diagonal of A'CB, float64 [num_items], of A and B [num_users, num_items]."""
    left, right = left.T.tocsr(), right.T.tocsr()
    sums = np.zeros(left.shape[0])
    for first in range(0, len(sums), closed_form.CHUNK):  # B'C: a product that reads C as it lies
        own = slice(first, first + closed_form.CHUNK)
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
