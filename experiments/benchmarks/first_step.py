"""A fresh process that takes one training step on a prepared data set and prints when it was where.

Arguments: the data set directory, the method, and the time (seconds since 1970) when the process was started.
"""

import json
import sys
import time

from nmtr_tf.cli.console import import_tensorflow


def main() -> None:
    """Prints seconds from the start to the end of the imports and of the first step."""
    dataset_dir, method, started = sys.argv[1], sys.argv[2], float(sys.argv[3])
    import_tensorflow()
    import tensorflow as tf

    from experiments.benchmarks.step_clock import make_clock
    from nmtr_tf.data.dataset import Dataset
    from nmtr_tf.training.device import set_device

    set_device("auto")
    imported = time.time() - started
    learner = make_clock(Dataset.load(dataset_dir).training_view(), method).learner
    learner.train_steps(iter(learner.sampler.batches()), tf.constant(1)).numpy()
    print(json.dumps({"import": imported, "step": time.time() - started}))


if __name__ == "__main__":
    main()
