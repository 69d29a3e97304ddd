"""The interaction functions of Eq. 6 to 8 in NumPy, for one user and one item, with the weights of a unit."""

import numpy as np


def relu(x):
    return np.maximum(x, 0)


def mf_logit(unit, p, q):
    return np.dot(p, q)


def gmf_logit(unit, p, q):
    return np.dot(np.asarray(unit.h), p * q)


def mlp_hidden(unit, p, q):
    z = np.concatenate([p, q])
    for kernel, bias in zip(unit.kernels, unit.biases, strict=True):
        z = relu(np.asarray(kernel).T @ z + np.asarray(bias))
    return z


def mlp_logit(unit, p, q):
    return np.dot(np.asarray(unit.h), mlp_hidden(unit, p, q))


def neumf_logit(unit, p, q):
    h = np.concatenate([np.asarray(unit.gmf.h), np.asarray(unit.mlp.h)])
    return np.dot(h, np.concatenate([p * q, mlp_hidden(unit.mlp, p, q)]))


def separate_neumf_logit(unit, p, q):
    """GMF on the first halves, MLP on the second."""
    half = len(p) // 2
    return gmf_logit(unit.gmf, p[:half], q[:half]) + mlp_logit(unit.mlp, p[half:], q[half:])
