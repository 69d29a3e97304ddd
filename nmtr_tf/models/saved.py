"""Reading a model that was saved."""

from pathlib import Path

import keras

from nmtr_tf.errors import InputError


def load_model(path: Path) -> keras.Model:
    """A model as it was saved, not compiled; nothing that the file brings along is run.

    Raises:
        InputError: If the file is damaged, or is no model of this package.
        OSError: If it cannot be read.
    """
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # Keras, HDF5 and zip have an error each for every kind of damage
        if isinstance(error, OSError) and error.errno:
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path}: not a model, or damaged; train the run again. Keras says: {reason[:200]}"
        ) from error
