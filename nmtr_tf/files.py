"""Writing files whole or not at all."""

import contextlib
import csv
import errno
import json
import os
import tempfile
import uuid
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from nmtr_tf.errors import InputError
from nmtr_tf.schema import checked, reading

PREFIX = ".nmtr-"
"""Of the names of everything that is there for a moment: what begins so was left by a killed process."""

_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Names `path` in the errors of a block that writes it.

    Some libraries name no file, others a temporary one; TensorFlow and HDF5 say only in words what the
    system answered.

    Raises:
        OSError: With the reason, and `path` as its file name, whatever a library raised.
    """
    path = Path(path)
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        own, temporary = getattr(error, "filename", None), path.absolute().parent / PREFIX
        if isinstance(own, str) and not os.path.abspath(own).startswith(str(temporary)):
            raise  # it says what it is about
        code = _refusal(error)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error


def _refusal(error: Exception) -> int | None:
    """The system's number of an error in writing; None: it is no such error."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    return next((code for code in _REFUSALS if os.strerror(code) in str(error)), None)


def check_directory(path: str | Path) -> None:
    """Checks that a directory can be made, or be written to where it is there.

    Raises:
        OSError: With the reason, and `path` as its file name.
    """
    own = Path(path).absolute()
    there = next(one for one in (own, *own.parents) if one.exists())
    try:
        os.rmdir(tempfile.mkdtemp(prefix=PREFIX, dir=there))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def resolved(path: str | Path) -> Path:
    """A path by the one name that it has without links; as it is where there can be no such file."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # a null character
        return Path(path).absolute()


def is_temporary(path: Path) -> bool:
    """Whether a file or directory is one that is there for a moment."""
    return path.name.startswith(PREFIX)


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary name beside `path`; renames it to `path` when the block ends well.

    Raises:
        OSError: As `writing` does.
    """
    path = Path(path)
    if path.is_symlink():  # it stays one
        path = resolved(path)
    temporary = path.with_name(f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}.{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Writes `content` as indented UTF-8 JSON; NaN and infinities are refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with new_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: If the file is missing or is not JSON: NaN and infinities are none, nor halves of letters.
    """
    try:
        return _parsed(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON: {str(error).rstrip('.')}.") from None


def read_json_lines(path: str | Path, kinds: Mapping[str, Any], others: Any) -> list[dict[str, Any]]:
    """Reads a file with a JSON object a line; numbers may be NaN and infinite.

    Args:
        path: The file.
        kinds: Entries that every line has, see `nmtr_tf.schema.checked`.
        others: The type of its other entries.

    Raises:
        InputError: If a line is no such object.
    """
    found = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8: {error}.") from None
    for number, line in enumerate(lines, 1):
        where = f"{path}, line {number}"
        try:
            found.append(checked(where, json.loads(line), kinds, others=others))
        except InputError:
            raise
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: expected JSON: {str(error).rstrip('.')}.") from None
    return found


def read_csv(path: str | Path, columns: Collection[str], mend: str) -> list[dict[str, str]]:
    """The rows of a CSV file with a header.

    Args:
        path: The file.
        columns: Names that its header has to have.
        mend: What to do where it is damaged.

    Raises:
        InputError: If it is damaged.
    """
    with reading(path, mend), Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows, header = list(reader), reader.fieldnames or ()
    if missing := [name for name in columns if name not in header]:
        raise InputError(f"{path}: expected a column {missing[0]!r} in the first line; {mend}.")
    return rows


def _parsed(text: str) -> Any:
    content = json.loads(text, parse_constant=_refused)
    if "\\ud" in text.lower():  # a half of a pair, perhaps, which nobody can write or show
        json.dumps(content, ensure_ascii=False).encode()
    return content


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
