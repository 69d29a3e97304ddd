"""Functions of text as signatures of a SavedModel, and the tables that look ids up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf


def embedding(vectors: tf.Tensor, known: tf.Tensor) -> dict[str, tf.Tensor]:
    """What the signatures of embeddings give, of vectors float32 [B, D]."""
    return {"embedding": tf.where(known[:, None], vectors, 0.0), "known": known}


def concrete(function: Callable, axes: dict[str, int]) -> Any:
    """Traces `function` for text inputs: name -> number of axes, all of any length but for equally many rows.

    A server hands on what it is sent: unchecked, a wrong shape fails somewhere in the graph, or does not.
    """
    shapes = [[None] * number for number in axes.values()]

    def checked(*inputs):
        shaped = [tf.ensure_shape(given, shape) for given, shape in zip(inputs, shapes, strict=True)]
        rows = [tf.shape(given)[0] for given in shaped]
        for name, count in zip(list(axes)[1:], rows[1:], strict=True):
            message = f"{name} should have as many rows as {next(iter(axes))}."
            tf.debugging.assert_equal(count, rows[0], message)
        return function(*shaped)

    specs = [tf.TensorSpec(shape, tf.string, name) for name, shape in zip(axes, shapes, strict=True)]
    return tf.function(checked, input_signature=specs, autograph=False).get_concrete_function()


def line_table(path: Path, keys: tf.DType, values: tf.DType, default) -> tf.lookup.StaticHashTable:
    """The lines of a file, as int64 number -> text or the other way round."""
    kinds = {tf.string: tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64: tf.lookup.TextFileIndex.LINE_NUMBER}
    lines = tf.lookup.TextFileInitializer(str(path), keys, kinds[keys], values, kinds[values])
    return tf.lookup.StaticHashTable(lines, default)


def look_up(table: tf.lookup.StaticHashTable, ids) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows int32 of ids of any shape, 0 for unknown ones, and which are known (bool)."""
    rows = tf.cast(table.lookup(ids), tf.int32)
    return tf.maximum(rows, 0), rows >= 0
