"""What this machine is, in a line that goes with every measured number."""

import os
import platform
import resource
import sys
from pathlib import Path


def hardware(device: str) -> str:
    """The CPU and its number of cores, and the GPU where one is used.

    Args:
        device: "cpu" or "gpu", as `nmtr_tf.training.device.set_device` gave it.
    """
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = {line.split(":")[1].strip() for line in lines if line.startswith("model name")}
    cpu = ", ".join(sorted(names)) or platform.processor() or platform.machine()
    return f"{_gpu() if device == 'gpu' else ''}{cpu}, {os.cpu_count()} cores"


def _gpu() -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    return f"{', '.join(names)}; "


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return sizes[0] if sizes else peak // (2**10 if sys.platform == "darwin" else 1)
