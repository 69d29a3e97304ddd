"""On how many devices and processes a training runs: the table of strategies of `tf.distribute`."""

import functools

import tensorflow as tf

from nmtr_tf.cluster import MULTI_WORKER
from nmtr_tf.config import TrainingConfig
from nmtr_tf.errors import InputError


def make_strategy(training: TrainingConfig) -> tf.distribute.Strategy | None:
    """The strategy that the options ask for; None: plain TensorFlow, on one device.

    To be called before TensorFlow runs anything, but after `set_device`. There is one of a kind in a process,
    as its collective operations are numbered through.

    Raises:
        InputError: If there are fewer devices than replicas, or a step has fewer pairs or users.
    """
    if training.strategy == "none":
        return None
    if training.strategy == MULTI_WORKER:
        strategy = _multi_worker()
    else:
        strategy = _mirrored(_devices(training.num_replicas))
    count = strategy.num_replicas_in_sync
    if training.batch_size < count:
        raise InputError(
            f"`batch_size` should be at least the number of replicas, {count}, which share a batch. "
            f"Received: {training.batch_size}."
        )
    return strategy


def _devices(count: int) -> tuple[str, ...]:
    """Devices of this machine: GPUs, or where there is none that may be used, CPUs."""
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if count > len(found):
        raise InputError(
            f"`num_replicas` should be at most the number of devices that TensorFlow uses here, {len(found)} "
            f"({found[0].device_type}). Received: {count}."
        )
    return tuple(device.name for device in found[: count or len(found)])


@functools.lru_cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(devices))


@functools.lru_cache
def _multi_worker() -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:  # a port that is taken, say
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"`strategy={MULTI_WORKER}`: TensorFlow cannot join the workers: {reason}"
        ) from error
