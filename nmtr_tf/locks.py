"""One writer at a time: a lock between processes and threads that ends with whoever has it."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.files import PREFIX, resolved

try:
    import fcntl
except ImportError:  # Windows has no such locks: there nobody is kept from writing
    fcntl = None  # type: ignore[assignment]

_WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def held(path: str | Path) -> Iterator[None]:
    """Holds the lock of a directory that is written; it need not exist.

    The lock is one of the system on a file beside the directory, so that it outlives neither the process nor
    a directory that is swapped. Where a process was killed the file stays, and means nothing.

    Raises:
        InputError: If another process or thread has it.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    if fcntl is None:
        yield
        return
    lock = _lock_path(path)
    lock.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(lock, path)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(file)


def _lock_path(path: Path) -> Path:
    """The file beside the directory, or in it where nothing can be made beside it."""
    own = resolved(path)  # one lock, by whichever name
    beside = next(one for one in own.parents if one.exists())
    if own.is_dir() and not os.access(beside, os.W_OK):
        return own / f"{PREFIX}lock"
    return own.with_name(f"{PREFIX}lock.{own.name}")


def _locked(lock: Path, path: Path) -> int:
    """Opens and locks the file."""
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if _is_taken(file):
                holder = os.read(file, 200).decode(errors="replace").strip() or "another process"
                raise InputError(f"{path} is being written by {holder}; wait for it, or name another one.")
            if _is_still(file, lock):  # else whoever had it took the file away meanwhile
                with contextlib.suppress(OSError):  # a full disk
                    os.ftruncate(file, 0)
                    os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:  # some network file systems
            raise
    return False


def _is_still(file: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(lock))
    except FileNotFoundError:
        return False
