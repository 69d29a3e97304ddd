"""Files that are read: their checksums, and one line where they cannot be read."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from nmtr_tf.errors import InputError


def checksums(paths: Sequence[Path]) -> dict[str, str]:
    """Computes the sha256 of every file.

    Returns:
        Shortest ends of the paths that are all different -> hexadecimal digest.
    """
    resolved = list(dict.fromkeys(path.resolve() for path in paths))
    depth = 1
    while len({path.parts[-depth:] for path in resolved}) < len(resolved):
        depth += 1
    digests = {}
    for path in resolved:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        digests["/".join(path.parts[-depth:])] = digest.hexdigest()
    return digests


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns failures to read `path` into `InputError`."""
    try:
        yield
    except (pa.ArrowInvalid, OSError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
