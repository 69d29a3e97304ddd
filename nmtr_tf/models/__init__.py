"""Models: rows, interaction units, the cascade, and the optimizers that a saved model holds.

Importing this package registers all of them with Keras, so that `keras.models.load_model` reads saved models.
"""

from nmtr_tf.models import (
    cascade,
    history,
    network,
    normalized,
    optimizers,
    pooled,
    rows,
    summed,
    timed,
    units,
)

__all__ = [
    "cascade",
    "history",
    "network",
    "normalized",
    "optimizers",
    "pooled",
    "rows",
    "summed",
    "timed",
    "units",
]
