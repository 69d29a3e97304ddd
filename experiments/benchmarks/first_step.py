"""A fresh process that takes one training step on a prepared data set and prints when it was where.

Arguments: the data set directory, the method, and the time (seconds since 1970) when the process was started.
"""

import json
import sys
import time

from experiments import cli


def main() -> None:
    """Prints seconds from the start to the end of the imports and of the first step."""
    dataset_dir, method, started = sys.argv[1], sys.argv[2], float(sys.argv[3])
    cli.import_tensorflow()
    import tensorflow as tf

    from experiments.benchmarks.ours import make_training
    from nmtr_tf.data.storage import load
    from nmtr_tf.training.device import set_device

    set_device("auto")
    imported = time.time() - started
    training = make_training(load(dataset_dir).training_view(), method)
    training.train_steps(iter(training.sampler.batches()), tf.constant(1)).numpy()
    print(json.dumps({"import": imported, "step": time.time() - started}))


if __name__ == "__main__":
    main()
