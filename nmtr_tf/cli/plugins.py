"""Modules of the user's own, which register units, losses, metrics, ... under names that flags then know."""

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable
from types import ModuleType

from nmtr_tf.cli.console import silenced
from nmtr_tf.errors import InputError


def import_plugins(names: Iterable[str]) -> list[ModuleType]:
    """Imports modules from Python's path or, after that, the working directory.

    Raises:
        InputError: If there is no such module, or it raises an exception.
    """
    names = list(names)
    if names and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last: a file here should not take the place of an installed module
    return [_import(name) for name in names]


def _import(name: str) -> ModuleType:
    try:
        # A plugin may import TensorFlow; what it prints itself is still shown.
        with silenced(2) as stderr, contextlib.redirect_stderr(stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise InputError(
                f"`plugins={name}`: there is no module {error.name!r} on Python's path or in {os.getcwd()}."
            ) from None
        raise InputError(_described(name, error)) from error
    except Exception as error:
        raise InputError(_described(name, error)) from error


def _described(name: str, error: Exception) -> str:
    """The exception in a line, and the line of the plugin that led to it."""
    if isinstance(error, SyntaxError):
        text, where = error.msg, f" ({error.filename}, line {error.lineno})"
    else:
        # The first frame is `_import`; between it and the module are importlib's own.
        frames = [
            one for one in traceback.extract_tb(error.__traceback__)[1:] if "importlib" not in one.filename
        ]
        own = [one for one in frames if one.filename == frames[0].filename]
        text, where = str(error), f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"`plugins={name}`: {type(error).__name__}: {text}{where}"
