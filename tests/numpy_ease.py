"""EASE item by item, in NumPy."""

import numpy as np


def random_pair(shape, seed=0):
    """All behaviors as one, and the target among them: dense; one user and one item have nothing."""
    rng = np.random.default_rng(seed)
    touched = rng.random(shape) < 0.4
    touched[3], touched[:, 5] = False, False
    return touched.astype(float), (touched & (rng.random(shape) < 0.5)).astype(float)


def plain(all_of, target, ease_lambda, ease_beta=0.0, ease_dropout=0.0, ease_theta=1.0, degrees=None):
    """Each column by its normal equations, with a multiplier that keeps its own weight at 0.

    Where entries are no ones, `degrees` has the number of items of each user.
    """
    num_items = all_of.shape[1]
    degrees = all_of.sum(axis=1) if degrees is None else degrees
    users = np.diag(np.maximum(degrees, 1) ** -ease_beta)
    gram = all_of.T @ users @ all_of
    ridge = np.diag(ease_lambda + ease_dropout / (1 - ease_dropout) * np.diag(gram))
    right = all_of.T @ users @ (target + ease_theta * all_of)
    weights = np.zeros((num_items, num_items))
    for j, one in enumerate(np.eye(num_items)):
        system = np.block([[gram + ridge, one[:, None]], [one[None], np.zeros((1, 1))]])
        weights[:, j] = np.linalg.solve(system, np.append(right[:, j], 0))[:-1]
    return weights


def objective(
    all_of, target, weights, ease_lambda, ease_beta=0.0, ease_dropout=0.0, ease_theta=1.0, degrees=None
):
    """What is minimised, as it is written."""
    degrees = all_of.sum(axis=1) if degrees is None else degrees
    users = np.maximum(degrees, 1) ** -ease_beta
    errors = target + ease_theta * all_of - all_of @ weights
    ridge = ease_lambda + ease_dropout / (1 - ease_dropout) * (users @ all_of**2)
    return np.sum(users * np.sum(errors**2, axis=1)) + np.sum(ridge[:, None] * weights**2)
