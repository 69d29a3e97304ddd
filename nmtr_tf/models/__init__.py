"""Interaction units, rows, the cascade, the table of methods, and the optimizers that a saved model holds.

In a process that has imported this package `keras.models.load_model` knows all that a saved model is made of.
Importing it does not import TensorFlow.
"""

from nmtr_tf.models.saved_parts import register_saved_parts

register_saved_parts()
