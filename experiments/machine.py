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


def peak_memory_mib() -> int:
    """The most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
