"""What objectives, learners and rows ask of methods, units and each other. It needs no TensorFlow.

A plan here is a `nmtr_tf.methods.plan.Plan`, whose module asks this one.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from nmtr_tf.errors import InputError
from nmtr_tf.methods.combinations import (
    CONTRASTIVE,
    GRADIENT,
    LEAST_SQUARES,
    SAMPLED,
    SOFTMAX,
    WHOLE_DATA,
)
from nmtr_tf.methods.unit_kinds import UnitKind
from nmtr_tf.time_section import NONE


@dataclasses.dataclass(frozen=True)
class _Need:
    """What a way of learning asks of a plan.

    Attributes:
        expected: What it is, in words.
        received: What a plan has instead, in words; empty: it has it.
    """

    expected: str
    received: Callable[[Any], str]


def _units_other_than(plan: Any, fits: Callable[[UnitKind, Any], bool]) -> str:
    """The option that names a unit that does not fit."""
    does_fit = all(map(fits, plan.units, plan.unit_names))
    return "" if does_fit else f"`units={','.join(map(str, plan.unit_names))}`"


_NO_CHANNELS = _Need(
    "a method without sampled negatives of its own",
    lambda plan: f"`method={plan.name}`" if plan.samples_channels else "",
)
_PRODUCTS = _Need(
    "units that are inner products, mf or gmf",
    lambda plan: _units_other_than(plan, lambda kind, name: kind.is_inner_product),
)
_MF_OR_GMF = _Need(
    "units mf or gmf", lambda plan: _units_other_than(plan, lambda kind, name: name in ("mf", "gmf"))
)
_ONE_ITEM_TABLE = _Need(
    "item embeddings that all behaviors of a cascade share",
    lambda plan: "" if plan.shares_items or not plan.has_cascade else "`share_embeddings=False`",
)
_ONE_USER_TABLE = _Need(
    "user embeddings that all behaviors share",
    lambda plan: "" if plan.shares_users or len(plan.predicted) == 1 else "`share_embeddings=False`",
)
_SHARED_ITEMS = _Need(
    "item embeddings that all behaviors share",
    lambda plan: "" if plan.shares_items or len(plan.predicted) == 1 else f"`method={plan.name}`",
)
_ONE_STAGE = _Need(
    "`train_mode=multitask`", lambda plan: "" if len(plan.stages) == 1 else "`train_mode=sequential`"
)
_NO_DROPOUT = _Need(
    "`dropout=0`, as it is exact", lambda plan: f"`dropout={plan.dropout:g}`" if plan.dropout else ""
)
_NO_DROPPED = _Need("`dropout=0`, as logits are computed twice", lambda plan: _NO_DROPOUT.received(plan))
_NO_BIAS = _Need("`item_bias=False`, as a cosine has none", lambda plan: "`item_bias=True`" * plan.item_bias)
_ONE_SCALE = _Need(
    "`objective=whole_data` or `softmax`, whose scores are of one scale for all users and items",
    lambda plan: "" if plan.objective in (WHOLE_DATA, SOFTMAX) else f"`objective={plan.objective}`",
)
_SAMPLED = _Need(
    "`objective=sampled`, whose pairs have their times",
    lambda plan: "" if plan.objective == SAMPLED else f"`objective={plan.objective}`",
)
_WITH_BIAS = _Need(
    "`item_bias=True`, of which it is a part",
    lambda plan: "" if plan.item_bias else f"`item_bias=False` (`method={plan.name}`)",
)
_WHOLE = (_NO_CHANNELS, _PRODUCTS, _ONE_ITEM_TABLE)
_NEEDS: dict[tuple[str, str], tuple[_Need, ...]] = {
    (SAMPLED, GRADIENT): (),
    (SOFTMAX, GRADIENT): (_NO_CHANNELS, _NO_DROPPED),
    (CONTRASTIVE, GRADIENT): (*_WHOLE, _NO_DROPPED, _NO_BIAS),
    (WHOLE_DATA, GRADIENT): _WHOLE,
    (WHOLE_DATA, LEAST_SQUARES): (*_WHOLE, _MF_OR_GMF, _ONE_USER_TABLE, _ONE_STAGE, _NO_DROPOUT),
}
"""(objective, learner) -> what they ask of methods, units and rows; one's own objectives ask for nothing."""
_READ_HISTORIES = tuple(objective for objective, learner in _NEEDS if learner == GRADIENT)
"""Objectives that leave what they predict out of histories, or have another way; by gradient alone."""


_STEPS = _Need(
    "`learner=gradient` or `als`, not weights in closed form",
    lambda plan: f"`method={plan.name}`" if plan.has_item_weights else "",
)
_NO_TOWER_DROPOUT = _Need(
    "`dropout=0` in towers, whose chance is of one device",
    lambda plan: f"`dropout={plan.dropout:g}`" if plan.dropout and plan.has_tower else "",
)


def check_combination(plan: Any, strategy: str = "none") -> None:
    """Refuses what does not go together.

    Args:
        plan: The plan.
        strategy: On how many devices it is to be trained.

    Raises:
        InputError: If the objective, the learner or the rows of users ask for something that a plan has not.
    """
    objective = plan.objective if isinstance(plan.objective, str) else ""
    if plan.learner == LEAST_SQUARES and objective != WHOLE_DATA:
        raise InputError(
            f"`learner={plan.learner}` goes with `objective=whole_data`. Received: {plan.objective!r}."
        )
    if plan.time.time_bias != NONE:
        _check(plan, f"`time_bias={plan.time.time_bias}`", (_SAMPLED, _WITH_BIAS))
    if plan.adds_linear and not plan.history.is_read:
        raise InputError(
            f"`method={plan.name}` reads users from their histories: `user_rows=history` or `both`. "
            f"Received: `user_rows={plan.history.user_rows}`."
        )
    if plan.adds_linear:
        _check(plan, f"`method={plan.name}`", (_ONE_STAGE, _ONE_SCALE, *_WHOLE))
    if plan.history.is_read:
        _check_histories(plan, objective)
    _check(
        plan,
        f"`objective={objective}` with `learner={plan.learner}`",
        _NEEDS.get((objective, plan.learner), ()),
    )
    if strategy != "none":
        _check(plan, f"`strategy={strategy}`", (_STEPS, _NO_TOWER_DROPOUT))


def _check_histories(plan: Any, objective: str) -> None:
    """Refuses what does not go with users that are read from their histories."""
    together, names = f"`user_rows={plan.history.user_rows}`", ", ".join(_READ_HISTORIES)
    if objective not in _READ_HISTORIES or plan.learner != GRADIENT:
        raise InputError(
            f"{together} goes with `learner={GRADIENT}` and one of the objectives {names}. "
            f"Received: `objective={plan.objective}`, `learner={plan.learner}`."
        )
    _check(plan, together, (_ONE_USER_TABLE,))
    if plan.history.history_items == "shared":
        _check(plan, f"{together} with `history_items=shared`", (_SHARED_ITEMS,))


def _check(plan: Any, asking: str, needs: Sequence[_Need]) -> None:
    """Refuses a plan that lacks something."""
    for need in needs:
        if received := need.received(plan):
            raise InputError(f"{asking} needs {need.expected}. Received: {received}.")
