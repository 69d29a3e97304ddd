"""Files of ids, one a line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.errors import InputError


def read_ids(path: str | Path) -> pa.Array:
    """Reads a file of ids, one a line, UTF-8; blank lines are passed over.

    Returns:
        The ids as they stand there, string [n].

    Raises:
        InputError: If the file is not UTF-8.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: expected UTF-8.") from None
    lines = pa.array(text.replace("\r\n", "\n").split("\n"), pa.string())
    return lines.filter(pc.not_equal(pc.utf8_trim_whitespace(lines), ""))
