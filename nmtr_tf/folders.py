"""Directories that stand whole or not at all, and give way to nothing but a whole one.

A new directory is built beside the one that it replaces. When it is complete it is named `.nmtr-next.NAME`,
the old one becomes `.nmtr-old.NAME`, and the new one NAME. Wherever that is cut, `finish` can tell what is
left to do.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.files import PREFIX, resolved, writing
from nmtr_tf.locks import held


@contextlib.contextmanager
def new_directory(path: str | Path) -> Iterator[Path]:
    """Yields a temporary directory beside `path`; renames it to `path` when the block ends well.

    A directory that stands at `path` is replaced at that moment: callers decide before whether it may be.

    Raises:
        InputError: If somebody else is writing it, or it is a mount point that something stands at.
        OSError: As `nmtr_tf.files.writing` does.
    """
    with writing(path):
        own = Path(path).resolve() if Path(path).is_symlink() else Path(path)
        own.parent.mkdir(parents=True, exist_ok=True)
        with held(own):
            _finish(own)
            _sweep(own)
            check_replaceable(own)
            temporary = Path(
                tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", suffix=f".{own.name}", dir=own.parent)
            )
            temporary.chmod(0o755)
            try:
                yield temporary
                os.replace(temporary, _beside(own, "next") if own.exists() else own)
                _finish(own)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def passing_directory(parent: str | Path, kind: str) -> Iterator[Path]:
    """Yields a new directory that is gone when the block ends; removes those that killed processes left.

    Args:
        parent: Where; it is made if it is not there.
        kind: What it is for; others of this kind there are removed, unless their processes are at them.

    Raises:
        OSError: If it cannot be made.
    """
    with contextlib.ExitStack() as ends:
        with writing(parent):
            own = _passing(Path(parent), kind, ends)
        yield own


def _passing(parent: Path, kind: str, ends: contextlib.ExitStack) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for other in parent.glob(f"{PREFIX}{kind}-*"):
        with contextlib.suppress(InputError, OSError), held(other):
            shutil.rmtree(other, ignore_errors=True)
    own = parent / f"{PREFIX}{kind}-{uuid.uuid4().hex}"
    try:
        ends.enter_context(held(own))  # before it is there, so that nobody takes it for one that was left
        own.mkdir(0o700)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(parent)) from error
    ends.callback(shutil.rmtree, own, ignore_errors=True)
    return own


def check_replaceable(path: Path) -> None:
    """Checks that a directory can be swapped for another one.

    Raises:
        InputError: If it cannot.
        NotADirectoryError: If it is a file.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if os.path.ismount(path):
        raise InputError(f"{path} is a mount point, which cannot be replaced; name a directory below it.")


def finish(path: str | Path) -> None:
    """Finishes a replacement of a directory that was cut; whoever is about it now does so himself."""
    path = Path(path)
    if not any(_beside(path, state).exists() for state in ("next", "old")):
        return
    with contextlib.suppress(InputError, OSError), held(path):  # nobody has to be able to write here
        _finish(path)


def _beside(path: Path, state: str) -> Path:
    own = resolved(path)
    return own.with_name(f"{PREFIX}{state}.{own.name}")


def _finish(path: Path) -> None:
    new, old = _beside(path, "next"), _beside(path, "old")
    if new.exists():
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(path, old)
        os.replace(new, path)
    elif old.exists() and not path.exists():
        os.replace(old, path)
    shutil.rmtree(old, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Removes what processes that were killed had begun to build; the lock is held, so nobody builds."""
    own = re.compile(rf"{re.escape(PREFIX)}\d+-\w+\.{re.escape(path.name)}")
    for one in path.parent.iterdir():
        if own.fullmatch(one.name):
            shutil.rmtree(one, ignore_errors=True)
