"""From the ids that somebody names to user rows."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError


def rows_of_users(view: TrainingView, user_ids: Iterable[Any] | None = None) -> np.ndarray:
    """Rows of users, each once, in the order in which they come first.

    Args:
        view: The training view.
        user_ids: Ids of the log; whole numbers may be given as their digits. None: all users.

    Returns:
        int32 [n].

    Raises:
        InputError: If an id is none of the data set's.
    """
    if user_ids is None:
        return np.arange(view.num_users, dtype=np.int32)
    if isinstance(user_ids, str | bytes) or not isinstance(user_ids, Iterable):
        raise InputError(f"`user_ids` should be a list of ids. Received: {user_ids!r}.")
    names = pa.array([str(one) for one in user_ids], pa.string())
    return _rows(view, names, lambda _: "`user_ids`")


def rows_of_user_file(view: TrainingView, path: str | Path) -> np.ndarray:
    """Rows of the users in a file, an id a line, UTF-8; as `rows_of_users` gives them.

    Blank lines are passed over.

    Raises:
        InputError: If the file is no such text, holds no id, or one that is none of the data set's.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: expected UTF-8.") from None
    lines = pa.array(text.replace("\r\n", "\n").split("\n"))
    filled = pc.not_equal(pc.utf8_trim_whitespace(lines), "")
    if not pc.any(filled).as_py():
        raise InputError(f"{path}: expected user ids, one a line, but it is empty.")
    numbers = np.flatnonzero(filled) + 1
    return _rows(view, lines.filter(filled), lambda place: f"{path}, line {numbers[place]}")


def _rows(view: TrainingView, names: pa.Array, where: Callable[[int], str]) -> np.ndarray:
    rows = pc.index_in(names, pa.array(view.user_ids).cast(pa.string()))
    if rows.null_count:
        first = int(np.argmax(rows.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(
            f"{where(first)}: {names[first].as_py()!r} is no user of the data set; expected ids such as "
            f"{view.user_ids[:1].tolist()[0]!r}."
        )
    return pd.unique(rows.to_numpy()).astype(np.int32, copy=False)
