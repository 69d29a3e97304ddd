"""Fresh processes that measure something about themselves and print it as JSON."""

import json
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
