"""Optimizers that treat repeated rows of a sparse gradient as TensorFlow 1 and the paper did.

Keras 3 squares the gradient of every occurrence of a repeated row and adds the squares up; the
gradient of the row is the sum, and it is the square of the sum that belongs into the accumulators.

They stand with the models because a saved model holds its optimizer.
"""

import keras
import tensorflow as tf
from typing_extensions import override

# Rows of a table that are updated, touched or not, in the time that one row of a sparse gradient takes.
_ROWS_PER_INDEX = 2


def sum_repeated_rows(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor | tf.IndexedSlices:
    """The same gradient with every row at most once; dense gradients pass through."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, positions = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


@keras.saving.register_keras_serializable("nmtr_tf")
class Adagrad(keras.optimizers.Optimizer):
    """Adagrad [Duchi et al. 2011]: accumulator += g^2; variable -= learning_rate * g / sqrt(accumulator).

    Equal to TensorFlow 1's AdagradOptimizer. Unlike Keras' own it adds nothing under the root, and it
    updates only the rows that a sparse gradient names.

    Differs from the paper: it gives no initial accumulator, and that of TensorFlow 1, 0.1, is so large beside
    the gradients of a mean loss that nothing is learned for tens of epochs; the default is 1e-8.

    Args:
        learning_rate: A float or a keras LearningRateSchedule.
        initial_accumulator: Value of every accumulator before the first step, positive.
    """

    sums_repeated_rows = True

    def __init__(self, learning_rate=0.01, initial_accumulator: float = 1e-8, name="adagrad", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.initial_accumulator = initial_accumulator

    def build(self, variables):
        """Creates one accumulator per variable."""
        if self.built:
            return
        super().build(variables)
        initializer = keras.initializers.Constant(self.initial_accumulator)
        self._accumulators = [
            self.add_variable_from_reference(variable, "accumulator", initializer) for variable in variables
        ]

    @override
    def update_step(self, gradient, variable, learning_rate):
        learning_rate = tf.cast(learning_rate, variable.dtype)
        accumulator = self._accumulators[self._get_variable_index(variable)].value
        handles = {"var": variable.handle, "accum": accumulator.handle, "lr": learning_rate}

        def update_rows() -> None:
            summed = sum_repeated_rows(gradient)
            tf.raw_ops.ResourceSparseApplyAdagrad(
                **handles, grad=summed.values, indices=summed.indices, use_locking=True
            )

        def update_all() -> None:
            tf.raw_ops.ResourceApplyAdagrad(**handles, grad=tf.convert_to_tensor(gradient), use_locking=True)

        if isinstance(gradient, tf.IndexedSlices):
            touches_most = _ROWS_PER_INDEX * tf.size(gradient.indices) > variable.shape[0]
            tf.cond(touches_most, update_all, update_rows)
        else:
            update_all()

    @override
    def get_config(self):
        return {**super().get_config(), "initial_accumulator": self.initial_accumulator}


@keras.saving.register_keras_serializable("nmtr_tf")
class Adam(keras.optimizers.Adam):
    """Keras' Adam with the gradients of repeated rows summed first."""

    sums_repeated_rows = True

    @override
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(sum_repeated_rows(gradient), variable, learning_rate)
