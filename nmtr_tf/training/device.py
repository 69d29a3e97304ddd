"""Where TensorFlow runs."""

import tensorflow as tf

from nmtr_tf.errors import InputError


def set_device(device: str) -> str:
    """Chooses where TensorFlow runs; to be called before it runs anything.

    Args:
        device: "auto" (a GPU where there is one), "cpu" or "gpu".

    Returns:
        "cpu" or "gpu".

    Raises:
        InputError: If a GPU is asked for and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise InputError(
            "`device=gpu`: TensorFlow sees no GPU here; use `device=cpu`, or install tensorflow[and-cuda] "
            "and check that nvidia-smi lists one."
        )
    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        return "cpu"
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return "gpu"
