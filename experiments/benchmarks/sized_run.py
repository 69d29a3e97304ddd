"""A fresh process that trains some steps on synthetic data of a given size and prints its time and memory.

Arguments: the method, users, items, pairs a user, training steps in a measurement.
"""

import gc
import json
import sys

import numpy as np
from scipy import sparse

from experiments import cli
from experiments.machine import peak_kib, resident_kib
from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.interactions import Interactions


def main() -> None:
    """Prints seconds a step, the peak of memory (KiB) and what the data has added to memory."""
    method, *numbers = sys.argv[1:]
    num_users, num_items, pairs_per_user, block = map(int, numbers)
    cli.import_tensorflow()
    from experiments.benchmarks.ours import make_training
    from experiments.benchmarks.rows import medians
    from nmtr_tf.training.device import set_device

    set_device("auto")
    # A training that is long: whatever the trainer compiles for one is compiled.
    config = TrainingConfig(num_epochs=10_000)
    # Five pairs a user: what TensorFlow and a model of this size need for any data at all.
    few = uniform_interactions(num_users, num_items, 5)
    training = make_training(few, method, config)
    training.clock(block)()
    before = resident_kib()
    del training
    gc.collect()
    view = uniform_interactions(num_users, num_items, pairs_per_user)
    training = make_training(view, method, config)
    seconds = medians({"ours": training.clock(block)}, repeats=5)["ours"]
    interactions = _num_interactions(view)
    result = {
        "seconds_per_step": seconds / block,
        "interactions_per_step": interactions / training.sampler.steps_per_epoch,
        "added_interactions": interactions - _num_interactions(few),
        "added_kib": resident_kib() - before,
        "peak_kib": peak_kib(),
    }
    print(json.dumps(result))


def _num_interactions(view: Interactions) -> int:
    return sum(matrix.nnz for matrix in view.matrices.values())


def uniform_interactions(num_users: int, num_items: int, pairs_per_user: int) -> Interactions:
    """Two behaviors: every user carts `pairs_per_user` items and buys every fifth of them.

    The k-th item of a user is drawn from the k-th of as many equal slices of the catalogue: so a row is
    sorted and has no item twice, without sorting.
    """
    slice_size = num_items // pairs_per_user
    rng = np.random.default_rng(0)
    items = rng.integers(slice_size, size=(num_users, pairs_per_user), dtype=np.int32)
    items += slice_size * np.arange(pairs_per_user, dtype=np.int32)
    nothing = np.zeros((0, 2), np.int32)
    return Interactions(
        user_ids=np.arange(num_users),
        item_ids=np.arange(num_items),
        matrices={"cart": _matrix(items, num_items), "buy": _matrix(items[:, ::5], num_items)},
        held_out={"validation": nothing, "test": nothing},
        protocol="strict",
        fingerprint="synthetic",
    )


def _matrix(items: np.ndarray, num_items: int) -> sparse.csr_array:
    num_users, degree = items.shape
    indptr = np.arange(num_users + 1, dtype=np.int32) * degree
    return sparse.csr_array((np.ones(items.size, bool), items.ravel(), indptr), shape=(num_users, num_items))


if __name__ == "__main__":
    main()
