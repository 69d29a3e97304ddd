"""Which worker of a training on several machines this process is: TF_CONFIG. It needs no TensorFlow."""

import dataclasses
import json
import os
from typing import Any

from nmtr_tf.errors import InputError

MULTI_WORKER = "multi_worker"
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Worker:
    """One of the processes that train a run together.

    Attributes:
        number: From 0.
        count: How many there are.
    """

    number: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether it is the one that writes files and speaks."""
        return not self.number


def this_worker(strategy: str) -> Worker:
    """The worker that this process is.

    Args:
        strategy: The option; all but "multi_worker" have one process.

    Raises:
        InputError: If the environment variable TF_CONFIG is missing or does not say.
    """
    if strategy != MULTI_WORKER:
        return Worker()
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise InputError(
            f"`strategy={strategy}` needs the environment variable TF_CONFIG, which says who the workers "
            f"are, such as {_EXAMPLE}; it is not set."
        )
    try:
        config = json.loads(text)
    except ValueError:
        raise _bad("JSON", text) from None
    cluster = config.get("cluster") if isinstance(config, dict) else None
    if not isinstance(cluster, dict) or not cluster or set(cluster) - {"chief", "worker"}:
        raise _bad("an entry 'cluster' of 'worker', and of 'chief' if there is one", text)
    if not all(map(_is_addresses, cluster.values())) or len(cluster.get("chief", [""])) != 1:
        raise _bad("a list of host:port for 'worker', and one host:port for 'chief'", text)
    addresses = [*cluster.get("chief", []), *cluster.get("worker", [])]
    if len(set(addresses)) < len(addresses):
        raise _bad("different addresses", text)
    task = config.get("task")
    kind, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (None, None)
    own = cluster.get(kind, []) if isinstance(kind, str) else []
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(own):
        raise _bad("an entry 'task' whose 'type' and 'index' are those of one of the workers", text)
    return Worker(index + (len(cluster.get("chief", [])) if kind == "worker" else 0), len(addresses))


def _is_addresses(addresses: Any) -> bool:
    """Whether this is a list of host:port, not empty."""
    return isinstance(addresses, list) and bool(addresses) and all(map(_is_address, addresses))


def _is_address(address: Any) -> bool:
    if not isinstance(address, str):
        return False
    host, _, port = address.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 2**16


def _bad(expected: str, text: str) -> InputError:
    return InputError(f"TF_CONFIG: expected {expected}, such as {_EXAMPLE}. Received: {text!r}.")
