"""A fresh process that trains some steps on synthetic data of a given size and prints its time and memory.

Arguments: the method, users, items, pairs a user, training steps in a measurement.
"""

import gc
import json
import sys

import numpy as np
from scipy import sparse

from experiments.benchmarks.data import view_of
from nmtr_tf.cli.console import import_tensorflow
from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.machine import peak_kib, resident_kib


def main() -> None:
    """Prints seconds a step, the peak of memory (KiB) and what the data has added to memory."""
    method, *numbers = sys.argv[1:]
    num_users, num_items, pairs_per_user, block = map(int, numbers)
    import_tensorflow()
    from experiments.benchmarks.rows import medians
    from experiments.benchmarks.step_clock import make_clock
    from nmtr_tf.training.device import set_device

    set_device("auto")
    # A training that is long: whatever the trainer compiles for one is compiled.
    config = TrainingConfig(num_epochs=10_000)
    # Five pairs a user: what TensorFlow and a model of this size need for any data at all.
    few = uniform_view(num_users, num_items, 5)
    ours = make_clock(few, method, config)
    ours.measurement(block)()
    before = resident_kib()
    del ours
    gc.collect()
    view = uniform_view(num_users, num_items, pairs_per_user)
    ours = make_clock(view, method, config)
    seconds = medians({"ours": ours.measurement(block)}, repeats=5)["ours"]
    interactions = _num_interactions(view)
    result = {
        "seconds_per_step": seconds / block,
        "interactions_per_step": interactions / ours.sampler.steps_per_epoch,
        "added_interactions": interactions - _num_interactions(few),
        "added_kib": resident_kib() - before,
        "peak_kib": peak_kib(),
    }
    print(json.dumps(result))


def _num_interactions(view: TrainingView) -> int:
    return sum(matrix.nnz for matrix in view.matrices.values())


def uniform_view(num_users: int, num_items: int, pairs_per_user: int) -> TrainingView:
    """Two behaviors: every user carts `pairs_per_user` items and buys every fifth of them.

    The k-th item of a user is drawn from the k-th of as many equal slices of the catalogue: so a row is
    sorted and has no item twice, without sorting.
    """
    slice_size = num_items // pairs_per_user
    rng = np.random.default_rng(0)
    items = rng.integers(slice_size, size=(num_users, pairs_per_user), dtype=np.int32)
    items += slice_size * np.arange(pairs_per_user, dtype=np.int32)
    return view_of({"cart": _matrix(items, num_items), "buy": _matrix(items[:, ::5], num_items)})


def _matrix(items: np.ndarray, num_items: int) -> sparse.csr_array:
    num_users, degree = items.shape
    indptr = np.arange(num_users + 1, dtype=np.int32) * degree
    return sparse.csr_array((np.ones(items.size, bool), items.ravel(), indptr), shape=(num_users, num_items))


if __name__ == "__main__":
    main()
