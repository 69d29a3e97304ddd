"""Item biases with a term of time: what an item has besides in some stretch of the training time.

Ranking, recommending, explaining and exporting ask for the biases as they are at the end of the training
time. Only a training step asks for those of another time, that of the pair which it predicts.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.rows import ItemRows, copy_rows


class TimedItems(ItemRows):
    """Base of items whose bias of behavior r is b_i^r + t_i^r(c) in column c of time, the last one now.

    Args:
        *args: As those of `ItemRows`.
        num_columns: Number of columns.
        **kwargs: As those of `ItemRows`.
    """

    def __init__(self, *args: Any, num_columns: int, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.num_columns = num_columns

    def cells(self, name: str, trainable: bool) -> list[keras.Variable]:
        """Creates a number for each item and column, item after item: zeros, for each behavior."""
        shape = (self.num_rows * self.num_columns,)
        return [
            self.add_weight(shape, "zeros", trainable=trainable, name=f"{name}_{r}")
            for r in range(self.num_behaviors)
        ]

    def time_terms(self, r: int, cells: tf.Tensor) -> tf.Tensor:
        """t^r of cells int64 [...], item * num_columns + column: float32 [...]."""
        raise NotImplementedError

    @override
    def bias_rows(self, ids, terms, buckets=None):
        columns = self.num_columns - 1 if buckets is None else buckets
        cells = tf.cast(ids, tf.int64) * self.num_columns + tf.cast(columns, tf.int64)
        own = super().bias_rows(ids, terms)
        return [bias + self.time_terms(r, cells) for r, bias in zip(terms, own, strict=True)]

    @override
    def all_biases(self, terms):
        return self.bias_rows(tf.range(self.num_rows), terms)

    @override
    def get_config(self):
        return {**super().get_config(), "num_columns": self.num_columns}


@keras.saving.register_keras_serializable("nmtr_tf")
class BucketItems(TimedItems):
    """t_i^r(c) = b_ic^r, a bias of its own for each item in each of some equal parts of the training time.

    They start at zero and are learned as b_i^r is.

    Args:
        *args: As those of `TimedItems`; the columns are the parts.
        **kwargs: Likewise.
    """

    @override
    def add_biases(self):
        super().add_biases()
        self.bucket_biases = self.cells("bucket_bias", trainable=True)

    @override
    def time_terms(self, r, cells):
        return tf.gather(self.bucket_biases[r].value, cells)

    @override
    def bias_variables(self, r):
        return [*super().bias_variables(r), self.bucket_biases[r]]


@keras.saving.register_keras_serializable("nmtr_tf")
class WindowItems(TimedItems):
    """t_i^r(c) = w^r x_ic^r, with x_ic^r = log(1 + rows of behavior r of the item in the window before c).

    The mean of x over all items is taken off, which orders no items. No row of a pair's own window or of a
    later one is in it. The weight w^r of a behavior starts at zero, and is learned.

    Args:
        *args: As those of `TimedItems`; the columns are the windows, and one behind the last.
        **kwargs: Likewise.
    """

    @override
    def add_biases(self):
        super().add_biases()
        self.popularity = self.cells("popularity", trainable=False)
        self.window_weights = [
            self.add_weight((), "zeros", name=f"window_weight_{r}") for r in range(self.num_behaviors)
        ]

    def set_popularity(self, popularity: np.ndarray) -> None:
        """Sets x, float32 [num_behaviors, num_rows, num_columns]."""
        for variable, own in zip(self.popularity, popularity, strict=True):
            variable.assign(own.ravel())

    @override
    def time_terms(self, r, cells):
        return self.window_weights[r].value * tf.gather(self.popularity[r].value, cells)

    @override
    def bias_variables(self, r):
        return [*super().bias_variables(r), self.window_weights[r]]

    @override
    def take_over(self, source, behaviors, source_ids, own_ids):
        super().take_over(source, behaviors, source_ids, own_ids)
        if isinstance(source, WindowItems):  # what a window weighs is of no time: it stays apart from b_i
            for there, here in behaviors:
                copy_rows(source.biases[there], self.biases[here], source_ids, own_ids)
                self.window_weights[here].assign(source.window_weights[there])
