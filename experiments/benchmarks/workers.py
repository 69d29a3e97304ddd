"""Workers: training by one process and by two that share its steps, on this machine."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.benchmarks.rows import Row, Rows, measured
from experiments.benchmarks.setting import Setting

METHOD = "nmtr_gmf"
PAIRS = 2048
_ROOT = Path(__file__).parents[2]


def measure(setting: Setting) -> Rows:
    """Seconds of a step, throughput, the share of the sums over workers, and what they send."""
    (one,), two = (_together(count, setting) for count in (1, 2))
    first = two[0]
    what = f"train {METHOD} on the CPU, {PAIRS} pairs a step"
    alone = "one process, compiled where it pays", one["seconds_per_step"] * 1e3
    yield measured(f"{what}: a step of two processes", first["seconds_per_step"] * 1e3, "ms", alone)
    speed = [own["instances_per_step"] / own["seconds_per_step"] / 1e6 for own in (one, first)]
    yield measured(f"{what}: two processes", speed[1], "M instances/s", ("one process", speed[0]))
    apart = first["seconds_without_sums"]
    share = 100 * max(0.0, 1 - apart / first["seconds_per_step"])
    yield Row(f"{what}: share of the sums over two processes", share, "%")
    yield Row(f"{what}: sent by each of two processes a step", first["bytes_sent"] / 2**20, "MiB")
    yield Row(f"{what}: one process, a pair", 1e6 * one["seconds_per_step"] / one["pairs_per_step"], "us")
    shown = one["positives_per_step"] / one["pairs_per_step"]
    yield Row(f"{what}: one process, behaviors of a pair", shown, "")


def _together(count: int, setting: Setting) -> list[dict[str, Any]]:
    """What each of so many processes prints; several know of each other by TF_CONFIG."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    size = "quick" if setting.quick else "full"
    command = [sys.executable, "-m", "experiments.benchmarks.worker_run", METHOD, size]
    command += [str(PAIRS), str(setting.block)]
    processes = []
    for index in range(count):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        own = {"TF_CONFIG": json.dumps(config)} if count > 1 else {}
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **own}
        processes.append(
            subprocess.Popen(
                command,
                cwd=_ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    outputs = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        if process.returncode:
            raise RuntimeError(f"worker_run ended with {process.returncode}: {errors[-2000:]}")
    return [json.loads(output.splitlines()[-1]) for output, _ in outputs]


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
