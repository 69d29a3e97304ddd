"""What the workers of a training on several machines tell each other.

All call these functions in the same order, in the scope of their strategy. There only what all of them do
may be done: variables that are made there are copied from the chief to the others, and Keras makes some when
it saves a model. What travels are chunks of one size, as the collective operations of TensorFlow hold on to
the shapes that they have seen.
"""

import contextlib
import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import tensorflow as tf

from nmtr_tf.cluster import MULTI_WORKER, Worker, this_worker
from nmtr_tf.errors import InputError

_Part = TypeVar("_Part")
_CHUNK = 2**18  # numbers: 1 MiB
_GIB = 2**30
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)


def current_worker() -> Worker:
    """This process among those of the strategy in whose scope it is called; without one, the only one."""
    is_one_of_many = isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
    return this_worker(MULTI_WORKER if is_one_of_many else "none")


def summed(values: np.ndarray) -> np.ndarray:
    """Sums over the workers, which all get them.

    Args:
        values: Of the same shape and kind on every worker: integers, which become int32, or floats, float32.

    Returns:
        int32 or float32, of that shape.
    """
    values = values.astype(np.float32 if values.dtype.kind == "f" else np.int32)
    if current_worker().count == 1:
        return values
    flat = np.ravel(values)
    chunks = [flat[first : first + _CHUNK] for first in range(0, len(flat), _CHUNK)]
    parts = [_reduced(np.pad(chunk, (0, _CHUNK - len(chunk))))[: len(chunk)] for chunk in chunks]
    return np.concatenate([flat[:0], *parts]).reshape(values.shape)


def own_share(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Those of some parts, the same on every worker, that are this worker's."""
    worker = current_worker()
    return itertools.islice(parts, worker.number, None, worker.count)


def from_chief(content: bytes) -> bytes:
    """What the chief gives; what the others give is not looked at."""
    worker = current_worker()
    if worker.count == 1:
        return content
    own = content if worker.is_chief else b""
    gib, rest = summed(np.array(divmod(len(own), _GIB))).tolist()  # there may be 2^31 bytes and more
    size = gib * _GIB + rest
    numbers = np.zeros(-(-size // 4), np.int32)
    if worker.is_chief:
        numbers = np.frombuffer(own + bytes(-len(own) % 4), np.int32)
    return summed(numbers).tobytes()[:size]


@contextlib.contextmanager
def losing_workers(worker: Worker) -> Iterator[None]:
    """Says in one line that another worker has gone, where this one waits for it in vain.

    Args:
        worker: This one; where it is the only one, errors stay as they are.

    Raises:
        InputError: That line.
    """
    try:
        yield
    except _LOST as error:
        if worker.count == 1:
            raise
        raise InputError(
            "`strategy=multi_worker`: another worker has stopped or cannot be reached; its own output says "
            "why. Start all workers again with the same command: the run goes on from its last checkpoint."
        ) from error


def _reduced(chunk: np.ndarray) -> np.ndarray:
    """The sum of the chunks, int32 or float32 [_CHUNK], of all workers."""
    strategy = tf.distribute.get_strategy()
    return _reduction(strategy, chunk.dtype.name)(tf.constant(chunk)).numpy()


@functools.lru_cache
def _reduction(strategy: tf.distribute.Strategy, dtype: str):
    per_worker = strategy.num_replicas_in_sync // current_worker().count

    def on_replica(chunk: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        is_first = tf.equal(replica.replica_id_in_sync_group % per_worker, 0)
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(is_first, chunk, tf.zeros_like(chunk)))

    def reduction(chunk: tf.Tensor) -> tf.Tensor:
        return strategy.experimental_local_results(strategy.run(on_replica, args=(chunk,)))[0]

    return tf.function(reduction, input_signature=[tf.TensorSpec([_CHUNK], dtype)], autograph=False)
