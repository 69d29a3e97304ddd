"""What a command does as one of several workers."""

import os

from absl import flags

from nmtr_tf.cluster import this_worker
from nmtr_tf.errors import InputError


def speaks(values: flags.FlagValues, several: bool = False) -> bool:
    """Whether this process prints and writes, as the first of several workers does; the others are silent.

    Args:
        values: The command's flags.
        several: Whether it trains several data sets one after the other.

    Raises:
        InputError: If TF_CONFIG, which says so, does not; or workers are to train several runs.
    """
    worker = this_worker(values.strategy)
    if worker.count > 1 and several:
        raise InputError(f"`strategy={values.strategy}` trains one run; name one data set.")
    if worker.count > 1 and values.seeds:
        raise InputError(
            f"`seeds` trains one run after the other, and `strategy={values.strategy}` one; give one `seed`. "
            f"Received: {','.join(values.seeds)}."
        )
    if worker.count > 1:  # else TensorFlow writes a page about a worker that has gone, before the line does
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    values.quiet |= not worker.is_chief
    return worker.is_chief
