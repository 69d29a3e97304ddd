"""Users who were in no training, known by their events alone."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from scipy import sparse

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.ids import as_given
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.given_histories import GivenHistories
from nmtr_tf.models.history import StoredHistories
from nmtr_tf.models.network import network
from nmtr_tf.serving.left_out import resolved_exclude
from nmtr_tf.serving.users import AskedUsers

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("user", "item", "behavior")


@dataclasses.dataclass(frozen=True, eq=False)
class NewHistories:
    """Events of some users.

    Attributes:
        users: They, in the order in which they come first, each with his row of the matrices.
        matrix: What a model is told: CSR int32 [n, num_items]; bit s of an entry says that the user showed
            behavior s of the training view.
        touched: The same of all behaviors of the data set, whichever the run uses.
        num_passed_over: Events that name no user, or no item or no behavior of the data set.
    """

    users: AskedUsers
    matrix: sparse.csr_array
    touched: sparse.csr_array
    num_passed_over: int

    def left_out(self, exclude: str, mask: str, target: int) -> sparse.csr_array:
        """Binary [n, num_items], what is not recommended, as `excluded_items` has it of the events alone.

        Args:
            exclude: "auto", "bought", "touched" or "none".
            mask: Of the run's evaluation, for "auto".
            target: Place of the target among the behaviors of the data set.
        """
        kind, found = resolved_exclude(exclude, mask), self.touched.copy()
        bits = {"none": 0, "bought": 1 << target, "touched": -1}[kind]
        found.data = (found.data & bits) != 0
        found.eliminate_zeros()
        return found.astype(bool)


class HistoryScorer(ModelScorer):
    """Logits of a model for users that it does not store.

    Args:
        model: A model made by `nmtr_tf.methods.model.build_model`, whose users are sums over histories.
        matrix: As that of `NewHistories`.

    Raises:
        InputError: If its users are something else.
    """

    def __init__(self, model: keras.Model, matrix: sparse.csr_array):
        super().__init__(model)
        rows: object = network(model).user_rows
        if not isinstance(rows, StoredHistories):
            raise InputError(
                "`history` needs a run whose users are read from their histories, `user_rows=history` or "
                "`both`, or `method=nmtr_linear`. This one has a vector for each user that was in training."
            )
        given: object = GivenHistories(rows, matrix)
        self.network = dataclasses.replace(self.network, user_rows=given)  # type: ignore[arg-type]


def read_histories(
    dataset: Dataset, behaviors: Sequence[str], events: "str | Path | pd.DataFrame"
) -> NewHistories:
    """Reads events; without a user, an item or a behavior they are passed over, what comes again counts once.

    Args:
        dataset: The data set, whose items and behaviors count.
        behaviors: Those of the training view, weakest first.
        events: A CSV file with a header, or a data frame. Columns user, item and behavior are read.

    Raises:
        InputError: If a column is missing, there is no event, or none names an item and a behavior of the
            data set.
    """
    where, table = ("`history`", _of_frame(events)) if hasattr(events, "columns") else _read(events)
    given, table = len(table), table.filter(pc.not_equal(table["user"], ""))
    if not given:
        raise InputError(f"{where}: expected events, but there are none.")
    if not len(table):
        raise InputError(f"{where}: expected the id of a user in each row, but all {given} are without.")
    items = pc.index_in(table["item"], pa.array(dataset.item_ids, pa.string()))
    kinds = pc.index_in(table["behavior"], pa.array(dataset.behaviors, pa.string()))
    names = table["user"].unique()
    owners = pc.index_in(table["user"], names).to_numpy()
    counts = pc.and_(pc.is_valid(items), pc.is_valid(kinds)).to_numpy(zero_copy_only=False)
    if not counts.any():
        first, known = {name: table[name][0].as_py() for name in COLUMNS}, ", ".join(dataset.behaviors)
        raise InputError(
            f"{where}: none of the {len(table)} events is of an item of the data set and of one of "
            f"{known}; the first: item {first['item']!r}, behavior {first['behavior']!r}."
        )
    items, kinds = (part.fill_null(0).to_numpy()[counts].astype(np.int64) for part in (items, kinds))
    touched = _bits(owners[counts], items, kinds, (len(names), dataset.num_items))
    places = [dataset.behaviors.index(name) for name in behaviors]
    users = AskedUsers(names, np.arange(len(names), dtype=np.int32))
    return NewHistories(
        users, _of_behaviors(touched, places), touched, int((~counts).sum()) + given - len(table)
    )


def _bits(
    owners: np.ndarray, items: np.ndarray, kinds: np.ndarray, shape: tuple[int, int]
) -> sparse.csr_array:
    """Events, int [n] each, as a matrix of that shape: bit s of an entry says that there is one of kind s."""
    keys, entry = np.unique(owners.astype(np.int64) * shape[1] + items, return_inverse=True)
    bits = np.zeros(len(keys), np.int32)
    np.bitwise_or.at(bits, entry.ravel(), (1 << kinds).astype(np.int32))
    starts = np.searchsorted(keys, np.arange(shape[0] + 1, dtype=np.int64) * shape[1])
    return sparse.csr_array((bits, (keys % shape[1]).astype(np.int32), starts), shape=shape)


def _of_behaviors(touched: sparse.csr_array, places: Sequence[int]) -> sparse.csr_array:
    """The entries of some behaviors, whose bits are numbered anew."""
    found = touched.copy()
    found.data = sum((touched.data >> place & 1) << s for s, place in enumerate(places))
    found.eliminate_zeros()
    return found


def _of_frame(events: "pd.DataFrame") -> pa.Table:
    """The columns of a data frame, as text."""
    for name in COLUMNS:
        if name not in events.columns:
            raise InputError(f"`history`: expected the columns {', '.join(COLUMNS)}. Missing: {name}.")
    filled = {name: events[name].astype(object).where(events[name].notna(), "") for name in COLUMNS}
    return pa.table({name: as_given(f"history[{name}]", own) for name, own in filled.items()})


def _read(path: str | Path) -> tuple[str, pa.Table]:
    """How messages call a file, and its columns, as text."""
    where = f"`history={path}`"
    expected = f"{where}: expected a CSV file with the columns {', '.join(COLUMNS)}"
    convert = pyarrow.csv.ConvertOptions(
        include_columns=list(COLUMNS),
        column_types=dict.fromkeys(COLUMNS, pa.string()),
        strings_can_be_null=False,
    )
    try:
        return where, pyarrow.csv.read_csv(path, convert_options=convert).combine_chunks()
    except KeyError:
        raise InputError(f"{expected}.") from None
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{expected}: {str(error).splitlines()[0]}") from None
