"""Items of unit length, so that inner products with them order the items of a user as cosines do."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.rows import ItemRows, copy_rows


@keras.saving.register_keras_serializable("nmtr_tf")
class NormalizedItems(ItemRows):
    """Item vectors q / |q|, where q is the row of the table.

    With y the vector of a user for some behavior, y . q / |q| is |y| times their cosine: the same for all
    items of the user but for a factor, which a ranking does not see. So ranking, explanations and exports
    need nothing besides.

    Args:
        *args: As those of `ItemRows`.
        **kwargs: Likewise.
    """

    @override
    def rows(self, ids, terms, seed=None):
        return _normalized(super().rows(ids, terms, seed))

    @override
    def all_rows(self, terms):
        tables = {id(table): tf.convert_to_tensor(table.value) for table in self.tables_of(terms)}
        return _normalized([tables[id(self.tables[r])] for r in terms])

    @override
    def take_over(self, source, behaviors, source_ids, own_ids):
        super().take_over(source, behaviors, source_ids, own_ids)
        for there, here in behaviors:  # the lengths too, as the steps of training depend on them
            copy_rows(source.tables[there], self.tables[here], source_ids, own_ids)


def _normalized(vectors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Vectors of unit length; the same tensor is computed once."""
    found = {id(one): tf.math.l2_normalize(one, axis=-1) for one in vectors}
    return [found[id(one)] for one in vectors]
