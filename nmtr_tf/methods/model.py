"""Every method as a functional Keras model: rows, a unit and an item bias a behavior, a cascade.

NMTR (Eq. 4, 5 and 9) is the general case. A method that predicts the target only has one behavior, and
collective matrix factorization has no cascade: see `nmtr_tf.methods.table`.
"""

from typing import Any

import keras
import numpy as np
from scipy import sparse

from nmtr_tf.history_section import BOTH
from nmtr_tf.methods.plan import Plan
from nmtr_tf.methods.times import NO_TIMES, ModelTimes
from nmtr_tf.models.cascade import Cascade
from nmtr_tf.models.history import HistoryRows, PlaceRows
from nmtr_tf.models.network import network
from nmtr_tf.models.normalized import NormalizedItems
from nmtr_tf.models.pooled import PooledRows
from nmtr_tf.models.rows import ItemRows, TableRows
from nmtr_tf.models.summed import SummedItems, SummedRows
from nmtr_tf.models.timed import BucketItems, WindowItems
from nmtr_tf.models.units import PlusLinear
from nmtr_tf.time_section import BUCKETS, WINDOW


def build_model(
    plan: Plan,
    num_users: int,
    num_items: int,
    seed: int,
    histories: sparse.csr_array | None = None,
    times: ModelTimes = NO_TIMES,
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
        times: What it keeps of the times of the training view, `times_of` it, which plans with a
            `timed_option` need.
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
        p, (q, b) = _linear_rows(plan, num_items, histories, times, user_ids, item_ids)
    else:
        of_users = options(num_users, plan.shares_users)
        of_items = {**options(num_items, plan.shares_items), "trains_biases": plan.item_bias}
        item_rows = _item_rows(plan, of_items, times)
        if plan.history.is_read:
            vectors = item_rows if plan.history.history_items == "shared" else None
            if vectors is None:
                vectors = TableRows(**{**options(num_items, True), "num_behaviors": 1}, name="history_items")
            user_rows = _pooled_rows(plan, of_users, vectors, histories)
        else:
            user_rows = TableRows(**of_users, name="user_rows")
        if plan.adds_linear:
            user_rows, item_rows = _summed_rows(plan, user_rows, item_rows, num_items)
        p, (q, b) = user_rows(user_ids), item_rows(item_ids)
        if plan.history.is_read:
            user_rows.set_histories(histories, times.entry_weights)
        if isinstance(item_rows, WindowItems) and times.popularity is not None:
            item_rows.set_popularity(times.popularity)
    units = [
        kind.make(
            widths=plan.tower_widths, dropout=plan.dropout, seed=unit_seed, separate=plan.separates_parts
        )
        for kind, unit_seed in zip(plan.units, seeds(num_behaviors), strict=True)
    ]
    if plan.adds_linear:
        units[-1] = PlusLinear(units[-1], num_items)
    logits = Cascade(plan.predicted, units, plan.parents, name="cascade")((p, q, b))
    return keras.Model({"user_ids": user_ids, "item_ids": item_ids}, logits, name=plan.name)


def without_linear(model: keras.Model) -> keras.Model:
    """The model of a sum without its linear part: of the same layers, so that what it learns the sum has."""
    net = network(model)
    user_ids, item_ids = (keras.Input((), dtype="int32", name=name) for name in ("user_ids", "item_ids"))
    users, items, units = net.user_rows, net.item_rows, list(net.cascade.units)
    assert isinstance(users, SummedRows)
    assert isinstance(items, SummedItems)
    units[-1] = units[-1].unit
    rows = users.pooled(user_ids), *items.embedded(item_ids)
    logits = Cascade(net.behaviors, units, net.cascade.parents, name="cascade")(rows)
    return keras.Model({"user_ids": user_ids, "item_ids": item_ids}, logits, name=model.name)


def _item_rows(plan: Plan, of_items: dict, times: ModelTimes) -> ItemRows:
    """Item vectors and biases; what is known of times is yet to be set."""
    if plan.time.time_bias == BUCKETS:
        return BucketItems(**of_items, num_columns=plan.time.time_buckets, name="item_rows")
    if plan.time.time_bias == WINDOW:
        assert times.popularity is not None
        return WindowItems(**of_items, num_columns=times.popularity.shape[-1], name="item_rows")
    return (NormalizedItems if plan.normalizes_items else ItemRows)(**of_items, name="item_rows")


def _summed_rows(
    plan: Plan, users: PooledRows, items: ItemRows, num_items: int
) -> tuple[SummedRows, SummedItems]:
    """Rows with what the linear part needs behind them."""
    own: dict[str, Any] = {"num_rows": num_items, "row_size": items.row_size, "shared": True}
    own["num_behaviors"] = items.num_behaviors
    of_users: dict[str, Any] = {
        "num_users": users.num_users,
        "num_entries": users.num_entries,
        "num_items": num_items,
    }
    of_users |= _of_item_weights(plan)
    return (
        SummedRows(users, **of_users, **own, name="user_rows"),
        SummedItems(items, trains_biases=items.trains_biases, **own, name="item_rows"),
    )


def _pooled_rows(plan: Plan, of_users: dict, vectors: TableRows, histories: sparse.csr_array) -> PooledRows:
    """Users as sums of item vectors over their histories, which are yet to be set."""
    return PooledRows(
        num_users=histories.shape[0],
        num_entries=histories.nnz,
        num_kinds=len(plan.behaviors),
        alpha=plan.history.history_alpha,
        dropout=plan.history.history_dropout,
        weighs_entries=plan.history.history_half_life > 0,
        items=vectors,
        own=TableRows(**of_users, name="own") if plan.history.user_rows == BOTH else None,
        **{**of_users, "seeds": None},
        name="user_rows",
    )


def _of_item_weights(plan: Plan) -> dict[str, Any]:
    """What rows with item-to-item weights are told of these."""
    linear = plan.linear
    return {"gates": plan.linear_gates, "rank": linear.linear_rank, "diagonal": linear.linear_diagonal}


def _linear_rows(plan, num_items, histories, times, user_ids, item_ids):
    """Users as sums over their histories, items as places in them: what their layers give."""
    users = HistoryRows(
        num_users=histories.shape[0],
        num_entries=histories.nnz,
        num_rows=num_items,
        row_size=num_items,
        num_behaviors=len(plan.predicted),
        shared=False,
        **_of_item_weights(plan),
        weighs_entries=plan.history.history_half_life > 0,
        name="user_rows",
    )
    p = users(user_ids)
    users.set_histories(histories, times.entry_weights)
    own = {"num_rows": num_items, "row_size": 1, "num_behaviors": len(plan.predicted), "shared": True}
    return p, PlaceRows(**own, trains_biases=False, name="item_rows")(item_ids)
