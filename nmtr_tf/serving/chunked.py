"""Functions of a graph for some rows at a time: a large batch needs no more memory than a small one."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from nmtr_tf.evaluation.ranking import users_at_once

_MEMORY_MB = 256  # for the intermediate values while some rows of a batch are scored


def chunked(
    function: Callable[..., tf.Tensor], inputs: Sequence[tf.Tensor], width: int | None, floats: int
) -> tf.Tensor:
    """A function of rows, computed for some of them at a time.

    Args:
        function: Some rows of the inputs -> float32 [n, width].
        inputs: [B, ...] each.
        width: Columns of what it gives; None: they follow from the inputs.
        floats: What it holds for each row, at most.

    Returns:
        float32 [B, width].
    """
    size = tf.shape(inputs[0])[0]
    count = tf.maximum(size, 1)
    chunk = tf.minimum(count, users_at_once(_MEMORY_MB, floats))
    padded = count + (-count) % chunk

    def folded(values):
        rows = tf.pad(values, [[0, padded - size], *[[0, 0]] * (values.shape.rank - 1)])
        return tf.reshape(rows, tf.concat([[padded // chunk, chunk], tf.shape(values)[1:]], axis=0))

    found = tf.map_fn(
        lambda some: function(*some),
        tuple(map(folded, inputs)),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([None, width], tf.float32),
    )
    return tf.reshape(found, [padded, tf.shape(found)[2] if width is None else width])[:size]
