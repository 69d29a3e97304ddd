"""Latency, throughput and memory of an exported model, measured in a process that has TensorFlow alone."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

# Runs without this package: what a serving process does, next to the least work that could answer.
_CLIENT = """
import json, resource, sys, time
import numpy as np
import tensorflow as tf

path, k, num_users, calls = sys.argv[1], *map(int, sys.argv[2:5])
loaded = tf.saved_model.load(path)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rng = np.random.default_rng(0)

def seconds(function, batch):
    times, begun = [], time.perf_counter()
    while len(times) < calls + 3 and (len(times) < 8 or time.perf_counter() - begun < 30):
        ids = rng.integers(num_users, size=batch)
        start = time.perf_counter()
        function(ids)
        times.append(time.perf_counter() - start)
    return times[3:]

recommend = loaded.signatures["serving_default"]
served = lambda ids: recommend(user_id=tf.constant([str(i) for i in ids]))["item_ids"].numpy()
items = tf.random.stateless_normal([int(sys.argv[5]), 64], [0, 0])
users = tf.random.stateless_normal([num_users, 64], [0, 1])

@tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
def bare(ids):
    return tf.math.top_k(tf.matmul(tf.gather(users, ids), items, transpose_b=True), k).indices

result = {"one": seconds(served, 1)}
slow = 64 * np.median(result["one"]) > 15
result["batch"] = None if slow else seconds(served, 64)
result["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result |= {"bare_one": seconds(lambda ids: bare(tf.constant(ids)).numpy(), 1)}
result |= {"bare_batch": seconds(lambda ids: bare(tf.constant(ids)).numpy(), 64)}
print(json.dumps(result))
"""


def measure_serving(method: str, num_items: int, num_users: int, calls: int) -> list[dict[str, Any]]:
    """Exports a model with synthetic weights and asks it.

    The baseline is a matrix product of the same shape and a top-k, with no ids, biases or exclusions.

    Args:
        method: Name in `nmtr_tf.models.methods.METHODS`.
        num_items: Size of the catalogue.
        num_users: Users of the model; each has 20 purchases, which are left out.
        calls: Calls that each time is taken over.

    Returns:
        Rows for the benchmark's table: p50 and p99 of one user, users a second at 64 a call (no value
        where a call would take over 15 s), peak memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        k = min(100, num_items)
        _export(folder, method, num_items, num_users, k)
        arguments = [folder, k, num_users, calls, num_items]
        client = subprocess.run(
            [sys.executable, "-I", "-c", _CLIENT, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
        )
    measured = json.loads(client.stdout.splitlines()[-1])
    one, bare_one = (1e3 * np.array(measured[name]) for name in ("one", "bare_one"))
    batch = 64 / np.median(measured["batch"]) if measured["batch"] else None  # None: over 15 s a call
    bare_batch = 64 / np.median(measured["bare_batch"])
    what = f"serve {method}, {num_items:,} items"
    return [
        _row(f"{what}: one user, p50", np.median(one), "ms", np.median(bare_one)),
        _row(f"{what}: one user, p99", np.percentile(one, 99), "ms", np.percentile(bare_one, 99)),
        _row(f"{what}: 64 users a call", batch, "users/s", bare_batch),
        _row(f"{what}: peak memory", measured["peak"] / 1024, "MiB", None),
    ]


def _row(work: str, value: float | None, unit: str, baseline: float | None) -> dict[str, Any]:
    return {
        "work": work,
        "value": None if value is None else float(value),
        "unit": unit,
        "baseline": None if baseline is None else "bare product and top-k",
        "ratio": None if value is None or baseline is None else float(value / baseline),
        "target": None,
        "met": None,
    }


def _export(folder: str, method: str, num_items: int, num_users: int, k: int) -> None:
    from nmtr_tf.config import ModelConfig
    from nmtr_tf.data.interactions import Interactions
    from nmtr_tf.data.leakage import matrix_of
    from nmtr_tf.models.nmtr import build_model
    from nmtr_tf.serving.export import save_model

    rng = np.random.default_rng(0)
    keys = (np.arange(num_users)[:, None] * num_items + rng.integers(num_items, size=(num_users, 20))).ravel()
    bought = matrix_of(keys, (num_users, num_items))
    nothing = np.zeros((0, 2), np.int32)
    view = Interactions(
        user_ids=np.arange(num_users),
        item_ids=np.arange(num_items),
        matrices=dict.fromkeys(("view", "cart", "buy"), bought),
        held_out={"validation": nothing, "test": nothing},
        protocol="strict",
        fingerprint="synthetic",
    )
    model = build_model(ModelConfig(method=method), view.behaviors, num_users, num_items, seed=0)
    save_model(Path(folder), model, view, k, left_out=bought)
