"""How an id becomes vectors: rows of embedding tables (Eq. 4), one vector for each behavior.

This is the one place that knows where a user's and an item's vectors come from; training, ranking,
recommending and export ask it.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override


@keras.saving.register_keras_serializable("nmtr_tf")
class TableRows(keras.layers.Layer):
    """Vectors that are rows of a table: one table for all behaviors, or one for each.

    Called on ids int32 [...] it gives a list with one float32 [..., row_size] per behavior.

    Differs from the paper: its initial values [17] are N(0, 2 / rows) for a table that is read as a layer
    after one-hot ids; the standard deviation here is one for all sizes. On its data both are .01.

    Args:
        num_rows: Number of ids.
        row_size: E, the length of a vector.
        num_behaviors: R, the number of behaviors.
        shared: Whether all behaviors read one table.
        stddev: Standard deviation of the initial values, a truncated normal.
        seeds: Seeds of the initial values: one, or one for each behavior.
    """

    def __init__(
        self,
        num_rows: int,
        row_size: int,
        num_behaviors: int,
        shared: bool,
        stddev: float = 0.01,
        seeds: Sequence[int] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_rows, self.row_size, self.num_behaviors = num_rows, row_size, num_behaviors
        self.shared, self.stddev, self.seeds = shared, stddev, seeds

    def build(self, input_shape=None):
        """Creates the tables, float32 [num_rows, row_size]."""
        count = 1 if self.shared else self.num_behaviors
        own = [
            self.add_weight(
                (self.num_rows, self.row_size),
                keras.initializers.TruncatedNormal(stddev=self.stddev, seed=seed),
                name=f"table_{number}",
            )
            for number, seed in enumerate(self.seeds or [None] * count)
        ]
        self.distinct_tables = own
        self.tables = own * self.num_behaviors if self.shared else own
        self.built = True

    def call(self, ids):
        """Rows of every behavior."""
        return self.rows(ids, range(self.num_behaviors))

    def rows(self, ids, terms: Sequence[int], seed=None) -> list[tf.Tensor]:
        """Vectors of some behaviors; a table that several of them share is read once.

        Args:
            ids: int32 [...].
            terms: Behaviors, from 0.
            seed: int64 [2], in training, where vectors may depend on chance; None: they do not.

        Returns:
            A float32 [..., row_size] for each.
        """
        return gathered([self.tables[r] for r in terms], ids)

    def all_rows(self, terms: Sequence[int]) -> list[tf.Tensor]:
        """Vectors of all ids, float32 [num_rows, row_size], for each of some behaviors."""
        return [tf.convert_to_tensor(self.tables[r].value) for r in terms]

    def tables_of(self, terms: Sequence[int]) -> list[keras.Variable]:
        """The distinct tables that some behaviors read."""
        return distinct([self.tables[r] for r in terms])

    @property
    def item_tables(self) -> list[keras.Variable]:
        """Tables of item vectors, float32 [num_items, row_size], that the vectors are made of, if any."""
        return []

    @property
    def gates(self) -> list[keras.Variable]:
        """Weights that are of no id, if any."""
        return []

    def take_over(
        self,
        source: "TableRows",
        behaviors: Sequence[tuple[int, int]],
        source_ids: np.ndarray,
        own_ids: np.ndarray,
    ) -> None:
        """Copies the vectors of another model; all other rows stay as they are.

        Args:
            source: Rows of the same size, shared in the same way.
            behaviors: (behavior there, behavior here), from 0.
            source_ids: int [n], ids there.
            own_ids: int [n], the same ids here.
        """
        for there, here in behaviors:
            copy_rows(source.all_rows([there])[0], self.tables[here], source_ids, own_ids)

    @override
    def get_config(self):
        own = {
            "num_rows": self.num_rows,
            "row_size": self.row_size,
            "num_behaviors": self.num_behaviors,
            "shared": self.shared,
            "stddev": self.stddev,
            "seeds": self.seeds,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("nmtr_tf")
class ItemRows(TableRows):
    """Item vectors and the item bias of each behavior, b^r of Eq. 9, which start at zero.

    Called on ids int32 [...] it gives the vectors as `TableRows` does, and a list with one bias
    float32 [...] per behavior.

    Args:
        *args: As those of `TableRows`.
        trains_biases: Whether training changes the biases; else they stay zero.
        **kwargs: As those of `TableRows`.
    """

    def __init__(self, *args: Any, trains_biases: bool = True, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.trains_biases = trains_biases

    def build(self, input_shape=None):
        """Creates the tables and the biases, float32 [num_rows] each."""
        super().build(input_shape)
        self.add_biases()

    def add_biases(self) -> None:
        """Creates the biases."""
        self.biases = [
            self.add_weight((self.num_rows,), "zeros", trainable=self.trains_biases, name=f"bias_{r}")
            for r in range(self.num_behaviors)
        ]

    def call(self, ids):
        """Rows and biases of every behavior."""
        return super().call(ids), self.bias_rows(ids, range(self.num_behaviors))

    def bias_rows(self, ids, terms: Sequence[int], buckets=None) -> list[tf.Tensor]:
        """Biases of some behaviors, as they are at the end of the training time.

        Args:
            ids: int32 [...].
            terms: Behaviors, from 0.
            buckets: int32 of a shape that broadcasts to that of `ids`, in training: the buckets of time that
                they are asked for, where biases have a term of time (`TimedItems`); None: the end.

        Returns:
            A float32 [...] for each.
        """
        return [tf.gather(self.biases[r].value, ids) for r in terms]

    def all_biases(self, terms: Sequence[int]) -> list[tf.Tensor]:
        """Biases of all items, float32 [num_rows], for each of some behaviors."""
        return [tf.convert_to_tensor(self.biases[r].value) for r in terms]

    def bias_variables(self, r: int) -> list[keras.Variable]:
        """What the biases of a behavior are made of, as far as training may change it."""
        return [self.biases[r]]

    @override
    def take_over(self, source, behaviors, source_ids, own_ids):
        super().take_over(source, behaviors, source_ids, own_ids)
        for there, here in behaviors:
            copy_rows(source.all_biases([there])[0], self.biases[here], source_ids, own_ids)

    @override
    def get_config(self):
        return {**super().get_config(), "trains_biases": self.trains_biases}


def gathered(tables: Sequence[keras.Variable], ids) -> list[tf.Tensor]:
    """Rows of every table, each distinct table read once."""
    rows = {id(table): tf.gather(table.value, ids) for table in distinct(tables)}
    return [rows[id(table)] for table in tables]


def copy_rows(
    old: keras.Variable | tf.Tensor, new: keras.Variable, old_ids: np.ndarray, new_ids: np.ndarray
) -> None:
    """Gives rows of a variable the values of those of another one, in order; the others stay."""
    values = np.array(keras.ops.convert_to_numpy(new))
    values[new_ids] = keras.ops.convert_to_numpy(old)[old_ids]
    new.assign(values)


def distinct(tables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """The tables without repetitions, in order."""
    return list({id(table): table for table in tables}.values())
