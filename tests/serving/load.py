"""Asks an exported model from many threads at once; as a program it needs TensorFlow alone.

Its arguments: the export's directory, a JSON file (signature -> its inputs, a list of rows each), the number
of threads, and how long: "120s", or "480" calls. It prints what `ask_from_threads` found.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

WARM_UP = 0.25  # of the seconds: memory is measured after it, and at the end
BATCHES = (1, 1, 2, 7, 64)


def ask_from_threads(
    signatures: dict[str, Callable],
    inputs: dict[str, dict[str, np.ndarray]],
    num_threads: int,
    num_calls: float = np.inf,
    seconds: float = np.inf,
) -> dict[str, Any]:
    """Single rows and batches from all threads, each answer compared with that for all rows in one call.

    Returns:
        "calls": signature -> calls; "wrong": answers with other ids, numbers of items or flags;
        "largest_difference": of floats; "errors": text of what was raised; "mib": memory of the process after
        the warm-up (where there are seconds) and at the end.
    """
    whole = {name: _ask(signatures[name], rows) for name, rows in inputs.items()}
    started, lock = time.monotonic(), threading.Lock()
    left = iter(range(int(num_calls)) if num_calls < np.inf else iter(int, 1))
    found: dict[str, Any] = {"calls": dict.fromkeys(inputs, 0), "wrong": 0, "largest_difference": 0.0}
    found |= {"errors": [], "mib": []}

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while time.monotonic() - started < seconds:
            name = list(inputs)[rng.integers(len(inputs))]
            with lock:
                if next(left, None) is None:
                    return
                found["calls"][name] += 1
            length = len(next(iter(inputs[name].values())))
            rows = rng.integers(length, size=rng.choice(BATCHES))
            try:
                answer = _ask(signatures[name], {key: some[rows] for key, some in inputs[name].items()})
                same, difference = _compare(answer, {key: some[rows] for key, some in whole[name].items()})
            except Exception as error:  # it would end the thread alone
                found["errors"].append(f"{name}: {error}"[:500])
                return
            with lock:
                found["wrong"] += not same
                found["largest_difference"] = max(found["largest_difference"], difference)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(num_threads)]
    for thread in threads:
        thread.start()
    if seconds < np.inf:
        time.sleep(WARM_UP * seconds)
        found["mib"].append(resident_mib())
    for thread in threads:
        thread.join()
    found["mib"].append(resident_mib())
    return found


def resident_mib() -> float:
    """Memory that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _ask(signature: Callable, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = signature(**{name: tf.constant(rows) for name, rows in inputs.items()})
    return {name: tensor.numpy() for name, tensor in found.items()}


def _compare(answer: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> tuple[bool, float]:
    """Whether everything but floats is the same, and the largest difference of floats (NaN: infinite)."""
    same, largest = answer.keys() == expected.keys(), 0.0
    for name, values in answer.items():
        if values.dtype == np.float32:
            difference = float(np.abs(values - expected[name]).max(initial=0))
            largest = max(largest, difference if np.isfinite(difference) else np.inf)
        else:
            same = same and bool((values == expected[name]).all())
    return same, largest


def main() -> None:
    directory, asked, num_threads, length = sys.argv[1:]
    inputs = {
        signature: {name: np.array(rows, object) for name, rows in named.items()}
        for signature, named in json.loads(Path(asked).read_text()).items()
    }
    limit = {"seconds": float(length[:-1])} if length.endswith("s") else {"num_calls": int(length)}
    served = tf.saved_model.load(directory)
    print(json.dumps(ask_from_threads(served.signatures, inputs, int(num_threads), **limit)))


if __name__ == "__main__":
    main()
