"""A process that prepares the log in a folder: its time and memory."""

import json
import resource
import sys
import time

from nmtr_tf.cli import prepare
from nmtr_tf.machine import peak_kib


def main() -> None:
    """Arguments: the folder, and `--memory_mb`."""
    folder, memory_mb = sys.argv[1:]
    started = time.monotonic()
    flags = ["--source=userbehavior", f"--input={folder}/log_*.csv", f"--memory_mb={memory_mb}", "--quiet"]
    status = prepare.main(["prepare", *flags, f"--dataset_dir={folder}/prepared"])
    used = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "seconds": time.monotonic() - started,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_kib": peak_kib(),
    }
    print(json.dumps(result))
    sys.exit(status)


if __name__ == "__main__":
    main()
