"""Signals by which a process is asked to stop: noted, and acted on at a place to go on from."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from nmtr_tf.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TERMINATED = "terminated"


@contextlib.contextmanager
def noted_signals() -> Iterator[Callable[[], int | None]]:
    """Notes the first SIGINT (Ctrl-C) or SIGTERM within a block; a second one acts at once, as before.

    Signals that are ignored stay so, as for what runs in the background of a shell. In other threads than
    the main one nothing is noted.

    Yields:
        What gives the number of the signal; None: there was none.

    Raises:
        Interrupted: At the end of the block, if there was a signal and it came to its end all the same.
    """
    noted: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        restore()

    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        # None: a handler that Python did not install and cannot put back.
        before = {one: handler for one, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}
        for number in before:
            signal.signal(number, note)
    try:
        yield lambda: noted[0] if noted else None
    finally:
        restore()
    if noted:
        raise Interrupted(noted[0], "Stopped after the end of a run, which is finished.")


@contextlib.contextmanager
def terminated() -> Iterator[None]:
    """Turns SIGTERM within a block into an exception, so that what is cleaned up on Ctrl-C is then too.

    Raises:
        Interrupted: At a SIGTERM, wherever the main thread is.
    """

    def stop(number: int, frame: Any) -> None:
        raise Interrupted(number, _TERMINATED)

    is_main = threading.current_thread() is threading.main_thread()
    is_free = is_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if is_free:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if is_free:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def going_on() -> Iterator[None]:
    """Says of a block that is stopped, by Ctrl-C or SIGTERM, that the same command goes on; for commands.

    Raises:
        Interrupted: With that message, unless it has one about a place to go on from.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        if str(error) not in ("", _TERMINATED):
            raise
        number = getattr(error, "number", signal.SIGINT)
        raise Interrupted(number, "Stopped; the same command goes on with what is left.") from None
