"""Fresh processes that measure something about themselves and print it as JSON."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def ask(module: str, *arguments: object) -> dict[str, Any]:
    """Runs a module of this package and reads the JSON object in its last line.

    Raises:
        RuntimeError: If it fails; the message is the end of what it printed.
    """
    command = [sys.executable, "-m", f"experiments.benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_kib() -> int:
    """The most memory that this process has held so far, in KiB.

    On Linux `ru_maxrss` begins with the size of the process that started this one; VmHWM does not.
    """
    return _status("VmHWM")


def resident_kib() -> int:
    """The memory that this process holds, in KiB; its peak where the system does not say."""
    return _status("VmRSS")


def _status(field: str) -> int:
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    sizes = [int(line.split()[1]) for line in lines if line.startswith(f"{field}:")]
    return sizes[0] if sizes else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
