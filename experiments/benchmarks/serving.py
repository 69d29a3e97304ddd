"""Latency, throughput and memory of an exported model, measured in a process that has TensorFlow alone."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.benchmarks.data import view_of
from experiments.benchmarks.rows import Rows, measured, skipped
from experiments.benchmarks.setting import Setting
from experiments.benchmarks.step_clock import make_model
from nmtr_tf.data.pairs import matrix_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.table import get_method
from nmtr_tf.methods.unit_kinds import unit_kind
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.two_stages import fit_two_stages

# Runs without this package: what a serving process does, next to the least work that could answer.
_CLIENT = """
import json, pathlib, resource, sys, time
import numpy as np
import tensorflow as tf

path, k, num_users, calls, num_items, num_events = sys.argv[1], *map(int, sys.argv[2:])
loaded = tf.saved_model.load(path)
rng = np.random.default_rng(0)

def peak():
    # On Linux ru_maxrss begins with the size of the process that started this one; VmHWM does not.
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def seconds(function, batch):
    times, begun = [], time.perf_counter()
    while len(times) < calls + 3 and (len(times) < 8 or time.perf_counter() - begun < 30):
        ids = rng.integers(num_users, size=batch)
        start = time.perf_counter()
        function(ids)
        times.append(time.perf_counter() - start)
    return times[3:]

if num_events:
    recommend = loaded.signatures["recommend_for_history"]

    def served(ids):
        events = rng.integers(num_items, size=(len(ids), num_events)).astype(str).astype(object)
        behaviors = np.full(events.shape, "view", object)
        given = {"item_id": tf.constant(events), "behavior": tf.constant(behaviors)}
        return recommend(**given)["item_ids"].numpy()
else:
    recommend = loaded.signatures["serving_default"]
    served = lambda ids: recommend(user_id=tf.constant([str(i) for i in ids]))["item_ids"].numpy()
items = tf.random.stateless_normal([num_items, 64], [0, 0])
users = tf.random.stateless_normal([num_users, 64], [0, 1])

@tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
def bare(ids):
    return tf.math.top_k(tf.matmul(tf.gather(users, ids), items, transpose_b=True), k).indices

result = {"one": seconds(served, 1)}
slow = 64 * np.median(result["one"]) > 15
result["batch"] = None if slow else seconds(served, 64)
result["peak"] = peak()
result |= {"bare_one": seconds(lambda ids: bare(tf.constant(ids)).numpy(), 1)}
result |= {"bare_batch": seconds(lambda ids: bare(tf.constant(ids)).numpy(), 64)}
print(json.dumps(result))
"""
BASELINE = "bare product and top-k"
_CANDIDATES, _FEW_USERS = 1000, 64


def measure(setting: Setting) -> Rows:
    """p50 and p99 of one user, users a second at 64 a call, peak memory, for every method and catalogue.

    The baseline is a matrix product of the same shape and a top-k, with no ids, biases or exclusions.
    """
    for num_items in setting.num_items:
        for method in setting.methods:
            calls = 20 if setting.quick else 200 if num_items <= 100_000 else 50
            what = f"serve {method}, {num_items:,} items"
            yield from rows_of(what, _ask(method, num_items, setting.num_users, calls))
            if has_tower(method) and num_items > _CANDIDATES:
                times = _ask(method, num_items, setting.num_users, calls, _CANDIDATES)
                yield from rows_of(f"{what}, {_CANDIDATES:,} candidates", times)


def rows_of(what: str, times: Mapping[str, Any]) -> Rows:
    """The rows of one model.

    Args:
        what: What was served.
        times: What the client printed.
    """
    one, bare_one = (1e3 * np.array(times[name]) for name in ("one", "bare_one"))
    bare_batch = 64 / np.median(times["bare_batch"])
    for name, percentile in (("p50", 50), ("p99", 99)):
        bare = BASELINE, np.percentile(bare_one, percentile)
        yield measured(f"{what}: one user, {name}", np.percentile(one, percentile), "ms", bare)
    batch = f"{what}: 64 users a call"
    if times["batch"] is None:
        yield skipped(batch, "a call takes over 15 s")
    else:
        yield measured(batch, 64 / np.median(times["batch"]), "users/s", (BASELINE, bare_batch))
    yield measured(f"{what}: peak memory", times["peak"] / 1024, "MiB")


def has_tower(method: str) -> bool:
    """Whether units of a method have layers."""
    return unit_kind(get_method(method).unit).has_tower


def _ask(method: str, num_items: int, num_users: int, calls: int, candidates: int = 0) -> dict[str, Any]:
    """Exports a model with synthetic weights and asks it `calls` times.

    Returns:
        What the client printed: seconds of every call by kind, and its peak memory in KiB.
    """
    with tempfile.TemporaryDirectory() as folder:
        k = min(100, num_items)
        _export(folder, method, num_items, num_users, k, candidates)
        return ask_client(folder, k, num_users, calls, num_items)


def ask_client(
    folder: str, k: int, num_users: int, calls: int, num_items: int, num_events: int = 0
) -> dict[str, Any]:
    """What the client printed of an exported model; with `num_events` its users are new, with so many."""
    arguments = [folder, k, num_users, calls, num_items, num_events]
    client = subprocess.run(
        [sys.executable, "-I", "-c", _CLIENT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(client.stdout.splitlines()[-1])


def served_view(num_users: int, num_items: int) -> TrainingView:
    """Users with 20 purchases each, viewed and carted before."""
    rng = np.random.default_rng(0)
    keys = (np.arange(num_users)[:, None] * num_items + rng.integers(num_items, size=(num_users, 20))).ravel()
    return view_of(dict.fromkeys(("view", "cart", "buy"), matrix_of(keys, (num_users, num_items))))


def _export(folder: str, method: str, num_items: int, num_users: int, k: int, candidates: int) -> None:
    """Writes a model whose users' purchases are left out; 0 candidates: it ranks all."""
    view = served_view(num_users, num_items)
    model, stages = make_model(view, method), None
    if candidates:  # how good they are of made-up weights says nothing, so few users do
        stages, _ = fit_two_stages(ModelScorer(model), view, candidates, k, most_users=_FEW_USERS)
    save_model(folder, model, view, k, left_out=view.target, stages=stages)
