"""Every method as a functional Keras model: rows, a unit and an item bias a behavior, a cascade.

NMTR (Eq. 4, 5 and 9) is the general case. A method that predicts the target only has one behavior, and
collective matrix factorization has no cascade: see `nmtr_tf.methods.table`.
"""

import keras
import numpy as np
from scipy import sparse

from nmtr_tf.history_section import BOTH
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.cascade import Cascade
from nmtr_tf.models.history import HistoryRows, PlaceRows
from nmtr_tf.models.pooled import PooledRows
from nmtr_tf.models.rows import ItemRows, TableRows


def build_model(
    plan: Plan, num_users: int, num_items: int, seed: int, histories: sparse.csr_array | None = None
) -> keras.Model:
    """The functional model: int32 ids [batch_size] in, a logit [batch_size] per predicted behavior out.

    Inputs are `user_ids` and `item_ids` (rows of the tables), the output is a dictionary keyed by
    behavior name. Probabilities (Eq. 5) are the sigmoid of the logits.

    Args:
        plan: The method with its options.
        num_users: Rows of P.
        num_items: Rows of Q.
        seed: Seed of every initial value and of dropout.
        histories: What the users did, CSR int32 [num_users, num_items]: `histories_of` the training view.
            Only plans that are `from_history` read it, and they need it.
    """
    generator, num_behaviors = np.random.default_rng(seed), len(plan.predicted)

    def seeds(count: int) -> list[int]:
        return [int(generator.integers(2**31 - 1)) for _ in range(count)]

    def options(num_rows: int, shared: bool) -> dict:
        own = {"num_rows": num_rows, "row_size": plan.row_size, "num_behaviors": num_behaviors}
        return {
            **own,
            "shared": shared,
            "stddev": plan.embedding_stddev,
            "seeds": seeds(1 if shared else num_behaviors),
        }

    user_ids = keras.Input((), dtype="int32", name="user_ids")
    item_ids = keras.Input((), dtype="int32", name="item_ids")
    if plan.is_closed_form:
        p, (q, b) = _linear_rows(num_behaviors, num_items, histories, user_ids, item_ids)
    else:
        of_users, of_items = (
            options(num_users, plan.shares_users),
            {**options(num_items, plan.shares_items), "trains_biases": plan.item_bias},
        )
        item_rows = ItemRows(**of_items, name="item_rows")
        if plan.history.is_read:
            vectors = item_rows if plan.history.history_items == "shared" else None
            if vectors is None:
                vectors = TableRows(**{**options(num_items, True), "num_behaviors": 1}, name="history_items")
            user_rows = _pooled_rows(plan, of_users, vectors, histories)
        else:
            user_rows = TableRows(**of_users, name="user_rows")
        p, (q, b) = user_rows(user_ids), item_rows(item_ids)
        if isinstance(user_rows, PooledRows):
            user_rows.set_histories(histories)
    units = [
        kind.make(
            widths=plan.tower_widths, dropout=plan.dropout, seed=unit_seed, separate=plan.separates_parts
        )
        for kind, unit_seed in zip(plan.units, seeds(num_behaviors), strict=True)
    ]
    logits = Cascade(plan.predicted, units, plan.parents, name="cascade")((p, q, b))
    return keras.Model({"user_ids": user_ids, "item_ids": item_ids}, logits, name=plan.name)


def _pooled_rows(plan: Plan, of_users: dict, vectors: TableRows, histories: sparse.csr_array) -> PooledRows:
    """Users as sums of item vectors over their histories, which are yet to be set."""
    return PooledRows(
        num_users=histories.shape[0],
        num_entries=histories.nnz,
        num_kinds=len(plan.behaviors),
        alpha=plan.history.history_alpha,
        dropout=plan.history.history_dropout,
        items=vectors,
        own=TableRows(**of_users, name="own") if plan.history.user_rows == BOTH else None,
        **{**of_users, "seeds": None},
        name="user_rows",
    )


def _linear_rows(num_behaviors, num_items, histories, user_ids, item_ids):
    """Users as sums over their histories, items as places in them: what their layers give."""
    users = HistoryRows(
        num_users=histories.shape[0],
        num_entries=histories.nnz,
        num_rows=num_items,
        row_size=num_items,
        num_behaviors=num_behaviors,
        shared=False,
        name="user_rows",
    )
    p = users(user_ids)
    users.set_histories(histories)
    own = {"num_rows": num_items, "row_size": 1, "num_behaviors": num_behaviors, "shared": True}
    return p, PlaceRows(**own, trains_biases=False, name="item_rows")(item_ids)
