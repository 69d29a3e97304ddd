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
    from nmtr_tf.models.network import network
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
    result["positives_per_step"] = float(clock.sampler.num_positives.sum()) / clock.sampler.steps_per_epoch
    batch = next(iter(clock.sampler.batches()))
    part = [own.part(worker.number, worker.count) for own in batch]
    net = network(clock.model)
    result["bytes_sent"] = bytes_of(
        part, net.user_rows.num_rows, net.item_rows.num_rows, net.item_rows.row_size, worker.count
    )
    print(json.dumps(result))


def bytes_of(
    part: Sequence[BehaviorBatch], num_users: int, num_items: int, row_size: int, count: int
) -> float:
    """Bytes that one of `count` workers sends of the gradient of a chain of inner products on its part.

    Of a large table these are its distinct rows to each other worker, numbers in float32 and a place in
    int32; of a small one its numbers, sent around in a ring twice but for what is one's own.
    """
    from nmtr_tf.training.replicas import SMALL

    items = [np.ravel(own.candidates) for own in part]
    tables = [(num_users, row_size, [own.user_ids for own in part]), (num_items, row_size, items)]
    tables += [(num_items, 1, items[r:]) for r in range(len(items))]  # the biases that a behavior's logit has
    sent = 0.0
    for rows, size, ids in tables:
        if rows * size <= SMALL:
            sent += 2 * (count - 1) / count * 4 * rows * size
        else:
            sent += (count - 1) * 4 * (size + 1) * (1 + len(np.unique(np.concatenate(ids))))
    return sent


if __name__ == "__main__":
    main()
