"""Users of a log that preparation dropped, and why."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclasses.dataclass(frozen=True, eq=False)
class DroppedUsers:
    """Users that a step of preparation left without rows.

    Attributes:
        user_ids: Raw ids, int64 or str (object) [n], each once.
        step: int32 [n], positions in `steps`.
        steps: Names of the steps, as `nmtr_tf.data.filters.Rows` reports them.
    """

    user_ids: np.ndarray
    step: np.ndarray
    steps: tuple[str, ...]

    def __len__(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    def steps_of(self, user_ids: pa.Array) -> list[str | None]:
        """The step that each of some users (string [n]) fell to; None: it was not dropped."""
        rows = pc.index_in(user_ids, pa.array(self.user_ids).cast(pa.string()))
        steps = pa.array(self.steps, pa.string())
        return steps.take(pa.array(self.step).take(rows)).to_pylist()

    def table(self) -> pa.Table:
        """Columns user_id and filter, as dropped_users.parquet has them."""
        steps = pa.DictionaryArray.from_arrays(pa.array(self.step), pa.array(self.steps, pa.string()))
        return pa.table({"user_id": pa.array(self.user_ids), "filter": steps})

    @classmethod
    def of_table(cls, table: pa.Table) -> "DroppedUsers":
        """The inverse of `table`; raises KeyError where a column is missing."""
        steps = pc.dictionary_encode(table["filter"].cast(pa.string())).combine_chunks()
        return cls(table["user_id"].to_numpy(), steps.indices.to_numpy(), tuple(steps.dictionary.to_pylist()))


NOBODY = DroppedUsers(np.zeros(0, np.int64), np.zeros(0, np.int32), ())
