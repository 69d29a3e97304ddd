"""The users that somebody asks about: of the data set, dropped by a filter, or never seen."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.serving.id_files import read_ids


@dataclasses.dataclass(frozen=True, eq=False)
class AskedUsers:
    """Users that are asked about, each once, in the order in which they come first.

    Attributes:
        ids: Raw ids, int64 or string [n].
        rows: int32 [n], rows of the data set's users; -1: none of them.
    """

    ids: pa.Array
    rows: np.ndarray

    def __len__(self) -> int:
        """Number of users."""
        return len(self.rows)

    def why_unknown(self, dataset: Dataset) -> dict[Any, str]:
        """Raw id -> why the data set does not have the user: "dropped by ...", or "never seen"."""
        unknown = self.ids.filter(pa.array(self.rows < 0))
        steps = dataset.dropped.steps_of(unknown.cast(pa.string()))
        forgotten = not len(dataset.dropped) and any(
            step["users"] for step in dataset.about.get("filters", ())
        )
        otherwise = "never seen, or dropped by a filter" if forgotten else "never seen"
        reasons = [f'dropped by "{step}"' if step else otherwise for step in steps]
        return dict(zip(unknown.to_pylist(), reasons, strict=True))


def count_reasons(reasons: Iterable[str]) -> str:
    """How often each reason of `AskedUsers.why_unknown` is given, for people."""
    return ", ".join(f"{count:,} {reason}" for reason, count in Counter(reasons).most_common())


def asked_users(dataset: Dataset, user_ids: Iterable[Any] | AskedUsers | None = None) -> AskedUsers:
    """Finds users by their ids.

    Args:
        dataset: The data set.
        user_ids: Ids of the log; whole numbers may be given as their digits. None: all users of the data set.

    Raises:
        InputError: If an id is not of the kind that the data set's are.
    """
    if user_ids is None:
        return AskedUsers(pa.array(dataset.user_ids), np.arange(dataset.num_users, dtype=np.int32))
    if isinstance(user_ids, AskedUsers):
        return user_ids
    if isinstance(user_ids, str | bytes) or not isinstance(user_ids, Iterable):
        raise InputError(f"`user_ids` should be a list of ids. Received: {user_ids!r}.")
    return _found(dataset, pa.array([str(one) for one in user_ids], pa.string()), lambda _: "`user_ids`")


def users_of_file(dataset: Dataset, path: str | Path) -> AskedUsers:
    """Finds the users in a file, an id a line, UTF-8, as `asked_users` does; blank lines are passed over.

    Raises:
        InputError: If the file is no such text, holds no id, or one that is not of the data set's kind.
    """
    names, lines = read_ids(path)
    if not len(names):
        raise InputError(f"{path}: expected user ids, one a line, but it is empty.")
    return _found(dataset, names, lambda place: f"{path}, line {lines[place]}")


def _found(dataset: Dataset, names: pa.Array, where: Callable[[int], str]) -> AskedUsers:
    """The users with these ids, as text; `where` says where the id at a place stands."""
    known = pa.array(dataset.user_ids)
    if pa.types.is_integer(known.type):
        _check_whole(names, where, known)
    names = names.unique()
    rows = pc.index_in(names, known.cast(pa.string())).fill_null(-1)
    return AskedUsers(names.cast(known.type), rows.to_numpy().astype(np.int32))


def _check_whole(names: pa.Array, where: Callable[[int], str], known: pa.Array) -> None:
    """Checks that ids are whole numbers as a log of such ids has them: no leading zeros, 64 bits."""
    whole = pc.match_substring_regex(names, r"^(0|-?[1-9][0-9]{0,17})$")
    whole = pc.or_(whole, pc.is_in(names, known.cast(pa.string())))
    if not (fits := whole.to_numpy(zero_copy_only=False)).all():
        first = int(np.argmin(fits))
        raise InputError(
            f"{where(first)}: {names[first].as_py()!r} should be a whole number, as the user ids of the data "
            f"set are, such as {known[0].as_py()}."
        )
