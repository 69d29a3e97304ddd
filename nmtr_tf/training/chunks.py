"""A function of many rows, some at a time, with a gradient that does not keep what is between."""

from collections.abc import Callable, Sequence

import tensorflow as tf


def in_chunks(
    function: Callable[[list[tf.Tensor], list[tf.Tensor]], tf.Tensor],
    rows: Sequence[tf.Tensor],
    others: Sequence[tf.Tensor],
    chunk: tf.Tensor,
) -> tf.Tensor:
    """What a function gives for all rows, computed for `chunk` of them at a time.

    The gradient computes every chunk again, so that what is between is never there for more than one; the
    function should not depend on chance.

    Args:
        function: (rows of each tensor float32 [m, D], the others) -> float32 [m, c]. It may read variables.
        rows: float32 [n, D] each.
        others: Tensors that every row needs.
        chunk: int32 scalar, at least 1.

    Returns:
        float32 [n, c].
    """
    count = tf.shape(rows[0])[0]
    padding = tf.maximum(1, -(-count // chunk)) * chunk - count  # of no rows one chunk is made, too
    chunks = [tf.reshape(tf.pad(one, [[0, padding], [0, 0]]), [-1, chunk, one.shape[1]]) for one in rows]
    split = len(rows)

    @tf.custom_gradient
    def together(*parts):
        own = parts[:split]
        rest = [tf.identity(one) for one in parts[split:]]  # the same tensor twice has two gradients
        found = tf.map_fn(
            lambda some: function(list(some), rest),
            own,
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None, None], tf.float32),
        )

        def gradient(upstream, variables=()):
            gradients = _gradients(function, own, rest, list(variables), upstream)
            return gradients[: len(parts)], gradients[len(parts) :]

        return found, gradient

    found = together(*chunks, *others)
    return tf.reshape(found, [-1, tf.shape(found)[2]])[:count]


def _gradients(function, rows, others, variables, upstream) -> list[tf.Tensor]:
    """Gradients of chunks of rows, of the other tensors and of variables, one chunk after the other."""
    number = tf.shape(upstream)[0]

    def of_chunk(i, own, sums):
        some = [one[i] for one in rows]
        with tf.GradientTape() as tape:
            tape.watch([*some, *others])
            found = function(some, others)
        sources = [*some, *others, *variables]
        gradients = tape.gradient(found, sources, upstream[i], tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(one) for one in gradients]
        own = [array.write(i, one) for array, one in zip(own, gradients[: len(some)], strict=True)]
        return i + 1, own, [a + b for a, b in zip(sums, gradients[len(some) :], strict=True)]

    own = [tf.TensorArray(tf.float32, number, element_shape=one.shape[1:]) for one in rows]
    sums = [tf.zeros_like(one) for one in (*others, *variables)]
    start = tf.constant(0), own, sums
    _, own, sums = tf.while_loop(lambda i, *_: i < number, of_chunk, start, parallel_iterations=1)
    return [*(array.stack() for array in own), *sums]
