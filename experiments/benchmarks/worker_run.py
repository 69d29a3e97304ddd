"""A fresh process that is one of the workers of TF_CONFIG, times training steps and prints them as JSON.

Without TF_CONFIG it trains alone. Arguments: the method, "quick" or "full", pairs a step, steps in a
measurement.
"""

import json
import os
import sys
from collections.abc import Sequence

import numpy as np

from experiments.benchmarks.data import stand_in
from nmtr_tf.cli.console import import_tensorflow
from nmtr_tf.cluster import this_worker
from nmtr_tf.config import TrainingConfig
from nmtr_tf.training.sampling import BehaviorBatch

_REPEATS = 5


def main() -> None:
    """Prints seconds a step, with and without the sums over workers, and what a worker sends in one."""
    method, size, batch_size, block = sys.argv[1:]
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import_tensorflow()
    import tensorflow as tf

    from experiments.benchmarks.step_clock import make_clock
    from nmtr_tf.training.strategy import make_strategy

    name = "multi_worker" if os.environ.get("TF_CONFIG") else "none"
    config = TrainingConfig(batch_size=int(batch_size), num_epochs=10_000, strategy=name)
    strategy, worker = make_strategy(config), this_worker(name)
    view = stand_in("taobao", quick=size == "quick").view

    def seconds() -> float:
        if strategy is None:
            measure = make_clock(view, method, config).measurement(int(block))
            return float(np.median([measure() for _ in range(_REPEATS)]))
        with strategy.scope():
            clock = make_clock(view, method, config)
        return float(np.median(clock.single_steps(int(block), repeats=_REPEATS)))

    result = {"seconds_per_step": seconds() / int(block)}
    if strategy is not None:
        summing = tf.distribute.ReplicaContext.all_reduce
        tf.distribute.ReplicaContext.all_reduce = lambda replica, operation, value, options=None: value
        result["seconds_without_sums"] = seconds() / int(block)
        tf.distribute.ReplicaContext.all_reduce = summing
    clock = make_clock(view, method, config)
    result["pairs_per_step"] = clock.sampler.num_pairs / clock.sampler.steps_per_epoch
    result["instances_per_step"] = clock.instances_per_step
    batch = next(iter(clock.sampler.batches()))
    part = [own.part(worker.number, worker.count) for own in batch]
    result["bytes_sent"] = (worker.count - 1) * bytes_of(part, clock.model.get_layer("user_rows").row_size)
    print(json.dumps(result))


def bytes_of(part: Sequence[BehaviorBatch], row_size: int) -> int:
    """Bytes of the gradient of a chain of inner products on a part of a batch, as it travels.

    It has the distinct rows of the table of users, of that of items and of the item biases of each behavior,
    those of behaviors after it among them; each is its numbers, float32, and its place, int32.
    """
    users = np.concatenate([own.user_ids for own in part])
    items = [np.ravel(own.candidates) for own in part]
    rows = len(np.unique(users)) + len(np.unique(np.concatenate(items)))
    biases = sum(len(np.unique(np.concatenate(items[r:]))) for r in range(len(items)))
    return 4 * (row_size + 1) * rows + 8 * biases


if __name__ == "__main__":
    main()
