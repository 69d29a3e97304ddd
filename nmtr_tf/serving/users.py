"""The users that somebody asks about: of the data set, dropped by a filter, or never seen."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.ids import as_given
from nmtr_tf.errors import InputError
from nmtr_tf.serving.id_files import read_ids
from nmtr_tf.serving.learned import Learned


@dataclasses.dataclass(frozen=True, eq=False)
class AskedUsers:
    """Users that are asked about, each once, in the order in which they come first.

    Attributes:
        ids: Raw ids, string [n].
        rows: int32 [n], rows of the data set's users; -1: none of them.
    """

    ids: pa.Array
    rows: np.ndarray

    def __len__(self) -> int:
        """Number of users."""
        return len(self.rows)

    def why_unknown(self, dataset: Dataset, learned: Learned | None = None) -> dict[str, str]:
        """Why users are not known: raw id -> "dropped by ...", "never seen" or "no row to learn from".

        Args:
            dataset: The data set.
            learned: What a run has learned of; None: of all users of the data set.
        """
        unknown = self.ids.filter(pa.array(self.rows < 0))
        steps = dataset.dropped.steps_of(unknown)
        forgotten = not len(dataset.dropped) and any(
            step["users"] for step in dataset.about.get("filters", ())
        )
        otherwise = "never seen, or dropped by a filter" if forgotten else "never seen"
        reasons = [f'dropped by "{step}"' if step else otherwise for step in steps]
        found = dict(zip(unknown.to_pylist(), reasons, strict=True))
        if learned:
            nothing = (self.rows >= 0) & ~learned.knows(self.rows)
            found |= dict.fromkeys(self.ids.filter(pa.array(nothing)).to_pylist(), "no row to learn from")
        return found


def count_reasons(reasons: Iterable[str]) -> str:
    """How often each reason of `AskedUsers.why_unknown` is given, for people."""
    return ", ".join(f"{count:,} {reason}" for reason, count in Counter(reasons).most_common())


def asked_users(dataset: Dataset, user_ids: Iterable[Any] | AskedUsers | None = None) -> AskedUsers:
    """Finds users by their ids.

    Args:
        dataset: The data set.
        user_ids: Ids of the log, as `nmtr_tf.data.ids.as_given` takes them. None: all users of the data set.

    Raises:
        InputError: If it is no list of ids.
    """
    if user_ids is None:
        return AskedUsers(
            pa.array(dataset.user_ids, pa.string()), np.arange(dataset.num_users, dtype=np.int32)
        )
    if isinstance(user_ids, AskedUsers):
        return user_ids
    return _found(dataset, as_given("user_ids", user_ids))


def users_of_file(dataset: Dataset, path: str | Path) -> AskedUsers:
    """Finds the users in a file, an id a line, UTF-8, as `asked_users` does; blank lines are passed over.

    Raises:
        InputError: If the file is no such text, or holds no id.
    """
    names = read_ids(path)
    if not len(names):
        raise InputError(f"{path}: expected user ids, one a line, but it is empty.")
    return _found(dataset, names)


def _found(dataset: Dataset, names: pa.Array) -> AskedUsers:
    """The users with these ids."""
    names = names.unique()
    rows = pc.index_in(names, pa.array(dataset.user_ids, pa.string())).fill_null(-1)
    return AskedUsers(names, rows.to_numpy().astype(np.int32))
