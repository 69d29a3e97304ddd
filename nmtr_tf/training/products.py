"""Sums of products of many rows, with gradients that cost what the sums do."""

import tensorflow as tf


@tf.custom_gradient
def gram(rows: tf.Tensor) -> tf.Tensor:
    """The Gram matrix of rows: float32 [n, D] -> [D, D]."""

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.matmul(rows, upstream + tf.transpose(upstream))

    return tf.matmul(rows, rows, transpose_a=True), gradient


@tf.custom_gradient
def pair_products(left: tf.Tensor, right: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Inner products of some rows of two matrices.

    The gradient is that of two products with a sparse matrix: no vector is made for a pair.

    Args:
        left: float32 [m, D].
        right: float32 [n, D].
        rows: int64 [num_pairs], rows of `left`, ascending.
        columns: int64 [num_pairs], rows of `right`, ascending where `rows` are equal, no pair twice.

    Returns:
        float32 [num_pairs].
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None, None]:
        matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=tf.stack([rows, columns], axis=1),
            values=upstream,
            dense_shape=tf.stack([tf.shape(left, tf.int64)[0], tf.shape(right, tf.int64)[0]]),
        )
        transposed = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)
        of_left = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=right)
        return of_left, tf.raw_ops.SparseMatrixMatMul(a=transposed, b=left), None, None

    return tf.reduce_sum(tf.gather(left, rows) * tf.gather(right, columns), axis=1), gradient
