"""Implicit ALS, on the target alone or on all behaviors as one matrix.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), as the package
implicit has it: one regularization for all, without the scaling by frequency of Rendle et al.,
"Revisiting the Performance of iALS on Item Recommendation Benchmarks" (2021).
"""

import importlib
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.data.pairs import all_as_one
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import Scorer


class FactorScorer(Scorer):
    """Inner products of user and item factors.

    Args:
        user_factors: float32 [num_users, num_factors].
        item_factors: float32 [num_items, num_factors].
    """

    def __init__(self, user_factors: np.ndarray, item_factors: np.ndarray):
        self.user_factors, self.item_factors = tf.constant(user_factors), tf.constant(item_factors)

    def item_side(self) -> tf.Tensor:
        """Item factors float32 [num_items, num_factors]."""
        return self.item_factors

    def scores(self, user_ids: tf.Tensor, item_side: tf.Tensor) -> tf.Tensor:
        """Scores float32 [num_chunk_users, num_items]."""
        return tf.matmul(tf.gather(self.user_factors, user_ids), item_side, transpose_b=True)


def fit_ials(
    matrix: sparse.csr_array, ials_alpha: float, ials_factors: int, ials_regularization: float
) -> FactorScorer:
    """Fits implicit's AlternatingLeastSquares, 15 iterations.

    One thread and a fixed seed: the same factors on every run.

    Args:
        matrix: Binary CSR [num_users, num_items].
        ials_alpha: Confidence of an observed pair, where an unobserved one has 1.
        ials_factors: Factors of a user and of an item.
        ials_regularization: L2 regularization.

    Raises:
        InputError: If an option is out of its range.
    """
    if not 0 <= ials_alpha < np.inf:
        raise InputError(f"`ials_alpha` should be at least 0. Received: {ials_alpha}.")
    if ials_factors < 1:
        raise InputError(f"`ials_factors` should be at least 1. Received: {ials_factors}.")
    if not 0 < ials_regularization < np.inf:
        raise InputError(f"`ials_regularization` should be positive. Received: {ials_regularization}.")
    als, threadpoolctl = map(importlib.import_module, ("implicit.cpu.als", "threadpoolctl"))
    with threadpoolctl.threadpool_limits(1, "blas"):
        model = als.AlternatingLeastSquares(
            factors=ials_factors,
            regularization=ials_regularization,
            alpha=ials_alpha,
            iterations=15,
            num_threads=1,
            random_state=0,
        )
        model.fit(sparse.csr_matrix(matrix, dtype=np.float32), show_progress=False)
    return FactorScorer(model.user_factors, model.item_factors)


def ials(view: TrainingView, **options: Any) -> Scorer:
    """Implicit ALS of the target."""
    return fit_ials(view.target, **options)


def ials_all(view: TrainingView, **options: Any) -> Scorer:
    """Implicit ALS of all behaviors as one."""
    return fit_ials(all_as_one(view), **options)
