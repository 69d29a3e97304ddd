"""Least squares for every row of a table, all else fixed: a small system of equations for each row."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.workers import current_worker, summed

# Floats of the systems and of the gathered vectors of the rows that are solved at once: 64 MiB.
_CHUNK_FLOATS = 2**24
# Added to a system's diagonal, times its mean: what no pair and no L2 determines stays as it is.
_DAMPING = 1e-6


class RowSolver:
    """Minimises the whole-data loss over the rows of one table exactly.

    With the vector x of a row, the logits of its pairs in behavior r are l = f_r . x + o_r, for known vectors
    f_r and numbers o_r of the other side. What is minimised is, for each row,

        sum over r of lambda_r [c_r sum over all l^2 + sum over observed ((1 - c_r) l^2 - 2 l)] + l2 |x|^2.

    What is solved for is the change of x, as float32 leaves more digits to it. Several workers solve for some
    rows each, and the sum over them brings all rows to all.

    Args:
        matrices: Binary CSR [m, n] of each behavior: the m rows, and the n of the other side.
        weights: lambda_r of each behavior.
        unobserved: c_r of each behavior.
        l2: float32 [m, D], L2 coefficient of every number of the rows.
    """

    def __init__(
        self,
        matrices: Sequence[sparse.csr_array],
        weights: Sequence[float],
        unobserved: Sequence[float],
        l2: np.ndarray,
    ):
        self._factors = list(zip(weights, unobserved, strict=True))
        pairs = sparse.csr_array(sparse.hstack(matrices))  # the other side once for each behavior
        # Rows with about as many pairs are solved together, so that little is padded.
        order = np.argsort(np.diff(pairs.indptr), kind="stable")
        self._places = tf.constant(np.argsort(order, kind="stable"))
        self._chunks = [
            (tf.constant(rows), tf.constant(l2[rows]), padded_columns(pairs, rows))
            for rows in chunks(order, np.diff(pairs.indptr), l2.shape[1])
        ]
        sizes = [matrix.shape[1] for matrix in matrices]
        squares = np.repeat([weight * (1 - c) for weight, c in self._factors], sizes)
        self._weights = tf.constant(np.append(squares, 0.0), tf.float32)
        self._labels = tf.constant(np.append(np.repeat(weights, sizes), 0.0), tf.float32)

    def __call__(
        self, old: tf.Tensor, features: Sequence[tf.Tensor], offsets: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        """The best rows, float32 [m, D].

        Args:
            old: float32 [m, D], the rows as they are.
            features: f_r of each behavior, float32 [n, D].
            offsets: o_r of each behavior, float32 [n].
        """
        sides = [(w * c, f, o) for (w, c), f, o in zip(self._factors, features, offsets, strict=True)]
        common = tf.add_n([w * tf.matmul(f, f, transpose_a=True) for w, f, _ in sides])
        pull = tf.add_n([w * tf.linalg.matvec(f, o, transpose_a=True) for w, f, o in sides])
        # A zero after the last, for what is padded.
        stacked = tf.pad(tf.concat(features, axis=0), [(0, 1), (0, 0)])
        rest = tf.pad(tf.concat(offsets, axis=0), [(0, 1)])
        worker = current_worker()
        solved = [
            self._solved(tf.gather(old, rows), l2, common, pull, stacked, rest, columns)
            if number % worker.count == worker.number
            else tf.zeros_like(l2)
            for number, (rows, l2, columns) in enumerate(self._chunks)
        ]
        found = tf.gather(tf.concat(solved, axis=0), self._places)
        return found if worker.count == 1 else tf.constant(summed(found.numpy()))

    @tf.function(autograph=False, reduce_retracing=True)
    def _solved(self, old, l2, common, pull, features, offsets, columns) -> tf.Tensor:
        """The best rows of a chunk, from the stacked other side and the columns that were observed there."""
        vectors = tf.gather(features, columns)
        weights = tf.gather(self._weights, columns)
        logits = tf.linalg.matvec(vectors, old) + tf.gather(offsets, columns)
        errors = weights * logits - tf.gather(self._labels, columns)
        gradient = (
            tf.linalg.matvec(vectors, errors, transpose_a=True) + tf.matmul(old, common) + pull + l2 * old
        )
        system = (
            tf.matmul(weights[..., None] * vectors, vectors, transpose_a=True) + common + tf.linalg.diag(l2)
        )
        return old - solve(system, gradient)


def solve(systems: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Solutions of systems that are positive definite, or all but.

    Args:
        systems: float32 [..., D, D].
        right: float32 [..., D].

    Returns:
        float32 [..., D].
    """
    diagonal = tf.linalg.diag_part(systems)
    damping = _DAMPING * tf.reduce_mean(diagonal, axis=-1, keepdims=True)
    factors = tf.linalg.cholesky(tf.linalg.set_diag(systems, diagonal + damping))
    return tf.linalg.cholesky_solve(factors, right[..., None])[..., 0]


def chunks(order: np.ndarray, counts: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows in pieces that are solved at once.

    Args:
        order: int [m], rows by number of pairs, ascending.
        counts: int [m], pairs of each row.
        size: D, the size of a system.
    """
    pieces, first = [], 0
    while first < len(order):
        least = size * (size + int(counts[order[first]]))
        rest = order[first : first + 1 + _CHUNK_FLOATS // least]  # no more can fit
        floats = size * (size + counts[rest]) * np.arange(1, len(rest) + 1)
        count = max(1, int(np.searchsorted(floats, _CHUNK_FLOATS, side="right")))
        pieces.append(rest[:count])
        first += count
    return pieces


def padded_columns(matrix: sparse.csr_array, rows: np.ndarray) -> tf.Tensor:
    """Columns of the ones in some rows, int32 [num_rows, most], the number of columns where there is none."""
    counts = np.diff(matrix.indptr)[rows]
    columns = np.full((len(rows), counts.max()), matrix.shape[1], np.int32)
    columns[np.arange(counts.max()) < counts[:, None]] = matrix[rows].indices
    return tf.constant(columns)
