"""A process with TensorFlow alone that asks an exported model from many threads, and prints what came of it.

Arguments: the export's directory, a JSON file with the ids of users, threads, and seconds or calls: "120s" or
"480". Every answer is compared with that for all users in one call.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

WARM_UP = 0.25  # of the seconds: memory is measured after it, and at the end


def resident_mib() -> float:
    """Memory that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def main() -> None:
    directory, ids, num_threads, length = sys.argv[1:]
    users = np.array(json.loads(Path(ids).read_text()))
    serve = tf.saved_model.load(directory).signatures["serving_default"]
    whole = {name: array.numpy() for name, array in serve(user_id=tf.constant(users)).items()}
    seconds = float(length[:-1]) if length.endswith("s") else np.inf
    num_calls = np.inf if length.endswith("s") else int(length)
    started, lock = time.monotonic(), threading.Lock()
    found: dict[str, Any] = {"calls": 0, "other_items": 0, "largest_difference": 0.0, "mib": []}

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while time.monotonic() - started < seconds:
            with lock:
                if found["calls"] >= num_calls:
                    return
                found["calls"] += 1
            rows = rng.integers(len(users), size=rng.choice([1, 1, 2, 7, 64]))
            answer = serve(user_id=tf.constant(users[rows]))
            same = (answer["item_ids"].numpy() == whole["item_ids"][rows]).all()
            difference = np.abs(answer["scores"].numpy() - whole["scores"][rows]).max()
            with lock:
                found["other_items"] += not same
                found["largest_difference"] = max(found["largest_difference"], float(difference))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(int(num_threads))]
    for thread in threads:
        thread.start()
    if seconds < np.inf:
        time.sleep(WARM_UP * seconds)
        found["mib"].append(resident_mib())
    for thread in threads:
        thread.join()
    found["mib"].append(resident_mib())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
